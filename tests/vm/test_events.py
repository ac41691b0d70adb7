# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's messages as a witness: real errors in the guest, as `wopr-aer events` tells them out of the journal."""
from __future__ import annotations

import json
import signal

import pytest

import aer
import board
from aer import Error

KERNELS = ["stable", "newer"]
AS_READER = ["setpriv", "--reuid=owner", "--regid=owner", "--groups=systemd-journal"]  # no root, only the group


def events(machine, *options: str) -> list[dict]:
    machine.guest.run(["journalctl", "--sync"])
    text = machine.guest.run([*AS_READER, "wopr-aer", "events", "--json", *options]).stdout
    return [json.loads(line) for line in text.splitlines()]


def now(machine) -> str:
    """The guest's time; what was said before is of other tests."""
    return machine.guest.run(["date", "--utc", "+%Y-%m-%dT%H:%M:%SZ", "--date=+1 second"]).stdout.strip()


def told(found: list[dict]) -> list[tuple]:
    return [(e["slot"], e["side"], e["severity"], tuple(e["types"])) for e in found if e["kind"] == "aer"]


class Follow:
    """`wopr-aer events -f --json`, line by line."""

    def __init__(self, machine, *options: str):
        self.process = machine.guest.start([*AS_READER, "wopr-aer", "events", "-f", "--json", *options])

    def until(self, wanted, timeout: float = 60) -> dict:
        return json.loads(self.process.wait_line(lambda line: wanted(json.loads(line)), timeout))

    def stop(self) -> None:
        result = self.process.stop(signal.SIGTERM)
        assert result.status == 0, result


@pytest.mark.parametrize("kernel", KERNELS)
def test_real_errors_are_told_by_slot_side_and_type(installed, kernel):
    machine = installed(kernel=kernel)
    start = now(machine)
    time_passes(machine, start)
    aer.inject(machine, Error("PCIE3", "device", ("BadTLP",)), Error("PCIE6", "port", ("BadDLLP",)),
               Error("PCIE1", "device", ("RxErr", "BadTLP")), Error("PCIE5", "device", ("CmpltTO",)))
    found = events(machine, "--since", start)
    assert sorted(told(found)) == sorted([
        ("PCIE3", "device", "correctable", ("BadTLP",)), ("PCIE6", "port", "correctable", ("BadDLLP",)),
        ("PCIE1", "device", "correctable", ("RxErr", "BadTLP")), ("PCIE5", "device", "nonfatal", ("CmpltTO",))]), found
    report, = [e for e in found if e["severity"] == "nonfatal"]
    assert report["report"] and report["reporter"] == board.SLOTS["PCIE5"].port
    assert "error reported" in report["text"]
    assert told(events(machine, "--since", start, "--slot", "PCIE3")) == [("PCIE3", "device", "correctable", ("BadTLP",))]


def time_passes(machine, until: str) -> None:
    """Waits in the guest for a second that has not begun yet."""
    machine.guest.run(f"while [ $(date +%s) -lt $(date +%s --date={until}) ]; do read -t 0.1 none < /dev/zero || true; done")


def test_what_root_writes_into_the_kernels_buffer_is_no_witness(installed):
    machine = installed()
    line = f"pcieport {board.SLOTS['PCIE3'].port}: AER: Corrected error message received from 0000:00:00.0"
    before = len(events(machine))
    machine.guest.run(f"echo '<4>{line} forged' > /dev/kmsg; echo '<4>{line}' > /dev/kmsg; logger -p kern.warning '{line}'")
    machine.guest.run(["journalctl", "--sync"])
    written = [json.loads(row) for row in machine.guest.run(
        "journalctl --output=json --no-pager _TRANSPORT=kernel SYSLOG_FACILITY=1").stdout.splitlines()]
    assert len([row for row in written if row["MESSAGE"].startswith(line)]) == 2, "the forgery did not reach the journal"
    assert len(events(machine)) == before


def test_following_survives_rotation_and_vacuum(installed):
    machine = installed()
    follow = Follow(machine)
    aer.inject(machine, Error("PCIE7", "port", ("RxErr",)))
    at_port = {"slot": "PCIE7", "side": "port"}  # other tests' events of this machine are told first
    follow.until(lambda e: at_port.items() <= e.items() and e["types"] == ["RxErr"])
    machine.guest.run("journalctl --rotate && journalctl --vacuum-size=1 --vacuum-files=1")
    aer.inject(machine, Error("PCIE7", "port", ("BadDLLP",)))
    follow.until(lambda e: at_port.items() <= e.items() and e["types"] == ["BadDLLP"])
    follow.stop()


def test_without_the_group_it_says_what_to_do(installed):
    machine = installed()
    done = machine.guest.run(["wopr-aer", "events"], user="owner", check=False)
    assert done.status == 1 and done.stdout == ""
    assert "systemd-journal" in done.stderr and "usermod" in done.stderr


def test_host_bridges_that_keep_aer_are_named(installed, refusing_firmware):
    machine = installed(acpi=refusing_firmware)
    refusals = [e for e in events(machine) if e["kind"] == "osc"]
    assert len(refusals) == 4 and all("platform does not support [" in e["text"] and "AER" in e["text"] for e in refusals)
    doctor = machine.guest.run([*AS_READER, "wopr-aer", "doctor", "--json"], check=False)
    check, = [c for c in json.loads(doctor.stdout)["checks"] if c["id"] == "osc"]
    assert "platform does not support" in check["found"], check
