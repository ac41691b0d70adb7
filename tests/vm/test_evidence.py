# SPDX-License-Identifier: GPL-2.0-or-later
"""Evidence where Linux does not own AER: what stands latched is told, counted where permitted, and never made up."""
from __future__ import annotations

import re

import pytest

import aer
import board
import product
from aer import Error

CLEAR_SOCKET = "wopr-aer-clear.socket"
PROBE_SOCKET = "wopr-aer-probe.socket"
E1000E = tuple({**board.DEFAULT_ENDPOINTS, "PCIE3": "e1000e"}.items())
NOAER = pytest.mark.machine("pci=noaer")
CLEAR = """
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.settimeout(30)
s.connect("/run/wopr-aer-clear.socket"); s.send(sys.argv[1].encode()); print(s.recv(1000).decode())
"""


@pytest.fixture
def noaer(installed):
    return installed(append=("pci=noaer",))


@pytest.fixture
def served(request):
    """served(machine): the service started; stopped and its helpers as after installation when the test is over."""
    machines = []

    def start(machine) -> None:
        machines.append(machine)
        machine.guest.run("systemctl start wopr-aerd", timeout=90)
    yield start
    for machine in machines:
        machine.guest.run(f"systemctl stop wopr-aerd {CLEAR_SOCKET} wopr-aer-clear; systemctl unmask {PROBE_SOCKET}", timeout=90)


def latched(document: dict) -> dict[tuple[str, str], set[str]]:
    return {end: set(found) for end in aer_ends() if (found := product.link(document, end[0])["latched"][end[1]])}


def aer_ends() -> list[tuple[str, str]]:
    return [(slot, side) for slot in board.SLOTS for side in aer.SIDES]


def evidence(document: dict) -> set[str]:
    return {product.link(document, slot)["evidence"][side] for slot, side in aer_ends()}


def clear_latches(machine) -> None:
    """As after power on: no error bit set at any end."""
    for slot, side in aer_ends():
        function = aer.function_at(machine, slot, side)
        machine.guest.run(["setpci", "-s", function, "ECAP_AER+10.l=ffffffff", "ECAP_AER+4.l=ffffffff", "CAP_EXP+a.w=f"])


def latch_three(machine) -> dict[tuple[str, str], set[str]]:
    aer.latch(machine, "PCIE3", "device", "RCVR")
    aer.latch(machine, "PCIE3", "device", "BAD_TLP")
    aer.latch(machine, "PCIE6", "port", "BAD_DLLP")
    return {("PCIE3", "device"): {"RxErr", "BadTLP"}, ("PCIE6", "port"): {"BadDLLP"}}


@NOAER
def test_root_sees_exactly_what_stands_latched(noaer):
    clear_latches(noaer)
    expected = latch_three(noaer)
    document = product.status(noaer, user="root")
    assert evidence(document) == {"sticky"}
    assert latched(document) == expected
    for slot, side in aer_ends():
        link = product.link(document, slot)
        assert "pci=noaer" in link["evidence"][f"{side}_reason"]
        assert link["correctable"][side] is None and link["uncorrectable"][side] is None
        assert link["grade"] == "unknown" and not link["riser_candidate"]
    text = noaer.guest.run(["wopr-aer", "status", "PCIE3"]).stdout
    assert re.search(r"latched: .*RxErr.*repeats\s+cannot be told apart", text, re.S), text
    # Looking has changed nothing.
    assert aer.latched(noaer, "PCIE3", "device") == aer.COR_BITS["RxErr"] | aer.COR_BITS["BadTLP"]


@NOAER
def test_the_service_sees_the_same_through_its_helper(noaer, served):
    clear_latches(noaer)
    served(noaer)
    watch = product.Watch(noaer)
    watch.until(lambda shown: shown["monitor"] == "service" and evidence(shown) == {"sticky"} and not latched(shown), 60)
    expected = latch_three(noaer)
    shown = watch.until(lambda shown: latched(shown) == expected)
    # Seen since the watch began, so with a time; still no number.
    assert all(product.link(shown, slot)["latched_since"][side][token]
               for (slot, side), tokens in expected.items() for token in tokens)
    assert all(product.link(shown, slot)["correctable"][side] is None for slot, side in aer_ends())
    watch.stop()


@NOAER
def test_without_the_helper_a_sticky_boot_is_blind_and_says_why(noaer, served):
    noaer.guest.run(f"systemctl mask --now {PROBE_SOCKET}; systemctl stop wopr-aer-probe wopr-aerd", timeout=60)
    served(noaer)
    watch = product.Watch(noaer)
    shown = watch.until(lambda shown: shown["monitor"] == "service" and all(
        PROBE_SOCKET in product.link(shown, slot)["evidence"][f"{side}_reason"] for slot, side in aer_ends()), 60)
    assert evidence(shown) == {"blind"}
    assert all(product.link(shown, slot)["latched"][side] is None for slot, side in aer_ends())
    watch.stop()


def config_bytes(machine) -> dict[str, bytes]:
    return {function: machine.guest.get(f"/sys/bus/pci/devices/{function}/config")
            for function in aer.addresses(machine).values()}


def count_twenty(machine, served) -> None:
    clear_latches(machine)
    before = config_bytes(machine)
    machine.guest.run(f"systemctl start {CLEAR_SOCKET}")
    served(machine)
    watch = product.Watch(machine)
    ready = watch.until(lambda shown: shown["monitor"] == "service" and product.link(shown, "PCIE3")["correctable"]["lower_bound"]
                        and product.counts(product.link(shown, "PCIE3"), "device") is not None, 90)
    start = product.ends(ready)
    for _ in range(20):
        aer.latch(machine, "PCIE3", "device", "BAD_TLP")
        watch.next()  # one sample, about a second
        watch.next()
    shown = watch.until(lambda shown: aer.latched(machine, "PCIE3", "device") == 0
                        and sum((product.ends(shown)["PCIE3", "device"] - start["PCIE3", "device"]).values()) >= 19)
    grown = {end: dict(counts - start[end]) for end, counts in product.ends(shown).items() if counts != start[end]}
    assert set(grown) == {("PCIE3", "device")} and set(grown["PCIE3", "device"]) == {"BadTLP"}
    assert 19 <= grown["PCIE3", "device"]["BadTLP"] <= 21
    assert "lower bound" in product.link(shown, "PCIE3")["evidence"]["device_reason"]
    watch.stop()
    said = machine.guest.run("journalctl _SYSTEMD_INVOCATION_ID=$(systemctl show -P InvocationID wopr-aerd) -o cat").stdout
    assert said.count("are counted from now on") == 1, said
    assert "(BadTLP=1); at least 1 since the service started" in said and "the kernel had counted" not in said, said
    machine.guest.run("systemctl stop wopr-aerd", timeout=60)
    assert config_bytes(machine) == before


@NOAER
def test_with_the_owners_permission_errors_are_counted(noaer, served):
    count_twenty(noaer, served)


def test_the_same_where_the_firmware_refuses_and_reporting_is_on(installed, refusing_firmware, served):
    machine = installed(acpi=refusing_firmware)
    for slot, side in aer_ends():  # as the real board's firmware leaves Device Control
        machine.guest.run(["setpci", "-s", aer.function_at(machine, slot, side), "CAP_EXP+8.w=f:f"])
    count_twenty(machine, served)


def test_a_firmware_that_keeps_aer_is_named(installed, refusing_firmware):
    machine = installed(acpi=refusing_firmware)
    document = product.status(machine, user="root")
    assert evidence(document) == {"sticky"}
    assert all("_OSC" in product.link(document, slot)["evidence"]["reason"] for slot in board.SLOTS)
    advice = machine.guest.run(["wopr-aer", "doctor"], check=False).stdout
    assert "PCIe AER Reporting Mechanism" in advice and "OS First" in advice


def test_clearing_is_refused_where_the_kernel_counts(installed):
    machine = installed()
    machine.guest.run(f"systemctl start {CLEAR_SOCKET}")
    function = aer.function_at(machine, "PCIE3", "device")
    before = machine.guest.get(f"/sys/bus/pci/devices/{function}/config")
    answer = machine.guest.run(["python3", "-c", CLEAR, f"{function} 00000001"]).stdout
    assert answer.startswith("refused the aer service is bound to root port"), answer
    assert machine.guest.get(f"/sys/bus/pci/devices/{function}/config") == before
    machine.guest.run(f"systemctl stop {CLEAR_SOCKET} wopr-aer-clear")


@pytest.mark.machine("a device that does not report")
def test_a_device_that_does_not_report_is_not_native(installed):
    link = product.link(product.status(installed(endpoints=E1000E), user="root"), "PCIE3")
    assert (link["evidence"]["port"], link["evidence"]["device"]) == ("native", "sticky")
    assert link["evidence"]["device_reason"].startswith("correctable reporting disabled (DevCtl)")
    assert link["correctable"]["device"] is None


def test_a_masked_end_is_not_native(installed):
    machine = installed()
    function = aer.function_at(machine, "PCIE5", "device")
    with aer.masked(machine, function, aer.COR_BITS["RxErr"]):
        shown = product.link(product.status(machine, user="root"), "PCIE5")["evidence"]
        assert (shown["port"], shown["device"]) == ("native", "sticky")
        assert "masked" in shown["device_reason"]


@pytest.mark.parametrize("argument, kind", [("pcie_ports=compat", "sticky"), ("pci=nommconf", "blind")])
def test_kernel_arguments_are_the_reason(installed, argument, kind):
    document = product.status(installed(append=(argument,)), user="root")
    assert evidence(document) == {kind}
    assert all(argument in product.link(document, slot)["evidence"]["reason"] for slot in board.SLOTS)


def test_the_service_verifies_a_native_boot_through_its_helper(installed, served):
    machine = installed()
    served(machine)
    watch = product.Watch(machine)
    shown = watch.until(lambda shown: shown["monitor"] == "service"
                        and all(product.link(shown, slot)["evidence"]["verified"] for slot in board.SLOTS), 60)
    assert evidence(shown) == {"native"}
    before = product.ends(shown)["PCIE3", "port"]
    aer.inject(machine, Error("PCIE3", "port", ("RxErr",)))
    watch.until(lambda shown: (product.ends(shown)["PCIE3", "port"] - before) == {"RxErr": 1})
    watch.stop()
