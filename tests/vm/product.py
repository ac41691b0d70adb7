# SPDX-License-Identifier: GPL-2.0-or-later
"""The product inside the virtual WOPR: making it ready, and reading what it says.

Its JSON is put into the shape aer.py gives the kernel's counters, so that the two can be compared end by end.
"""
from __future__ import annotations

import json
import re
import signal
import time
from collections import Counter
from typing import Callable

import board
from channel import GuestError
from machine import Machine

DEB = "/srv/wopr-aer.deb"
# PCIE4 holds a virtio-rng for the sake of hotplug.
CONFIG = '[gpus]\nalso = ["1af4:1044"]\n'


def prepare(machine: Machine) -> None:
    """Once after boot: installs the package if that is how the product came, and declares PCIE4 a GPU."""
    machine.guest.run(f"test ! -e {DEB} || dpkg --install {DEB}", timeout=180)
    machine.guest.put("/etc/wopr-aer/wopr-aer.d/virtual-wopr.toml", CONFIG)


def status(machine: Machine, user: str = "owner") -> dict:
    return json.loads(machine.guest.run(["wopr-aer", "status", "--all", "--json"], user=user).stdout)


def is_settled(machine: Machine) -> bool:
    """What the root helper hands over, some moments after the start or a plug, has been taken in."""
    links = [link for link in status(machine)["slots"] if link["slot"] in board.SLOTS and link["device"]]
    return all(link["evidence"]["verified"] for link in links)


class Watch:
    """`wopr-aer status --watch --json`, run by the owner: one document a refresh."""

    def __init__(self, machine: Machine, *options: str):
        self.process = machine.guest.start(["wopr-aer", "status", "--watch", "--json", *options], user="owner")
        self.first = self.next()

    def next(self, timeout: float = 30) -> dict:
        line = self.process.next_line(timeout)
        if line is None:
            raise GuestError(f"the watch ended with {self.process.status}: {self.process.stderr}")
        return json.loads(line)

    def until(self, wanted: Callable[[dict], bool], timeout: float = 30) -> dict:
        """The first document that is as wanted."""
        deadline = time.monotonic() + timeout
        while not wanted(document := self.next(timeout)):
            if time.monotonic() > deadline:
                raise GuestError(f"not shown within {timeout:.0f} s; last was {json.dumps(document)}")
        return document

    def stop(self) -> None:
        result = self.process.stop(signal.SIGINT)
        assert result.status == 0, result


def table(text: str) -> dict[str, str]:
    """The rows of the status table by slot; what is said of a slot above or below the table is none."""
    rows: dict[str, str] = {}
    lines = text[text.index("\nSLOT "):].split("\n\n", 1)[0]
    for name, row in re.findall(r"^\s*(PCIE[1-7])\s+(.*)$", lines, re.M):
        rows.setdefault(name, row)
    return rows


def by_port(document: dict) -> dict[str, dict]:
    return {link["port"]: link for link in document["slots"]}


def link(document: dict, slot: str) -> dict:
    """The element of a slot, found by its port so that a wrong name cannot hide."""
    return by_port(document)[board.SLOTS[slot].port]


def counts(element: dict, side: str) -> Counter | None:
    """All tokens of one end, zeros left out; None when the product says it cannot see."""
    correctable, uncorrectable = element["correctable"][side], element["uncorrectable"][side]
    if correctable is None:
        return None
    total = Counter(correctable)
    for severity in (uncorrectable or {}).values():
        total.update(severity or {})
    return +total


def ends(document: dict) -> dict[tuple[str, str], Counter | None]:
    """(slot, side) -> counts, for the seven slots."""
    return {(name, side): counts(link(document, name), side) for name in board.SLOTS for side in ("port", "device")}
