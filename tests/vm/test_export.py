# SPDX-License-Identifier: GPL-2.0-or-later
"""The history as a trace: what an ordinary user exports and plays again is what the kernel counted."""
from __future__ import annotations

import json
from collections import Counter

import aer
import board
import product
from aer import Error
from service import UNIT, within

FILE = "/home/owner/history.jsonl"


def growth(before: dict, after: dict) -> dict[tuple[str, str], Counter]:
    """What the kernel's counters grew by, all severities together; ends that did not err left out."""
    def flat(counts: aer.Counts) -> Counter:
        return (counts.correctable or Counter()) + (counts.nonfatal or Counter()) + (counts.fatal or Counter())

    grown = {end: flat(counts) - flat(before[end]) for end, counts in after.items()}
    return {end: counts for end, counts in grown.items() if counts}


def test_an_export_replayed_has_the_kernels_counts_and_the_services_grades(served):
    machine = served()
    machine.guest.run(f"systemctl stop {UNIT}; rm -rf /var/lib/wopr-aer/*; systemctl start {UNIT}", timeout=120)
    before = aer.link_counters(machine)
    aer.inject(machine, Error("PCIE3", "device", ("RxErr", "BadTLP"), 4), Error("PCIE6", "port", ("BadDLLP",), 3))
    assert within(60, lambda: product.link(product.status(machine), "PCIE6")["grade"] != "clean")
    # Killed, blind for a while, and killed once more: what came meanwhile is in the trace too.
    machine.guest.run(f"systemctl kill --kill-who=main --signal=KILL {UNIT}")
    aer.inject(machine, Error("PCIE3", "device", ("RxErr",), 5))
    assert within(60, lambda: product.status(machine)["monitor"] == "service")
    machine.guest.run(["systemctl", "restart", UNIT], timeout=60)
    aer.inject(machine, Error("PCIE5", "device", ("BadDLLP", "Timeout"), 2), Error("PCIE3", "device", ("Rollover",), 2))
    truth = growth(before, aer.link_counters(machine))

    def exported() -> dict[str, dict]:
        machine.guest.run(["rm", "-f", FILE])
        done = machine.guest.run(["wopr-aer", "export", "--output", FILE], user="owner", timeout=60)
        assert done.stdout == "", done
        played = machine.guest.run(["wopr-aer", "replay", "--json", FILE], user="owner", timeout=60)
        return {slot["port"]: slot for slot in json.loads(played.stdout)["slots"]}

    def counts(found: dict[str, dict]) -> dict[tuple[str, str], Counter]:
        ends = {}
        for name, slot in board.SLOTS.items():
            for side, severities in found.get(slot.port, {"counts": {}})["counts"].items():
                ends[name, side] = sum((Counter(tokens) for tokens in severities.values()), Counter())
        return ends

    assert within(60, lambda: counts(exported()) == truth), (counts(exported()), truth)
    document = product.status(machine)
    found = exported()
    for name, slot in board.SLOTS.items():
        link = product.link(document, name)
        for key in ("grade", "direction", "riser_candidate", "confidence"):
            assert found[slot.port][key] == link[key], (name, key)
    assert found[board.SLOTS["PCIE5"].port]["grade"] != "clean"
