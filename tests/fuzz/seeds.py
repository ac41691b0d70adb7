#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes those inputs of the corpora that cannot be read as text, out of what they mean.

    tests/fuzz/seeds.py            writes them into tests/fuzz/corpus
    tests/fuzz/seeds.py --check    fails, naming them, when they are not what would be written
"""
import pathlib
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fixtures"))
import smbios  # noqa: E402

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"

# Hardware Error Source Table: ACPI 6.5, section 18.3.2. Sizes of the structures by type.
FIXED = {2: 20, 6: 48, 7: 44, 8: 56, 9: 64, 10: 92}
FIRMWARE_FIRST, GLOBAL = 1, 2


def source(kind: int, flags: int = 0, banks: int = 0, size: int | None = None) -> bytes:
    """One error source structure; machine checks have `banks` of 28 bytes each."""
    count_at, fixed = {0: (32, 40), 1: (44, 48), 11: (44, 48)}.get(kind, (None, FIXED.get(kind, 48)))
    body = bytearray(fixed + 28 * banks)
    struct.pack_into("<HHHBB", body, 0, kind, 1, 0xFFFF, flags, 1)
    if count_at is not None:
        body[count_at] = banks
    return bytes(body if size is None else body[:size])


def hest(*sources: bytes, count: int | None = None, signature: bytes = b"HEST") -> bytes:
    body = b"".join(sources)
    header = struct.pack("<4sIBB6s8sI4sI", signature, 40 + len(body), 1, 0, b"WOPR  ", b"FUZZ    ", 1, b"TEST", 1)
    return header + struct.pack("<I", len(sources) if count is None else count) + body


ROOT, ENDPOINT, BRIDGE = source(6), source(7), source(8)
HEST = {
    "none": hest(),
    "os-first": hest(ROOT, ENDPOINT, BRIDGE),
    "firmware-first": hest(source(6, FIRMWARE_FIRST | GLOBAL), ENDPOINT),
    "endpoint-firmware-first": hest(ROOT, source(7, FIRMWARE_FIRST)),
    "bridge-firmware-first": hest(source(8, FIRMWARE_FIRST)),
    "global-only": hest(source(6, GLOBAL)),
    "machine-checks": hest(source(0, banks=3), source(1, banks=7), source(2), source(11, banks=1)),
    "machine-check-firmware-first": hest(source(0, FIRMWARE_FIRST, banks=1), ROOT),
    "all-types": hest(*(source(kind, banks=1 if kind in (0, 1, 11) else 0) for kind in (0, 1, 2, 6, 7, 8, 9, 10, 11))),
    "generic": hest(source(9), source(10)),
    "banks-most": hest(source(0, banks=60), ROOT),
    "banks-beyond-the-end": hest(source(0, banks=2)[:50]),
    "type-unknown": hest(ROOT, struct.pack("<HH44x", 3, 1)),
    "type-of-later": hest(struct.pack("<HH44x", 12, 1)),
    "count-too-small": hest(ROOT, ENDPOINT, count=1),
    "count-too-big": hest(ROOT, count=2),
    "count-most": hest(ROOT, count=0xFFFFFFFF),
    "cut-in-the-header": hest()[:39],
    "cut-in-a-structure": hest(ROOT, source(7, size=43)),
    "cut-at-a-type": hest(ROOT, b"\x06\x00\x01", count=2),
    "longer-than-its-structures": hest(ROOT) + bytes(64),
    "another-table": hest(ROOT, signature=b"BERT"),
    "empty": b"",
    "wrong-length-field": hest(ROOT).replace(struct.pack("<I", 88), struct.pack("<I", 7), 1),
}


def slots(*entries: smbios.Slot) -> bytes:
    return b"".join(smbios.structure(9, 0x12 + i, smbios.slot_body(slot), (slot.name,))
                    for i, slot in enumerate(entries)) + smbios.structure(127, 0x7F, b"")


Slot = smbios.Slot
SMBIOS = {
    "whole-board": smbios.table(smbios.Board("ASRockRack", "ROMED8-2T"),
                                [Slot(f"PCIE{i}", i, f"0000:{0x10 * i:02x}:00.0") for i in range(1, 8)]),
    "usages": slots(*(Slot(f"S{usage}", usage, usage=usage) for usage in range(8))),
    "usage-most": slots(Slot("S", 1, usage=255)),
    "widths": slots(*(Slot(f"S{width}", width, width=width) for width in range(16))),
    "slot-types": slots(*(Slot(f"S{kind:02x}", kind, type=kind) for kind in (0x06, 0xA5, 0xAA, 0xB1, 0xB6, 0xBD, 0xC4, 0xFF))),
    "without-addresses": slots(Slot("A", 1), Slot("B", 2)),
    "address-most": slots(Slot("A", 1, "fffe:ff:1f.7")),
    "address-zero": slots(Slot("A", 0, "0000:00:00.0")),
    "before-2.6": slots(Slot("A", 1, "0000:c1:00.0", size=13), Slot("B", 2, size=12)),
    "long-bodies": slots(Slot("A", 1, "0000:c1:00.0", size=17), Slot("B", 2, "0000:c2:00.0", size=200)),
    "body-too-short": slots(Slot("A", 1, size=5)),
    "names-not-ascii": slots(Slot("Überträger", 1), Slot("☃", 2)),
    "name-of-controls": slots(Slot("a\x1b[31m\tb\x7f", 1)),
    "name-empty": slots(Slot("", 1)),
    "name-long": slots(Slot("n" * 300, 1)),
    "same-name-twice": slots(Slot("A", 1), Slot("A", 1)),
    "more-than-are-kept": slots(*(Slot("S", i & 0xFFFF, size=13) for i in range(160))),
    "end-first": smbios.structure(127, 0, b"") + slots(Slot("A", 1)),
    "no-end": slots(Slot("A", 1))[:-6],
    "only-end": smbios.structure(127, 0, b""),
    "length-beyond-the-end": b"\x09\xff\x01\x00" + bytes(20),
    "no-end-of-strings": smbios.structure(9, 1, smbios.slot_body(Slot("A", 1)), ("A",))[:-1] + b"B" * 40,
}

SEEDS = {"hest": HEST, "smbios": SMBIOS}


def main() -> int:
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        print(__doc__, file=sys.stderr)
        return 2
    stale = []
    for kind, seeds in SEEDS.items():
        folder = CORPUS / kind
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in seeds.items():
            file = folder / name
            if not check:
                file.write_bytes(content)
            elif not file.exists() or file.read_bytes() != content:
                stale.append(f"corpus/{kind}/{name} is not what tests/fuzz/seeds.py writes")
    print("\n".join(stale) or "the corpora are as they are written")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
