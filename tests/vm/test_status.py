# SPDX-License-Identifier: GPL-2.0-or-later
"""What `wopr-aer status` says, run by an ordinary user, beside what the guest's kernel has counted."""
from __future__ import annotations

import json
import re
from collections import Counter

import pytest

import aer
import board
import product
from aer import Error

KERNELS = ["stable", "newer"]
ENDS = [(slot, side) for slot in board.SLOTS for side in aer.SIDES]
SIGNAL = {"RxErr", "BadTLP", "BadDLLP", "Rollover"}


def kernel_view(machine) -> dict[tuple[str, str], Counter]:
    """The kernel's counters in the shape of product.ends."""
    return {end: counts.correctable + counts.nonfatal + counts.fatal
            for end, counts in aer.link_counters(machine).items()}


def port_messages(machine) -> dict[str, dict[str, int]]:
    return {slot: counts.messages for (slot, side), counts in aer.link_counters(machine).items() if side == "port"}


@pytest.mark.parametrize("kernel", KERNELS)
def test_slots_have_the_boards_names_and_native_evidence(installed, kernel):
    document = product.status(installed(kernel=kernel))
    assert document["schema"] == 1
    assert (document["monitor"], document["board"]["name"]) == ("embedded", "ROMED8-2T")
    for name in board.SLOTS:
        link = product.link(document, name)
        assert (link["slot"], link["slot_source"]) == (name, "board")
        assert (link["evidence"]["port"], link["evidence"]["device"]) == ("native", "native")
        assert link["gpu"] is not None
        assert link["link"]["state"] == "ok"  # x1 at 2.5 GT/s is all these endpoints can do


@pytest.mark.parametrize("kernel", KERNELS)
def test_errors_show_exactly_where_they_happened(installed, kernel):
    machine = installed(kernel=kernel)
    before, messages_before = product.ends(product.status(machine)), port_messages(machine)
    aer.inject(machine, Error("PCIE3", "device", ("RxErr",), 3), Error("PCIE3", "device", ("BadTLP",), 2),
               Error("PCIE6", "port", ("BadDLLP",), 4), Error("PCIE1", "device", ("BadTLP", "Timeout")),  # 0x1040
               Error("PCIE5", "device", ("CmpltTO",)))
    document = product.status(machine)
    after = product.ends(document)
    grown = {end: dict(after[end] - before[end]) for end in ENDS if after[end] != before[end]}
    assert grown == {("PCIE3", "device"): {"RxErr": 3, "BadTLP": 2}, ("PCIE6", "port"): {"BadDLLP": 4},
                     ("PCIE1", "device"): {"BadTLP": 1, "Timeout": 1}, ("PCIE5", "device"): {"CmpltTO": 1}}
    assert after == kernel_view(machine)
    assert product.link(document, "PCIE5")["uncorrectable"]["device"]["nonfatal"]["CmpltTO"] == after["PCIE5", "device"]["CmpltTO"]
    # Beside, not added: each injection was one message to the root port.
    expected = {"PCIE3": 5, "PCIE6": 4, "PCIE1": 1, "PCIE5": 1}
    for name in board.SLOTS:
        shown = product.link(document, name)["root_port_messages"]
        assert shown == port_messages(machine)[name]
        assert sum(shown.values()) - sum(messages_before[name].values()) == expected.get(name, 0)
    others = [link for port, link in product.by_port(document).items()
              if port not in {slot.port for slot in board.SLOTS.values()}]
    assert not any(product.counts(link, side) for link in others for side in aer.SIDES)


def test_grades_are_clean_or_trace(installed):
    machine = installed()
    aer.inject(machine, Error("PCIE3", "port", ("BadTLP",)))
    document = product.status(machine)
    assert product.link(document, "PCIE3")["grade"] == "trace"
    for name in board.SLOTS:
        link = product.link(document, name)
        signal = any(SIGNAL & set(product.counts(link, side)) for side in aer.SIDES)
        assert link["grade"] == ("trace" if signal or link["unattributed"] else "clean")
        assert link["riser_candidate"] is False


def test_a_burst_under_watch_ends_at_the_kernels_own_count(installed):
    machine = installed()
    watch = product.Watch(machine)
    burst = aer.start_burst(machine, Error("PCIE2", "device", ("RxErr",), 5000))
    seen = [product.ends(watch.first)["PCIE2", "device"]["RxErr"]]
    while burst.status is None:
        seen.append(product.ends(watch.next())["PCIE2", "device"]["RxErr"])
    assert aer.accepted(burst) == 5000
    kernel = kernel_view(machine)
    seen.append(product.ends(watch.until(lambda shown: product.ends(shown) == kernel))["PCIE2", "device"]["RxErr"])
    assert seen == sorted(seen)
    assert product.ends(watch.next()) == kernel  # and it stays there
    watch.stop()


def test_hotplug_under_watch_loses_and_doubles_nothing(installed):
    machine = installed()
    end = "PCIE4", "device"
    watch = product.Watch(machine)
    before = product.ends(watch.first)[end]
    aer.inject(machine, Error(*end, ("RxErr",), 3))
    watch.until(lambda shown: product.ends(shown)[end] == before + Counter(RxErr=3))

    machine.unplug("PCIE4")
    empty = watch.until(lambda shown: product.link(shown, "PCIE4")["device"] is None)
    assert product.link(empty, "PCIE4")["gpu"] is None
    assert product.ends(empty)[end] == before + Counter(RxErr=3)
    assert product.link(empty, "PCIE4")["unattributed"] == product.link(watch.first, "PCIE4")["unattributed"]

    machine.plug("PCIE4")
    back = watch.until(lambda shown: product.link(shown, "PCIE4")["device"] is not None)
    assert product.link(back, "PCIE4")["gpu"] is not None
    assert product.ends(back)[end] == before + Counter(RxErr=3)
    assert not kernel_view(machine)[end]  # the kernel itself has forgotten them
    aer.inject(machine, Error(*end, ("BadTLP",), 1))
    watch.until(lambda shown: product.ends(shown)[end] == before + Counter(RxErr=3, BadTLP=1))
    watch.stop()


def test_an_error_right_before_removal_is_not_lost(installed):
    machine = installed()
    end = "PCIE4", "device"
    watch = product.Watch(machine)
    before = sum(product.ends(watch.first)[end].values()) + product.link(watch.first, "PCIE4")["unattributed"]
    # The slot's power is cut in the same breath: no sample comes between, or nearly never.
    inject = " ".join([aer.INJECT, "--gap 0", *aer.targets(machine, (Error(*end, ("BadTLP",), 2, gap_ms=0),))])
    machine.guest.run(f"{inject} && echo 0 > /sys/bus/pci/slots/{board.SLOTS['PCIE4'].number}/power")
    machine.wait_unplugged("PCIE4")
    watch.until(lambda shown: product.link(shown, "PCIE4")["device"] is None)
    after = watch.next()  # the kernel may finish the last interrupt one round later
    shown = product.link(after, "PCIE4")
    assert sum(product.ends(after)[end].values()) + shown["unattributed"] == before + 2
    assert shown["grade"] == "trace"
    machine.plug("PCIE4")
    watch.until(lambda shown: product.link(shown, "PCIE4")["device"] is not None)
    watch.stop()


def test_a_card_gone_and_back_between_two_looks_is_not_lost_either(installed):
    machine = installed()
    end = "PCIE4", "device"
    watch = product.Watch(machine)
    before = sum(product.ends(watch.first)[end].values()) + product.link(watch.first, "PCIE4")["unattributed"]
    port, card = (aer.function_at(machine, "PCIE4", side) for side in aer.SIDES)
    inject = " ".join([aer.INJECT, *aer.targets(machine, (Error(*end, ("RxErr",), 2, gap_ms=0),))])
    machine.guest.run(f"cd /sys/bus/pci/devices && {inject} && echo 1 > {card}/remove && echo 1 > {port}/rescan")
    watch.until(lambda shown: product.link(shown, "PCIE4")["device"] is not None
                and sum(product.ends(shown)[end].values()) + product.link(shown, "PCIE4")["unattributed"] == before + 2)
    watch.stop()


@pytest.mark.parametrize("argument, reason", [
    ("pci=noaer", r"pci=noaer"), ("pci=nommconf", r"extended config.*pci=nommconf"),
    ("pcie_ports=compat", r"pcie_ports=compat")])
def test_what_cannot_be_seen_is_said_and_never_zero(installed, argument, reason):
    machine = installed(append=(argument,))
    document = product.status(machine)
    for name in board.SLOTS:
        link = product.link(document, name)
        for side in aer.SIDES:
            assert link["evidence"][side] in ("blind", "sticky")
            assert link["correctable"][side] is None
            assert link["uncorrectable"][side] is None
            assert link["before_monitoring"][side] is None
        assert re.search(reason, link["evidence"]["reason"])
        assert link["grade"] == "unknown"
        assert link["riser_candidate"] is False
    text = machine.guest.run(["wopr-aer", "status"], user="owner").stdout
    assert "cannot see" in text.lower() and argument in text
    rows = product.table(text)
    assert set(rows) == set(board.SLOTS)
    for row in rows.values():
        assert not re.search(r"\s0(\s|$)", row), row
        assert "clean" not in row, row


def test_text_and_json_of_one_user_tell_the_same(installed):
    machine = installed()
    aer.inject(machine, Error("PCIE7", "port", ("Rollover",)))
    text = machine.guest.run(["wopr-aer", "status"], user="owner").stdout
    rows = product.table(text)
    document = product.status(machine)
    assert set(rows) == set(board.SLOTS)
    for name, row in rows.items():
        assert product.link(document, name)["grade"] in row
    topology = machine.guest.run(["wopr-aer", "topology", "--json"], user="owner").stdout
    assert all(slot.port in topology for slot in board.SLOTS.values())
    assert json.loads(topology)
