# SPDX-License-Identifier: GPL-2.0-or-later
"""The history of the service in the virtual WOPR: beginning one, and what it says beside what the kernel counts.

WOPR_LONG=1 in the environment asks for the long forms of its tests.
"""
from __future__ import annotations

import json
import os
from collections import Counter

import aer
import board
import product
import service
from aer import Error
from machine import Machine
from service import UNIT, Asker, within

DIRECTORY = "/var/lib/wopr-aer"
FILE = f"{DIRECTORY}/history.db"
FULL = bool(os.environ.get("WOPR_LONG"))
HARM_ERRORS = 600 if FULL else 5  # ten a second
ANSWER_MS = 100.0
HANGING_MS = 1000.0


def start(machine: Machine) -> None:
    machine.guest.run("systemd-sysusers && chown -R wopr-aer:wopr-aer /var/lib/wopr-aer 2>/dev/null; systemctl daemon-reload && "
                      f"systemctl reload dbus; systemctl reset-failed {UNIT}; systemctl start {UNIT}", timeout=180)


def begin(machine: Machine) -> None:
    """The service, with no history yet."""
    machine.guest.run(f"systemctl stop {UNIT}; rm -rf {DIRECTORY}/*", check=False, timeout=60)
    start(machine)
    assert within(60, lambda: running(machine), machine)


def end(machine: Machine) -> None:
    """Neither service nor history any more."""
    machine.guest.run(f"systemctl stop {UNIT}; umount {DIRECTORY} 2>/dev/null; rm -rf {DIRECTORY}/*", check=False, timeout=60)


def flat(lifetime: dict | None, side: str) -> Counter:
    return +Counter((lifetime or {}).get(side) or {})


def lifetimes(machine: Machine) -> dict[tuple[str, str], Counter]:
    """As the service has them; it may take its two seconds in an emulated machine, and how long it takes others see to."""
    seen = []
    assert within(30, lambda: seen.append(product.status(machine)) or seen[-1]["monitor"] == "service", machine), seen[-1]["notes"]
    document = seen[-1]
    return {(slot, side): flat(product.link(document, slot)["lifetime"], side) for slot in board.SLOTS for side in aer.SIDES}


def kernel(machine: Machine) -> dict[tuple[str, str], Counter]:
    ends = {}
    for end, counts in aer.link_counters(machine).items():
        ends[end] = +((counts.correctable or Counter()) + (counts.nonfatal or Counter()) + (counts.fatal or Counter()))
    return ends


def in_history(machine: Machine, by: str = "day") -> dict[tuple[str, str], Counter]:
    """What `wopr-aer history` says, added up over all its pieces."""
    document = json.loads(machine.guest.run(["wopr-aer", "history", "--json", "--by", by], user="owner", timeout=60).stdout)
    ends = {(slot, side): Counter() for slot in board.SLOTS for side in aer.SIDES}
    ports = {slot.port: name for name, slot in board.SLOTS.items()}
    for slot in document["slots"]:
        for bucket in slot["buckets"]:
            for side, severities in bucket["counts"].items():
                for tokens in severities.values():
                    ends[ports[slot["port"]], side].update(tokens)
    return ends


def running(machine: Machine) -> bool:
    shown = machine.guest.run(["systemctl", "show", "--property=ActiveState", "--value", UNIT]).stdout.strip()
    return shown == "active" and product.status(machine)["monitor"] == "service"


def assert_prompt(what: str, answers: dict) -> None:
    """The loop waited for no disk. REQUIRES: a machine whose clock counts instructions: by others one times the host."""
    print(f"{what}: {answers}")
    assert answers["asked"] >= 10
    assert max(answers["link"]["worst"], answers["list"]["worst"]) <= ANSWER_MS, answers


def degraded(machine: Machine) -> bool:
    """The service says so, to its clients and to systemd."""
    if product.status(machine)["degraded"] is None:
        return False
    shown = machine.guest.run(["systemctl", "show", "--property=StatusText", "--value", UNIT]).stdout
    assert "degraded" in shown, shown
    return True


def said(machine: Machine, words: str) -> bool:
    """In the journal, by the service that runs now."""
    return any(words in record["MESSAGE"] for record in service.records(machine, service.invocation(machine)))


def memory_is_free(machine: Machine) -> bool:
    """The service's threads can map memory: that, and this, waits while one of them sleeps in a page fault of a mapped file.

    It does where the kernel handles faults under the lock of all the memory, as all did before 6.4 (proc_pid_clear_refs(5)
    takes the same lock).
    """
    clears = f"timeout 5 sh -c 'echo 5 >/proc/{service.shown(machine, 'MainPID')}/clear_refs'"
    return machine.guest.run(clears, check=False, timeout=60).status == 0


def survives(machine: Machine, begin: str, end: str | None) -> None:
    """Harm begins while errors come, and ends if it does: that is told, and none is missing, then or after a kill."""
    aer.inject(machine, Error("PCIE3", "device", ("RxErr",), 3))
    assert within(30, lambda: lifetimes(machine) == kernel(machine), machine)
    machine.guest.run(["systemctl", "restart", UNIT], timeout=90)  # closed, the file holds all that its log did
    assert within(60, lambda: running(machine), machine)
    client = Asker(machine)
    machine.guest.run(begin, timeout=60)
    aer.inject(machine, Error("PCIE3", "device", ("RxErr",), 4), Error("PCIE6", "port", ("BadDLLP",), HARM_ERRORS, 90))
    assert within(60, lambda: lifetimes(machine) == kernel(machine), machine), (lifetimes(machine), kernel(machine))
    if end is None:
        # It lasts for a second only, and may be over.
        assert within(90, lambda: said(machine, "the history was begun anew"), machine)
        assert said(machine, "the history cannot be written")
        assert "begun anew" in " ".join(product.status(machine)["notes"])
    else:
        assert within(30, lambda: degraded(machine), machine)
        assert memory_is_free(machine), "a thread that waits for the disk holds up the others"
        machine.guest.run(end, timeout=60)
        # Tried again within a minute.
        assert within(90, lambda: product.status(machine)["degraded"] is None, machine), product.status(machine)["degraded"]
    assert_prompt(begin, client.stop())
    outlives_a_kill(machine)


def outlives_a_kill(machine: Machine) -> None:
    """A new process knows only what is on the disk, and what the kernel says."""
    truth = kernel(machine)
    machine.guest.run(f"systemctl kill --kill-who=main --signal=KILL {UNIT}")
    assert within(60, lambda: running(machine), machine)
    assert within(30, lambda: lifetimes(machine) == truth, machine), (lifetimes(machine), truth)
