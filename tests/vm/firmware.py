# SPDX-License-Identifier: GPL-2.0-or-later
"""Firmware that keeps AER to itself, as the ROMED8-2T's does up to P3.50: a DSDT whose `_OSC` refuses it.

QEMU's own DSDT is read from a running guest, changed, and given to the next boot through the initramfs
(Documentation/admin-guide/acpi/initrd_table_override.rst).
"""
from __future__ import annotations

import re
from pathlib import Path

from images import command

DSDT = "/sys/firmware/acpi/tables/DSDT"
GRANTED = "0x1F"      # hotplug, SHPC hotplug, PME, AER, PCIe capability structure (PCI Firmware 3.3, table 4-5)
WITHOUT_AER = "0x17"
HOST_BRIDGES = 4


def refusing_aer(dsdt: bytes, directory: Path) -> Path:
    """The table with AER taken out of every host bridge's `_OSC`, compiled."""
    original = directory / "dsdt.dat"
    original.write_bytes(dsdt)
    command(["iasl", "-d", original.name], cwd=directory)
    source = directory / "dsdt.dsl"
    text, changed = re.subn(rf"(Local0 &= ){GRANTED}\b", rf"\g<1>{WITHOUT_AER}", source.read_text())
    if changed != HOST_BRIDGES:
        raise ValueError(f"expected {HOST_BRIDGES} _OSC methods with the mask {GRANTED}, found {changed}")
    # The kernel replaces a table only by one of a higher OEM revision.
    text, changed = re.subn(r'(DefinitionBlock \(.*, )0x00000001\)', r"\g<1>0x00000002)", text)
    if changed != 1:
        raise ValueError("no DefinitionBlock of OEM revision 1")
    source.write_text(text)
    command(["iasl", "-p", "refusing", source.name], cwd=directory)
    return directory / "refusing.aml"
