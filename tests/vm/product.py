# SPDX-License-Identifier: GPL-2.0-or-later
"""The product inside the virtual WOPR: making it ready, and reading what it says.

Its JSON is put into the shape aer.py gives the kernel's counters, so that the two can be compared end by end.
"""
from __future__ import annotations

import json
from collections import Counter

import board
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
