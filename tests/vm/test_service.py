# SPDX-License-Identifier: GPL-2.0-or-later
"""The service under real systemd: what it says in status, on D-Bus and in the journal, beside the kernel's counters."""
from __future__ import annotations

from collections import Counter

import pytest

import aer
import board
import product
import service
from aer import Error
from service import UNIT, bus_counts, invocation, records, shown, told, within

KERNELS = ["stable", "newer"]
NOT_YET_TOLD = 2.0  # seconds from an injection to all three places


@pytest.mark.parametrize("kernel", KERNELS)
def test_errors_are_told_in_all_three_places(served, kernel):
    machine = served(kernel=kernel)
    document = product.status(machine)
    assert document["monitor"] == "service"
    before, start = product.ends(document), invocation(machine)
    bus_before = {end: bus_counts(machine, *end) for end in [("PCIE3", "device"), ("PCIE6", "port")]}
    aer.inject(machine, Error("PCIE3", "device", ("RxErr",), 3), Error("PCIE3", "device", ("BadTLP",), 2),
               Error("PCIE6", "port", ("BadDLLP",), 4), Error("PCIE1", "device", ("BadTLP", "Timeout")),
               Error("PCIE5", "device", ("CmpltTO",)))
    expected = {("PCIE3", "device"): Counter(RxErr=3, BadTLP=2), ("PCIE6", "port"): Counter(BadDLLP=4),
                ("PCIE1", "device"): Counter(BadTLP=1, Timeout=1), ("PCIE5", "device"): Counter(CmpltTO=1)}

    def grown() -> dict:
        after = product.ends(product.status(machine))
        return {end: after[end] - before[end] for end in after if after[end] != before[end]}

    assert within(NOT_YET_TOLD * 5, lambda: grown() == expected), grown()  # processes start slowly under emulation
    for end, earlier in bus_before.items():
        assert bus_counts(machine, *end) - earlier == expected[end]
    machine.guest.run(["systemctl", "stop", UNIT])  # what is not told yet is told now
    assert told(records(machine, start)) == expected


def test_a_burst_is_counted_exactly_and_told_in_few_words(served):
    machine = served()
    start, before = invocation(machine), aer.link_counters(machine)
    status_before = product.ends(product.status(machine))
    assert aer.accepted(aer.start_burst(machine, Error("PCIE3", "device", ("BadTLP",), 5000))) == 5000
    grown = aer.grown(before, aer.link_counters(machine))
    kernel = grown["PCIE3", "device"]["BadTLP"]

    def seen() -> int:
        now = product.ends(product.status(machine))["PCIE3", "device"]
        return (now - status_before["PCIE3", "device"])["BadTLP"]

    assert within(30, lambda: seen() == kernel), (seen(), kernel)
    machine.guest.run(["systemctl", "stop", UNIT])
    found = [r for r in records(machine, start) if "WOPR_ERRORS" in r and "before the service" not in r["MESSAGE"]]
    assert 1 <= len(found) <= 10, [r["MESSAGE"] for r in found]
    assert told(found)["PCIE3", "device"]["BadTLP"] == kernel


@pytest.mark.parametrize("kernel", KERNELS)
def test_hotplug_keeps_the_service_and_its_descriptors(served, kernel):
    machine = served(kernel=kernel)
    pid = shown(machine, "MainPID")

    def present() -> bool:
        return product.is_settled(machine) and product.link(product.status(machine), "PCIE4")["device"] is not None

    assert within(10, present)
    before = service.descriptors(machine) + service.JOURNAL_SOCKET
    for _ in range(3):
        machine.unplug("PCIE4")
        assert within(30, lambda: not present())
        machine.plug("PCIE4")
        assert within(30, present)
    assert within(30, lambda: service.descriptors(machine) <= before), service.descriptors(machine) - before
    assert shown(machine, "MainPID") == pid
    assert shown(machine, "NRestarts") == "0"


def test_reload_takes_a_good_configuration_and_refuses_a_bad_one(served):
    machine = served()
    pid, start = shown(machine, "MainPID"), invocation(machine)
    drop_in = "/etc/wopr-aer/wopr-aer.d/zz-test.toml"
    try:
        machine.guest.put(drop_in, f'[slots]\n"{board.SLOTS["PCIE3"].port}" = "TOP"\n')
        machine.guest.run(["systemctl", "reload", UNIT])
        assert within(20, lambda: product.link(product.status(machine), "PCIE3")["slot"] == "TOP")
        machine.guest.put(drop_in, '[slotz]\n')
        machine.guest.run(["systemctl", "reload", UNIT], check=False)
        assert within(20, lambda: any("zz-test.toml:1" in r["MESSAGE"] for r in records(machine, start, "PRIORITY=3")))
        assert product.link(product.status(machine), "PCIE3")["slot"] == "TOP"
    finally:
        machine.guest.run(["rm", "-f", drop_in])
        machine.guest.run(["systemctl", "reload", UNIT], check=False)
    assert within(20, lambda: product.link(product.status(machine), "PCIE3")["slot"] == "PCIE3")
    assert shown(machine, "MainPID") == pid


def test_killed_it_comes_back_and_counts_nothing_twice(served):
    machine = served()
    aer.inject(machine, Error("PCIE7", "device", ("RxErr",), 2))
    pid = shown(machine, "MainPID")
    machine.guest.run(f"kill -KILL {pid}")
    assert within(60, lambda: shown(machine, "MainPID") not in ("0", pid) and shown(machine, "ActiveState") == "active")
    assert within(20, lambda: product.status(machine)["monitor"] == "service")
    kernel = {end: counts.correctable + counts.nonfatal + counts.fatal
              for end, counts in aer.link_counters(machine).items()}
    assert product.ends(product.status(machine)) == kernel


def test_root_and_user_service_and_embedded_name_slots_alike(served):
    machine = served()
    names = {user: [link["slot"] for link in product.status(machine, user)["slots"]] for user in ("root", "owner")}
    machine.guest.run(["systemctl", "stop", UNIT])
    embedded = {user: [link["slot"] for link in product.status(machine, user)["slots"]] for user in ("root", "owner")}
    assert names["root"] == names["owner"] == embedded["root"] == embedded["owner"]
    assert set(board.SLOTS) <= set(names["root"])
