# SPDX-License-Identifier: GPL-2.0-or-later
"""The service in the virtual WOPR: starting and stopping it, and what it says on D-Bus and in the journal."""
from __future__ import annotations

import json
import re
import time
from collections import Counter
from typing import Callable

import aer
import board
from machine import Machine

UNIT = "wopr-aerd.service"
CONFIG = "/etc/wopr-aer"
CLONE3 = 435  # x86-64
JOURNAL_SOCKET = Counter(socket=1)  # libsystemd opens it for the first record
DROP_IN = f"{CONFIG}/wopr-aer.d/zz-test.toml"


def start(machine: Machine) -> None:
    machine.guest.run("systemd-sysusers && systemctl daemon-reload && systemctl reload dbus && "
                      f"systemctl reset-failed {UNIT}; systemctl start {UNIT}", timeout=120)


def stop(machine: Machine) -> None:
    """What is not told yet is told now."""
    machine.guest.run(["systemctl", "stop", UNIT], timeout=60)


def configure(machine: Machine, text: str | None) -> None:
    """Puts a drop-in beside the configuration, or takes it away, and reloads."""
    if text is None:
        machine.guest.run(["rm", "-f", DROP_IN])
    else:
        machine.guest.put(DROP_IN, text)
    machine.guest.run(["systemctl", "reload", UNIT], check=False)


def shown(machine: Machine, name: str) -> str:
    return machine.guest.run(["systemctl", "show", "--value", f"--property={name}", UNIT]).stdout.strip()


def records(machine: Machine, invocation: str, *matches: str) -> list[dict]:
    """What one invocation of the service has written to the journal, once the journal has taken it all in."""
    text = machine.guest.run("journalctl --sync && journalctl --output=json --no-pager "
                             f"_SYSTEMD_INVOCATION_ID={invocation} " + " ".join(matches), check=False, timeout=120).stdout
    return [json.loads(line) for line in text.splitlines()]


def invocation(machine: Machine) -> str:
    return shown(machine, "InvocationID")


def error_records(found: list[dict]) -> list[dict]:
    """Those that tell of errors in the service's own time."""
    return [r for r in found if "WOPR_ERRORS" in r and "before the service started" not in r["MESSAGE"]]


def told(found: list[dict]) -> dict[tuple[str, str], Counter]:
    """What the records say in sum, by slot and side. Errors of before the service's time are not among them."""
    sums: dict[tuple[str, str], Counter] = {}
    for record in error_records(found):
        sums.setdefault((record["WOPR_SLOT"], record["WOPR_SIDE"]), Counter()).update(
            {token: int(value) for token, value in
             (pair.rsplit("=", 1) for pair in record["WOPR_ERRORS"].split() if "=" in pair)})
    return sums


def bus_counts(machine: Machine, slot: str, side: str) -> Counter:
    path = machine.guest.run(["busctl", "--json=short", "call", "org.wopr.Aer1", "/org/wopr/Aer1",
                              "org.wopr.Aer1.Manager", "ListLinks", "uu", "0", "128"], user="owner").stdout
    total = Counter()
    for _, properties in json.loads(path)["data"][1]:
        if properties["Port"]["data"] != board.SLOTS[slot].port:
            continue
        for severity in ("Correctable", "Nonfatal", "Fatal"):
            total.update(properties.get(severity, {"data": {}})["data"].get(side, {}))
    return +total


def link_path(slot: str) -> str:
    """The slot's object, as sd_bus_path_encode() names it."""
    port = board.SLOTS[slot].port
    encoded = "".join(c if c.isalnum() and (i or not c.isdigit()) else f"_{ord(c):02x}" for i, c in enumerate(port))
    return f"/org/wopr/Aer1/link/{encoded}"


class Asker:
    """An ordinary user's client that stays connected and asks about one slot and all of them, until it is stopped."""

    def __init__(self, machine: Machine, slot: str = "PCIE3"):
        self._process = machine.guest.start([aer.ASK, link_path(slot)], user="owner")
        assert self._process.next_line() == "connected"

    def stop(self) -> dict:
        """What ask.c says: milliseconds the answers took."""
        result = self._process.stop(timeout=60)
        assert result.status == 0, result
        return json.loads(result.stdout.splitlines()[-1])


def descriptors(machine: Machine) -> Counter:
    """What the service holds open, and how often. The journal's files aside: journald says how many there are.

    What the helper opened is named as its mount namespace has it, and from below its /sys once that has gone.
    """
    links = machine.guest.run(f"for fd in /proc/{shown(machine, 'MainPID')}/fd/*; do readlink $fd; done", check=False).stdout
    return Counter(re.sub(r"^/sys(?=/devices/)|:\[\d+\]$", "", link) for link in links.splitlines() if "/log/journal/" not in link)


def process_status(machine: Machine, field: str) -> int:
    """What the kernel says of the service's process (proc_pid_status(5))."""
    return int(machine.guest.run(f"grep ^{field}: /proc/{shown(machine, 'MainPID')}/status").stdout.split()[1])


def anonymous_kib(machine: Machine) -> int:
    """Memory that is the service's alone: not the pages of its libraries."""
    return process_status(machine, "RssAnon")


def refused_calls(machine: Machine, program: str = "wopr") -> list[str]:
    """System calls of programs so called that a filter refused, this boot (SYSTEMD_LOG_SECCOMP in machine.py).

    clone3 aside: RestrictNamespaces= answers it with ENOSYS wherever it is used, for libc to take clone, whose flags a
    filter can see (systemd: src/shared/seccomp-util.c, seccomp_restrict_namespaces).
    """
    lines = machine.guest.run("journalctl --boot --no-pager --output=cat _AUDIT_TYPE=1326", check=False, timeout=120).stdout
    return [line for line in lines.splitlines() if program in line and not re.search(rf"\bsyscall={CLONE3}\b", line)]


def within(seconds: float, wanted: Callable[[], bool], machine: Machine | None = None) -> bool:
    """Whether it comes so soon: by the clock of `machine` if one is given, or else by ours.

    A clock that counts instructions goes at a quarter of the speed of ours, or less, while the machine has work to do.
    """
    clock = machine.uptime if machine else time.monotonic
    deadline = clock() + seconds
    while not wanted():
        if clock() > deadline:
            return False
    return True
