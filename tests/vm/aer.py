# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's side of the truth: inject errors in the guest and read the kernel's own counters.

Names are the kernel's tokens (drivers/pci/pcie/aer.c, aer_correctable_error_string and
aer_uncorrectable_error_string). A test compares what the product says with what is read here.
"""
from __future__ import annotations

import contextlib
import json
from collections import Counter
from dataclasses import dataclass
from typing import Iterator

import board
from channel import Process
from machine import Machine

COR_BITS = {"RxErr": 1 << 0, "BadTLP": 1 << 6, "BadDLLP": 1 << 7, "Rollover": 1 << 8, "Timeout": 1 << 12}
UNCOR_BITS = {"DLP": 1 << 4, "SDES": 1 << 5, "TLP": 1 << 12, "FCP": 1 << 13, "CmpltTO": 1 << 14, "CmpltAbrt": 1 << 15,
              "UnxCmplt": 1 << 16, "RxOF": 1 << 17, "MalfTLP": 1 << 18, "ECRC": 1 << 19, "UnsupReq": 1 << 20}
SIDES = ("port", "device")
INJECT = "/opt/wopr-vm/inject"
ASK = "/opt/wopr-vm/ask"
PREAD_LOOP = "/opt/wopr-vm/pread_loop"


@dataclass(frozen=True)
class Error:
    """`count` times the named errors at once, at one end of one slot's link."""
    slot: str
    side: str
    tokens: tuple[str, ...]
    count: int = 1
    gap_ms: int = 50  # before the next one, when paced


@dataclass(frozen=True)
class Counts:
    """The kernel's counters of one function, zeros left out. None: the kernel has no such file."""
    correctable: Counter | None
    nonfatal: Counter | None
    fatal: Counter | None
    messages: dict[str, int] | None  # aer_rootport_total_err_*: interrupts of a root port


def function_at(machine: Machine, slot: str, side: str) -> str:
    """PCI address of one end of a slot's link, as the guest numbered it."""
    port = board.SLOTS[slot].port
    if side == "port":
        return port
    found = machine.guest.run(f"cd /sys/bus/pci/devices/{port}/ && ls -d ????:??:??.?", check=False).stdout.split()
    if len(found) != 1:
        raise LookupError(f"{slot}: expected one device below {port}, found {found}")
    return found[0]


def addresses(machine: Machine) -> dict[tuple[str, str], str]:
    """(slot, side) -> PCI address for every link end there is; empty slots have no device."""
    text = machine.guest.run("cd /sys/bus/pci/devices; for port in *; do cd $port/; "
                             "for child in ????:??:??.?; do echo $port $child; done; cd ..; done").stdout
    below = dict(line.split() for line in text.splitlines() if "?" not in line)
    found = {}
    for slot in board.SLOTS.values():
        found[slot.name, "port"] = slot.port
        if slot.port in below:
            found[slot.name, "device"] = below[slot.port]
    return found


def inject(machine: Machine, *errors: Error) -> None:
    """Injects one after another, each one counted by the kernel before the next."""
    start_paced(machine, *errors).finish(timeout=60 + sum(e.count * (1 + e.gap_ms / 1000) for e in errors))


def start_paced(machine: Machine, *errors: Error) -> Process:
    """The same in the background; one line on stderr for each error the kernel has counted."""
    return machine.guest.start([INJECT, *targets(machine, errors)])


def start_burst(machine: Machine, *errors: Error) -> Process:
    """Injects as fast as the kernel takes them; the process prints {"accepted": n, ...} when done."""
    return machine.guest.start([INJECT, "--burst", *targets(machine, errors)])


def start_storm(machine: Machine, seconds: float, *errors: Error) -> Process:
    """The same for a time, going round the errors given."""
    return machine.guest.start([INJECT, "--seconds", seconds, *targets(machine, errors)])


def accepted(process: Process, timeout: float = 120) -> int:
    return json.loads(process.finish(timeout).stdout)["accepted"]


def targets(machine: Machine, errors: tuple[Error, ...]) -> list[str]:
    where = addresses(machine)
    words = []
    for error in errors:
        cor = sum(COR_BITS.get(token, 0) for token in error.tokens)
        uncor = sum(UNCOR_BITS.get(token, 0) for token in error.tokens)
        unknown = [t for t in error.tokens if t not in COR_BITS and t not in UNCOR_BITS]
        if unknown:
            raise ValueError(f"no such error: {unknown}")
        words.append(f"{where[error.slot, error.side]},cor={cor:#x},uncor={uncor:#x},count={error.count},"
                     f"gap={error.gap_ms}")
    return words


def latch(machine: Machine, slot: str, side: str, name: str) -> None:
    """Sets a status bit through QEMU's monitor (its own names: RCVR, BAD_TLP, BAD_DLLP, ...); 7.2 signals nothing."""
    ids = {"port": board.SLOTS[slot].port_id, "device": board.SLOTS[slot].device_id}
    answer = machine.qmp.monitor(f"pcie_aer_inject_error -c {ids[side]} {name}")
    assert answer.startswith("OK"), answer


def latched(machine: Machine, slot: str, side: str) -> int:
    """The correctable error status register of one end, as config space has it."""
    function = function_at(machine, slot, side)
    return int(machine.guest.run(["setpci", "-s", function, "ECAP_AER+10.l"]).stdout, 16)


def counters(machine: Machine) -> dict[str, Counts]:
    """Every PCI function of the guest with its AER counters."""
    text = machine.guest.run("cd /sys/bus/pci/devices; for f in *; do echo $f; done; grep -H . */aer_* || true").stdout
    files: dict[str, dict[str, Counter | int]] = {}
    for line in text.splitlines():
        if "/" not in line:
            files[line] = {}
            continue
        name, _, value = line.partition("/aer_")
        file, _, value = value.partition(":")
        if file.startswith("rootport_total_err_"):
            files[name][file] = int(value)
            continue
        counter = files[name].setdefault(file, Counter())
        token, _, number = value.rpartition(" ")
        if not token.startswith("TOTAL_") and int(number):
            counter[token] += int(number)
    return {name: counts_of(found) for name, found in files.items()}


def counts_of(found: dict[str, Counter | int]) -> Counts:
    messages = {key: found[f"rootport_total_err_{short}"]
                for key, short in (("correctable", "cor"), ("nonfatal", "nonfatal"), ("fatal", "fatal"))
                if f"rootport_total_err_{short}" in found}
    return Counts(found.get("dev_correctable"), found.get("dev_nonfatal"), found.get("dev_fatal"), messages or None)


def link_counters(machine: Machine) -> dict[tuple[str, str], Counts]:
    """(slot, side) -> the kernel's counters of that link end."""
    everything = counters(machine)
    return {end: everything[address] for end, address in addresses(machine).items()}


def grown(before: dict, after: dict) -> dict[tuple[str, str], dict[str, int]]:
    """What was counted between two readings of link_counters, per link end and token; ends without any left out."""
    result = {}
    for end, counts in after.items():
        total = Counter()
        for name in ("correctable", "nonfatal", "fatal"):
            total.update(getattr(counts, name) or {})
            total.subtract(getattr(before[end], name) or {})
        if kept := {token: number for token, number in total.items() if number}:
            result[end] = kept
    return result


@contextlib.contextmanager
def masked(machine: Machine, function: str, bits: int) -> Iterator[None]:
    """These bits of the correctable error mask set at one function, for as long as the block lasts."""
    register = ["setpci", "-s", function]
    before = machine.guest.run([*register, "ECAP_AER+14.l"]).stdout.strip()
    machine.guest.run([*register, f"ECAP_AER+14.l={bits:x}:{bits:x}"])
    try:
        yield
    finally:
        machine.guest.run([*register, f"ECAP_AER+14.l={before}"])
