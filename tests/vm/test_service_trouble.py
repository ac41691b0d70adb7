# SPDX-License-Identifier: GPL-2.0-or-later
"""The service when what is around it fails: its configuration, the bus, the journal, a client; and what it may call."""
from __future__ import annotations

from collections import Counter

import aer
import board
import product
import service
from aer import Error
from service import UNIT, shown, within

MAX_UNREAD_KIB = 128 * 64  # as many answers as the bus lets one client wait for (dbus-daemon(1)), each of some 50 KiB
ENDS = [(slot, side) for slot in board.SLOTS for side in aer.SIDES]


def test_without_its_configuration_it_goes_on_with_defaults(served):
    machine = served()
    pid, start = shown(machine, "MainPID"), service.invocation(machine)
    assert product.link(product.status(machine), "PCIE4")["gpu"] is not None  # as the configuration says
    machine.guest.run(f"mv {service.CONFIG} {service.CONFIG}.away")
    try:
        machine.guest.run(["systemctl", "reload", UNIT])
        assert within(20, lambda: product.link(product.status(machine), "PCIE4")["gpu"] is None)
        document = product.status(machine)
        assert [product.link(document, name)["slot"] for name in board.SLOTS] == list(board.SLOTS)
    finally:
        machine.guest.run(f"mv {service.CONFIG}.away {service.CONFIG}")
        machine.guest.run(["systemctl", "reload", UNIT])
    assert within(20, lambda: product.link(product.status(machine), "PCIE4")["gpu"] is not None)
    assert shown(machine, "MainPID") == pid
    # Of errors of the links it may well have told: what earlier tests made while it was away.
    assert [r["MESSAGE"] for r in service.records(machine, start, "PRIORITY=3") if "WOPR_ERRORS" not in r] == []


def test_it_outlives_the_bus(served):
    machine = served()
    pid, bus = shown(machine, "MainPID"), machine.guest.run("systemctl show --value --property=MainPID dbus").stdout
    before = product.ends(product.status(machine))
    run = aer.start_paced(machine, Error("PCIE2", "port", ("BadDLLP",), 40))
    for _ in range(5):  # the first few before, the others while the bus is away and after
        run.next_line(60, "stderr")
    machine.guest.run("systemctl restart dbus", timeout=120)
    assert machine.guest.run("systemctl show --value --property=MainPID dbus").stdout != bus
    run.finish()
    assert within(60, lambda: product.status(machine)["monitor"] == "service")
    end = "PCIE2", "port"
    assert within(20, lambda: product.ends(product.status(machine))[end] - before[end] == Counter(BadDLLP=40))
    heard = machine.guest.start(["busctl", "--json=short", "--match=interface='org.wopr.Aer1.Manager'", "monitor"])
    heard.next_line(60, "stderr")  # "Monitoring bus message stream."
    aer.inject(machine, Error("PCIE2", "port", ("BadDLLP",)))
    heard.wait_line(lambda line: "ErrorsCounted" in line)
    heard.stop()
    assert (shown(machine, "MainPID"), shown(machine, "NRestarts")) == (pid, "0")


def test_no_record_is_lost_while_journald_restarts(served):
    machine = served()
    pid, start = shown(machine, "MainPID"), service.invocation(machine)
    journald = "systemctl show --value --property=MainPID systemd-journald"
    run = aer.start_paced(machine, *(Error(*end, ("RxErr",), 2, gap_ms=200) for end in ENDS))  # a first record each
    seen = {machine.guest.run(journald).stdout}
    while run.status is None:
        run.next_line(60, "stderr")
        machine.guest.run("systemctl reset-failed systemd-journald; systemctl restart systemd-journald", timeout=120)
        seen.add(machine.guest.run(journald).stdout)
    run.finish()
    assert len(seen) > 3, "journald was not restarted while errors came"
    assert within(20, lambda: product.ends(product.status(machine)) == {
        end: counts.correctable + counts.nonfatal + counts.fatal for end, counts in aer.link_counters(machine).items()})
    assert shown(machine, "MainPID") == pid
    service.stop(machine)
    assert service.told(service.records(machine, start)) == {end: Counter(RxErr=2) for end in ENDS}


def test_a_client_that_never_listens_costs_the_others_nothing(served):
    machine = served()
    pid, before = shown(machine, "MainPID"), service.anonymous_kib(machine)
    deaf = machine.guest.start([aer.ASK, "--deaf", 300], user="owner")
    other = service.Asker(machine)
    assert deaf.next_line(120) == "asked"
    assert within(30, lambda: product.status(machine)["monitor"] == "service")  # what the deaf one asked is answered first
    answers = other.stop()
    after = service.anonymous_kib(machine)
    print(f"RssAnon {before} -> {after} KiB; {answers}")
    assert after - before <= MAX_UNREAD_KIB, (before, after)
    assert shown(machine, "MainPID") == pid
    deaf.stop()


def test_a_refused_system_call_would_be_seen(served):
    """served() looks for calls its filter refused after every test; this is what it would find."""
    machine = served()
    allowed = shown(machine, "SystemCallFilter").split()
    assert {"openat", "pread64", "clone3"} <= set(allowed) and not {"mount", "ptrace"} & set(allowed)
    machine.guest.run("systemd-run --wait --property=SystemCallErrorNumber=EPERM --property=SystemCallFilter=~uname "
                      "/bin/uname", check=False)
    assert within(20, lambda: any("syscall=63 " in line for line in service.refused_calls(machine, 'comm="uname"')))
