# SPDX-License-Identifier: GPL-2.0-or-later
"""An evening of ZeRO-3 with a thin margin at PCIE3: status, explain, journal and D-Bus must name the same slot,
direction and grade, and nothing else may be flagged. A test policy shortens the times, not the rule."""
from __future__ import annotations

import json

import aer
import board
import product
from aer import Error
from service import UNIT, invocation, records, within

POLICY = "/etc/wopr-aer/wopr-aer.d/zz-verdict.toml"
# An episode ends after a second without an error, so that twelve errors three seconds apart are twelve.
SHORT = "[verdict]\nepisode_gap_s = 1\nepisode_cap_s = 5\nmedium_loaded_min = 0.05\nhigh_loaded_min = 100\n"
WRONG = "[verdict]\nepisode_gap_s = 1\n\nmarginal_window_min = -20\n"
FLAGGED = {"marginal", "bad", "failing"}


def on_bus(machine) -> dict[str, dict]:
    text = machine.guest.run(["busctl", "--json=short", "call", "org.wopr.Aer1", "/org/wopr/Aer1",
                              "org.wopr.Aer1.Manager", "ListLinks", "uu", "0", "128"], user="owner").stdout
    return {link["Port"]["data"]: {name: value["data"] for name, value in link.items()}
            for _, link in json.loads(text)["data"][1]}


def test_an_evening_of_zero3_names_one_slot_everywhere(served):
    machine = served()
    guest = machine.guest
    try:
        guest.put(POLICY, SHORT)
        guest.run(["systemctl", "restart", UNIT], timeout=60)
        start = invocation(machine)
        before = {name: product.link(product.status(machine), name)["grade"] for name in board.SLOTS}
        assert not FLAGGED & set(before.values()), before

        def errors_to_host() -> float:
            return on_bus(machine)[board.SLOTS["PCIE3"].port]["Figures"].get("to_host_errors", 0)

        earlier = errors_to_host()  # what tests before this one did to the same slot
        aer.inject(machine, Error("PCIE3", "port", ("BadTLP",), count=8, gap_ms=3000),
                   Error("PCIE3", "port", ("RxErr", "BadTLP"), count=4, gap_ms=3000))

        def verdict() -> tuple:
            link = product.link(product.status(machine), "PCIE3")
            return link["grade"], link["direction"], link["riser_candidate"], link["confidence"]

        wanted = ("marginal", "to-host", True, "medium")
        assert within(30, lambda: verdict() == wanted), verdict()
        document = product.status(machine)
        assert document["monitor"] == "service"
        flagged = [link["slot"] for link in document["slots"] if link["grade"] in FLAGGED or link["riser_candidate"]]
        assert flagged == ["PCIE3"]

        text = guest.run(["wopr-aer", "status"], user="owner").stdout
        assert "may need a riser: PCIE3 (marginal, to-host, medium confidence)." in " ".join(text.split())
        why = guest.run(["wopr-aer", "explain", "PCIE3"], user="owner").stdout
        assert max(map(len, why.splitlines())) <= 80
        said = " ".join(why.split())
        assert "PCIE3: grade marginal, on the way to the host; may need a riser, medium confidence." in said
        assert "Free of charge: reseat" in said
        elsewhere = " ".join(guest.run(["wopr-aer", "explain", "PCIE6"], user="owner").stdout.split())
        assert "may need a riser," not in elsewhere

        for port, link in on_bus(machine).items():
            shown = product.by_port(document)[port]
            assert (link["Grade"], link["Direction"], link["RiserCandidate"], link["Confidence"] or None) == (
                shown["grade"], shown["direction"], shown["riser_candidate"], shown["confidence"])
        assert errors_to_host() - earlier == 16

        told = [r for r in records(machine, start) if r.get("WOPR_GRADE") in FLAGGED]
        assert told and {(r["WOPR_SLOT"], r["WOPR_GRADE"], r["WOPR_DIRECTION"]) for r in told} == {
            ("PCIE3", "marginal", "to-host")}
        assert told[0]["WOPR_PREVIOUS_GRADE"] in ("clean", "trace")

        # A policy that makes no sense changes nothing, and says where it is wrong.
        guest.put(POLICY, WRONG)
        guest.run(["systemctl", "reload", UNIT], check=False, timeout=60)

        def refused() -> bool:
            return any(f"{POLICY}:4" in r["MESSAGE"] and "marginal_window_min" in r["MESSAGE"]
                       for r in records(machine, start))

        assert within(30, refused), [r["MESSAGE"] for r in records(machine, start)]
        assert verdict() == wanted
    finally:
        guest.run(["rm", "-f", POLICY])
