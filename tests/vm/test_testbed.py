# SPDX-License-Identifier: GPL-2.0-or-later
"""Proves the virtual WOPR itself, with nothing of the product: what the guest's kernel sees and counts."""
from __future__ import annotations

import pytest

import aer
import board
from aer import Error

KERNELS = ["stable", "newer"]


@pytest.mark.parametrize("kernel", KERNELS)
def test_board_and_slots_are_the_romed8(boot, kernel):
    guest = boot(kernel=kernel).guest
    assert guest.run("cat /sys/class/dmi/id/board_vendor /sys/class/dmi/id/board_name").stdout.split() == \
        ["ASRockRack", "ROMED8-2T"]
    slots = dict(line.split(":", 1) for line in guest.run("cd /sys/bus/pci/slots && grep . */address").stdout.split())
    ends = aer.addresses(boot(kernel=kernel))
    assert len(ends) == 14
    for slot in board.SLOTS.values():
        assert slots[f"{slot.number}/address"] == ends[slot.name, "device"].rsplit(".", 1)[0]
    tables = guest.run("cat /sys/firmware/dmi/entries/9-*/raw | tr '\\0' '\\n' | grep -ao 'PCIE[1-7]'").stdout.split()
    assert sorted(tables) == sorted(board.SLOTS)


@pytest.mark.parametrize("kernel", KERNELS)
def test_linux_owns_aer_on_every_port(boot, kernel):
    guest = boot(kernel=kernel).guest
    bound = guest.run("ls /sys/bus/pci_express/drivers/aer").stdout
    assert all(f"{slot.port}:pcie002" in bound for slot in board.SLOTS.values())


@pytest.mark.parametrize("kernel", KERNELS)
def test_both_ends_of_every_link_count_exactly(boot, kernel):
    wopr = boot(kernel=kernel)
    before = aer.link_counters(wopr)
    errors, expected = [], {}
    for slot in board.SLOTS.values():
        errors += [Error(slot.name, "port", ("BadDLLP",), slot.index), Error(slot.name, "device", ("RxErr", "BadTLP"), 2)]
        expected[slot.name, "port"] = {"BadDLLP": slot.index}
        expected[slot.name, "device"] = {"RxErr": 2, "BadTLP": 2}
    aer.inject(wopr, *errors)
    after = aer.link_counters(wopr)
    assert aer.grown(before, after) == expected
    for slot in board.SLOTS.values():
        messages = [counts[slot.name, "port"].messages["correctable"] for counts in (before, after)]
        assert messages[1] - messages[0] == slot.index + 2


def test_uncorrectable_is_counted_where_it_happened(wopr):
    before = aer.link_counters(wopr)
    aer.inject(wopr, Error("PCIE5", "device", ("CmpltTO",)))
    after = aer.link_counters(wopr)
    assert aer.grown(before, after) == {("PCIE5", "device"): {"CmpltTO": 1}}
    assert after["PCIE5", "device"].nonfatal["CmpltTO"] == before["PCIE5", "device"].nonfatal["CmpltTO"] + 1


def test_a_burst_is_taken_and_counted_by_the_kernel(wopr):
    before = aer.link_counters(wopr)
    assert aer.accepted(aer.start_burst(wopr, Error("PCIE1", "device", ("BadTLP",), 5000))) == 5000
    counted = aer.grown(before, aer.link_counters(wopr))
    assert counted.keys() == {("PCIE1", "device")}
    assert 0 < counted["PCIE1", "device"]["BadTLP"] <= 5000  # merged at times, never more


def test_replugging_starts_the_device_at_zero_and_keeps_the_port(wopr):
    aer.inject(wopr, Error("PCIE4", "device", ("RxErr",), 2), Error("PCIE4", "port", ("RxErr",), 1))
    before = aer.link_counters(wopr)
    events = wopr.guest.start(["stdbuf", "-oL", "udevadm", "monitor", "--kernel", "--subsystem-match=pci"])
    events.wait_line(lambda line: line.startswith("KERNEL"))
    address = aer.function_at(wopr, "PCIE4", "device")
    wopr.unplug("PCIE4")
    events.wait_line(lambda line: " remove " in line and address in line)
    assert ("PCIE4", "device") not in aer.addresses(wopr)
    wopr.plug("PCIE4")
    events.wait_line(lambda line: " bind " in line and address in line)
    events.stop()
    after = aer.link_counters(wopr)
    assert not after["PCIE4", "device"].correctable
    assert after["PCIE4", "port"] == before["PCIE4", "port"]


@pytest.mark.parametrize("argument", ["pci=noaer"])
def test_without_aer_files_read_zero_while_status_latches(boot, argument):
    wopr = boot(append=(argument,))
    aer.latch(wopr, "PCIE3", "device", "RCVR")
    aer.latch(wopr, "PCIE6", "port", "BAD_DLLP")
    assert aer.latched(wopr, "PCIE3", "device") == aer.COR_BITS["RxErr"]
    assert aer.latched(wopr, "PCIE6", "port") == aer.COR_BITS["BadDLLP"]
    for counts in aer.link_counters(wopr).values():
        assert counts.correctable is not None and not counts.correctable
    assert "pcie002" not in wopr.guest.run("ls /sys/bus/pci_express/devices").stdout


def test_firmware_that_keeps_aer_leaves_the_ports_unbound(boot, refusing_firmware):
    wopr = boot(acpi=refusing_firmware)
    refusals = wopr.guest.run("journalctl --boot --dmesg | grep '_OSC: platform does not support \\[.*AER'").stdout
    assert len(refusals.splitlines()) == len(board.EXPANDERS) + 1
    assert "pcie002" not in wopr.guest.run("ls /sys/bus/pci_express/devices").stdout
    aer.latch(wopr, "PCIE3", "device", "BAD_TLP")
    assert aer.latched(wopr, "PCIE3", "device") == aer.COR_BITS["BadTLP"]
    assert not aer.link_counters(wopr)["PCIE3", "device"].correctable


def test_programs_run_as_the_owner_and_files_are_copied(wopr):
    guest = wopr.guest
    assert guest.run("id -un", user="owner").stdout == "owner\n"
    guest.put("/tmp/in", b"\0\1\xff" * 1000, mode=0o600)
    assert guest.get("/tmp/in") == b"\0\1\xff" * 1000
    assert guest.run("cat /tmp/in", user="owner", check=False).status != 0
    assert guest.run(["cat"], stdin="given\n").stdout == "given\n"
    background = guest.start("echo first; exec sleep 1000")
    assert background.next_line() == "first"
    assert background.stop().status == -15
