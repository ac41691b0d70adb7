# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes journal files as systemd-journald does, for tests that need one without running it.

The format is systemd's (https://systemd.io/JOURNAL_FILE_FORMAT), with keyed hashes and nothing else optional:
`journalctl --verify` accepts it. Entries may be appended while somebody reads the file: new objects are written
before anything points to them, and the header last, as journald orders its writes.
"""
import struct
from pathlib import Path

DATA, FIELD, ENTRY, DATA_HASHES, FIELD_HASHES, ENTRIES = 1, 2, 3, 4, 5, 6
KEYED_HASH = 1 << 2
ONLINE, ARCHIVED = 1, 2
HEADER_SIZE = 256
BUCKETS = 233
MASK = (1 << 64) - 1


def rotate(value: int, bits: int) -> int:
    return (value << bits | value >> (64 - bits)) & MASK


def siphash24(data: bytes, key: bytes) -> int:
    k0, k1 = struct.unpack("<QQ", key)
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]

    def rounds(count: int) -> None:
        for _ in range(count):
            v[0] = (v[0] + v[1]) & MASK
            v[1] = rotate(v[1], 13) ^ v[0]
            v[0] = rotate(v[0], 32)
            v[2] = (v[2] + v[3]) & MASK
            v[3] = rotate(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & MASK
            v[3] = rotate(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & MASK
            v[1] = rotate(v[1], 17) ^ v[2]
            v[2] = rotate(v[2], 32)

    tail = len(data) % 8
    padded = data[:len(data) - tail] + data[len(data) - tail:].ljust(7, b"\0") + bytes([len(data) & 0xFF])
    for word in struct.unpack(f"<{len(padded) // 8}Q", padded):
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


class JournalFile:
    """One file; `append` adds an entry to it on disk."""

    def __init__(self, path: Path, machine_id: str, boot_id: str, number: int = 1, seqnum: int = 0):
        self.path = path
        self.machine_id, self.boot_id = bytes.fromhex(machine_id), bytes.fromhex(boot_id)
        self.file_id = bytes([number]) * 16
        self.seqnum_id = b"\x5e" * 16
        self.seqnum = seqnum
        self.first: tuple[int, int] | None = None  # seqnum and realtime of the first entry
        self.last = (0, 0)  # realtime and monotonic of the last
        self.state = ONLINE
        self.objects: dict[int, bytearray] = {}
        self.data: dict[bytes, int] = {}
        self.fields: dict[bytes, int] = {}
        self.entries: list[int] = []
        self.arrays: dict[str, tuple[int, int]] = {}
        self.end = HEADER_SIZE
        self.data_hashes = self._add(DATA_HASHES, bytes(16 * BUCKETS))
        self.field_hashes = self._add(FIELD_HASHES, bytes(16 * BUCKETS))
        self.entry_array = 0
        self.entry_arrays = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        self._write()

    def append(self, fields: dict[str, str], realtime: int, monotonic: int) -> None:
        self.seqnum += 1
        boot = {"_BOOT_ID": self.boot_id.hex(), "_MACHINE_ID": self.machine_id.hex()}
        offsets = sorted(self._data(f"{name}={value}".encode()) for name, value in (fields | boot).items())
        hashes = [struct.unpack_from("<Q", self.objects[offset], 16)[0] for offset in offsets]
        together = 0
        for value in hashes:
            together ^= value
        body = struct.pack("<QQQ16sQ", self.seqnum, realtime, monotonic, self.boot_id, together)
        body += b"".join(struct.pack("<QQ", offset, value) for offset, value in zip(offsets, hashes))
        entry = self._add(ENTRY, body)
        self.entries.append(entry)
        for offset in offsets:
            self._link(offset, entry)
        self.entry_array = self._extend(self.entry_array, entry)
        self.first = self.first or (self.seqnum, realtime)
        self.last = (realtime, monotonic)
        self._write()

    def archive(self) -> Path:
        """What rotation does: the file gets a name for good. Continue with another one."""
        self.state = ARCHIVED
        self._write()
        seqnum, realtime = self.first or (0, 0)
        name = self.path.with_name(f"{self.path.stem}@{self.seqnum_id.hex()}-{seqnum:016x}-{realtime:016x}.journal")
        self.path.rename(name)
        self.path = name
        return name

    # -- objects

    def _add(self, kind: int, body: bytes) -> int:
        offset = self.end
        self.objects[offset] = bytearray(struct.pack("<BB6xQ", kind, 0, 16 + len(body)) + body)
        self.end = (offset + 16 + len(body) + 7) & ~7
        return offset

    def _hashed(self, table: int, kind: int, value: int, body: bytes) -> int:
        offset = self._add(kind, body)
        slot = 16 + 16 * (value % BUCKETS)
        head, tail = struct.unpack_from("<QQ", self.objects[table], slot)
        if tail:
            struct.pack_into("<Q", self.objects[tail], 24, offset)  # next_hash_offset
        struct.pack_into("<QQ", self.objects[table], slot, head or offset, offset)
        return offset

    def _data(self, payload: bytes) -> int:
        if payload in self.data:
            return self.data[payload]
        value = siphash24(payload, self.file_id)
        field = self._field(payload.split(b"=", 1)[0])
        before = struct.unpack_from("<Q", self.objects[field], 32)[0]
        body = struct.pack("<QQQQQQ", value, 0, before, 0, 0, 0) + payload
        offset = self.data[payload] = self._hashed(self.data_hashes, DATA, value, body)
        struct.pack_into("<Q", self.objects[field], 32, offset)  # head_data_offset
        return offset

    def _field(self, name: bytes) -> int:
        if name not in self.fields:
            value = siphash24(name, self.file_id)
            self.fields[name] = self._hashed(self.field_hashes, FIELD, value, struct.pack("<QQQ", value, 0, 0) + name)
        return self.fields[name]

    def _link(self, data: int, entry: int) -> None:
        first, array, count = struct.unpack_from("<QQQ", self.objects[data], 40)
        if first:
            array = self._extend(array, entry)
        struct.pack_into("<QQQ", self.objects[data], 40, first or entry, array, count + 1)

    def _extend(self, head: int, entry: int) -> int:
        """Adds to a chain of entry arrays of four; gives its head."""
        last, offset = 0, head
        while offset:
            array = self.objects[offset]
            for at in range(24, len(array), 8):
                if not struct.unpack_from("<Q", array, at)[0]:
                    struct.pack_into("<Q", array, at, entry)
                    return head
            last, offset = offset, struct.unpack_from("<Q", array, 16)[0]
        new = self._add(ENTRIES, struct.pack("<QQQQQ", 0, entry, 0, 0, 0))
        if last:
            struct.pack_into("<Q", self.objects[last], 16, new)
        return head or new

    # -- the file

    def _header(self) -> bytes:
        kinds = [item[0] for item in self.objects.values()]
        first_seqnum, first_realtime = self.first or (0, 0)
        seqnum = self.seqnum if self.entries else 0
        header = struct.pack(
            "<8sIIB7x16s16s16s16s15Q", b"LPKSHHRH", 0, KEYED_HASH, self.state, self.file_id, self.machine_id, self.boot_id,
            self.seqnum_id, HEADER_SIZE, self.end - HEADER_SIZE, self.data_hashes + 16, 16 * BUCKETS,
            self.field_hashes + 16, 16 * BUCKETS, max(self.objects), len(self.objects), len(self.entries), seqnum,
            first_seqnum, self.entry_array, first_realtime, *self.last)
        header += struct.pack("<QQQQQQ", kinds.count(DATA), kinds.count(FIELD), 0, kinds.count(ENTRIES), 0, 0)
        assert len(header) == HEADER_SIZE
        return header

    def _write(self) -> None:
        known = self.path.stat().st_size
        with self.path.open("r+b") as file:
            for new in (True, False):  # what nothing points to yet, then what points to it
                for offset, content in self.objects.items():
                    if (offset >= known) == new:
                        file.seek(offset)
                        file.write(bytes(content).ljust(-len(content) % 8 + len(content), b"\0"))
                file.flush()
            file.seek(0)
            file.write(self._header())
