# SPDX-License-Identifier: GPL-2.0-or-later
"""The ASRock Rack ROMED8-2T as QEMU can build it: seven slots below four host bridges, at their real addresses.

Slot numbers (SltCap) and SMBIOS type 9 IDs are the board's own, 17 to 23. Endpoints stand in for GPUs: a
virtio-gpu has an AER capability but cannot be hot-plugged, so PCIE4 holds a virtio-rng, which can.
"""
from __future__ import annotations

import struct
from dataclasses import dataclass


@dataclass(frozen=True)
class Slot:
    name: str
    number: int    # SltCap physical slot number and SMBIOS type 9 ID
    bridge: int    # bus number of the host bridge
    device: int    # device number of the root port; its function is 1, as on the board

    @property
    def index(self) -> int:
        return int(self.name[-1])

    @property
    def port(self) -> str:
        return f"0000:{self.bridge:02x}:{self.device:02x}.1"

    @property
    def port_id(self) -> str:
        """QEMU's name of the root port, as pcie_aer_inject_error wants it."""
        return f"rp{self.index}"

    @property
    def device_id(self) -> str:
        """QEMU's name of what is plugged in."""
        return f"dev{self.index}"


SLOTS = {slot.name: slot for slot in (
    Slot("PCIE1", 17, 0x80, 3), Slot("PCIE2", 18, 0x00, 3), Slot("PCIE3", 19, 0xc0, 1), Slot("PCIE4", 20, 0x40, 3),
    Slot("PCIE5", 21, 0x00, 1), Slot("PCIE6", 22, 0xc0, 3), Slot("PCIE7", 23, 0x80, 1))}

# Host bridges beside q35's own: bus number -> address on pcie.0.
EXPANDERS = {0x40: "14.0", 0x80: "18.0", 0xc0: "1c.0"}

ENDPOINTS = {"gpu": "virtio-gpu-pci,aer=on", "rng": "virtio-rng-pci,aer=on", "e1000e": "e1000e"}
# Cards that can be told apart, and hot-plugged: their Device Serial Number is made of the MAC address (QEMU:
# hw/net/e1000e.c, e1000e_gen_dsn).
ENDPOINTS |= {f"card{n}": f"e1000e,mac=52:54:00:00:00:{n:02x},romfile=" for n in (1, 2, 3)}
CARD_KEYS = {f"card{n}": f"8086:10d3 525400ffff0000{n:02x}" for n in (1, 2, 3)}
CARD_MODEL = "8086:10d3"
DEFAULT_ENDPOINTS = {name: "rng" if name == "PCIE4" else "gpu" for name in SLOTS}


def bus_id(bridge: int) -> str:
    return f"pcie.{bridge:x}"


def switch(slot: Slot, cards: tuple[str | None, ...]) -> list[str]:
    """A switch in a slot with one downstream port for each card; None leaves the port empty."""
    upstream = f"up{slot.index}"
    arguments = [f"x3130-upstream,id={upstream},bus={slot.port_id}"]
    for number, card in enumerate(cards):
        port = f"down{slot.index}-{number}"
        chassis = 20 + 10 * slot.index + number
        arguments.append(f"xio3130-downstream,id={port},chassis={chassis},slot={chassis},bus={upstream},addr={number:x}.0")
        if card:
            arguments.append(f"{ENDPOINTS[card]},id={slot.device_id}-{number},bus={port}")
    return arguments


def topology_arguments(endpoints: dict[str, str | tuple | None]) -> list[str]:
    """-device arguments of bridges, ports and endpoints; None leaves a slot empty, a tuple of cards is a switch."""
    arguments = []
    for bridge, address in EXPANDERS.items():
        arguments.append(f"pxb-pcie,id={bus_id(bridge)},bus_nr={bridge:#x},bus=pcie.0,addr={address}")
    for slot in SLOTS.values():
        where = f"bus={bus_id(slot.bridge)},addr={slot.device:x}"
        # A function 1 needs a function 0: an empty port that nothing can be plugged into.
        arguments.append(f"pcie-root-port,id=rp{slot.index}f0,chassis={100 + slot.index},slot={100 + slot.index},"
                         f"{where}.0,multifunction=on,hotplug=off")
        arguments.append(f"pcie-root-port,id={slot.port_id},chassis={slot.index},slot={slot.number},"
                         f"{where}.1,multifunction=on,x-speed=16,x-width=16")
    for name, kind in endpoints.items():
        slot = SLOTS[name]
        if isinstance(kind, tuple):
            arguments += switch(slot, kind)
        elif kind:
            arguments.append(f"{ENDPOINTS[kind]},id={slot.device_id},bus={slot.port_id}")
    return [word for argument in arguments for word in ("-device", argument)]


def smbios_slot(slot: Slot, handle: int) -> bytes:
    """One type 9 structure (System Slots, SMBIOS 2.6 layout), as firmware P1.x to P3.2x wrote it: no bus address."""
    x16_gen4, width_x16, in_use, long_length = 0xbd, 0x0d, 0x04, 0x04
    body = struct.pack("<BBHBBBBBHBBHBB", 9, 17, handle, 1, x16_gen4, width_x16, in_use, long_length, slot.number,
                       0x0c, 0x01, 0, 0, 0)
    return body + slot.name.encode() + b"\0\0"
