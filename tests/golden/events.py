#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What `wopr-aer events` makes of the kernel's messages in a journal: whose count, order, names, following, rotation.

Run by ctest; the journal files are written by tests/support/journal_file.py.
"""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from golden import DEADLINE, ZONES, make_machine
from program import end, read_options

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from journal_file import JournalFile  # noqa: E402

OPTIONS: argparse.Namespace
MACHINE_ID = "ab" * 16
OTHER_BOOT = "0b" * 16
START = 1_700_000_000_000_000  # of the boot, us since 1970
SECOND = 1_000_000
KERNEL = {"_TRANSPORT": "kernel", "SYSLOG_FACILITY": "0", "SYSLOG_IDENTIFIER": "kernel", "PRIORITY": "4"}
PORT, GPU = "0000:c0:01.1", "0000:c1:00.0"


def correctable(port: str = PORT, function: str = GPU, driver: str = "nvidia", status: int = 0x40) -> list[str]:
    names = {0: "RxErr", 6: "BadTLP", 7: "BadDLLP", 8: "Rollover", 12: "Timeout"}
    bits = [f"{driver} {function}:    [{bit:2}] {name:22}" for bit, name in names.items() if status >> bit & 1]
    return [f"pcieport {port}: AER: Corrected error message received from {function}",
            f"{driver} {function}: PCIe Bus Error: severity=Corrected, type=Data Link Layer, (Receiver ID)",
            f"{driver} {function}:   device [10de:2684] error status/mask={status:08x}/0000a000", *bits]


class Events(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = Path(tempfile.mkdtemp(prefix="wopr-events-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.folder.chmod(0o755)
        make_machine("wopr", cls.folder)
        cls.machine = cls.folder / "wopr"

    def setUp(self) -> None:
        shutil.rmtree(self.machine / "var", ignore_errors=True)
        self.boot = (self.machine / "proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")
        self.journal = self.new_journal()
        self.now = 100 * SECOND

    def new_journal(self, boot: str | None = None, name: str = "system", number: int = 1, seqnum: int = 0) -> JournalFile:
        place = self.machine / "var/log/journal" / MACHINE_ID / f"{name}.journal"
        return JournalFile(place, MACHINE_ID, boot or self.boot, number, seqnum)

    def say(self, *lines: str, journal: JournalFile | None = None, late: int = 0, **fields: str) -> None:
        """As the kernel says it, one second after what was said before; journald is `late` in taking it in."""
        self.now += 2 * SECOND
        for line in lines:
            self.now += 10
            stamp = {"_SOURCE_MONOTONIC_TIMESTAMP": str(self.now)}
            (journal or self.journal).append(KERNEL | stamp | {"MESSAGE": line} | fields, START + self.now + late, self.now + late)

    def command(self, *arguments: str) -> list[str]:
        return [str(OPTIONS.program), "--sysroot", str(self.machine), "--data-dir", str(OPTIONS.boards), "events", *arguments]

    def run_it(self, *arguments: str, **more) -> subprocess.CompletedProcess:
        zone = more.pop("zone", "UTC")
        return subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=DEADLINE,
                              env=os.environ | {"TZ": zone, "LC_ALL": "C.UTF-8", "COLUMNS": "80"}, **more)

    def events(self, *arguments: str) -> list[dict]:
        done = self.run_it("--json", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def follow(self, *arguments: str) -> subprocess.Popen:
        process = subprocess.Popen(self.command("-f", "--json", *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True)
        self.addCleanup(end, process)
        return process

    # -- what they look like

    def test_text_names_the_slot_first(self) -> None:
        self.say(*correctable())
        self.say(*correctable(PORT, PORT, "pcieport", 0x1000))
        self.say("NVRM: Xid (PCI:0000:c1:00): 79, pid=4242, GPU has fallen off the bus.")
        done = self.run_it()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.splitlines(), [
            "Nov 14 22:15:02  PCIE3  0000:c1:00.0  device  correctable: BadTLP",
            "Nov 14 22:15:04  PCIE3  0000:c0:01.1  port    correctable: Timeout",
            "Nov 14 22:15:06  PCIE3  0000:c1:00.0  device  NVIDIA Xid 79: pid=4242, GPU has",
            " " * 46 + "fallen off the bus."], done.stdout)

    def test_programs_get_utc_and_people_their_own_time(self) -> None:
        self.say(*correctable())
        for zone, local in zip(ZONES, ("Nov 14 22:15:02", "Nov 14 14:15:02", "Nov 15 03:45:02"), strict=True):
            with self.subTest(zone=zone):
                self.assertEqual(json.loads(self.run_it("--json", zone=zone).stdout)["time"], "2023-11-14T22:15:02Z")
                self.assertTrue(self.run_it(zone=zone).stdout.startswith(f"{local}  PCIE3 "))

    def test_json_says_all(self) -> None:
        self.say(*correctable(status=0x41))
        event, = self.events()
        self.assertEqual({key: event[key] for key in ("time", "kind", "slot", "port", "side", "function", "reporter", "severity",
                                                      "types", "status", "mask", "agent")},
                         {"time": "2023-11-14T22:15:02Z", "kind": "aer", "slot": "PCIE3", "port": PORT, "side": "device",
                          "function": GPU, "reporter": PORT, "severity": "correctable", "types": ["RxErr", "BadTLP"],
                          "status": "00000041", "mask": "0000a000", "agent": "Receiver"})
        self.assertEqual(event["lines"], correctable(status=0x41))

    def test_uncorrectable_errors_are_called_reports(self) -> None:
        self.say(f"pcieport {PORT}: AER: Uncorrected (Non-Fatal) error message received from {GPU}",
                 f"nvidia {GPU}: PCIe Bus Error: severity=Uncorrected (Non-Fatal), type=Transaction Layer, (Requester ID)",
                 f"nvidia {GPU}:   device [10de:2684] error status/mask=00004000/00400000", f"nvidia {GPU}:    [14] CmpltTO",
                 f"nvidia {GPU}: AER: can't recover (no error_detected callback)")
        text = " ".join(self.run_it().stdout.split())
        self.assertIn("nonfatal error reported: CmpltTO; the driver has no error handlers", text)

    def test_nothing_is_not_called_clean(self) -> None:
        self.say("usb 1-1: new high-speed USB device number 2 using xhci_hcd")
        self.assertIn("tell of no PCIe error since boot", self.run_it().stdout)
        self.assertEqual(self.events(), [])

    # -- whose word counts

    def test_only_the_kernel_is_a_witness(self) -> None:
        """Root may write to /dev/kmsg (facility user), anybody to the journal."""
        self.say(*correctable(), SYSLOG_FACILITY="1")
        self.say(*correctable(), _TRANSPORT="journal")
        self.say(*correctable(), _TRANSPORT="syslog")
        self.assertEqual(self.events(), [])
        self.say(*correctable())
        self.assertEqual(len(self.events()), 1)

    def test_unknown_words_are_kept(self) -> None:
        self.say(f"pcieport {PORT}: AER: something new in Linux 9")
        event, = self.events()
        self.assertEqual((event["kind"], event["slot"], event["types"]), ("other", "PCIE3", []))
        self.assertIn("something new in Linux 9", event["text"])

    # -- when and where

    def test_time_is_the_kernels_own(self) -> None:
        """What was said before journald ran is taken in late and all at once."""
        self.say(*correctable(), late=7 * SECOND)
        self.assertEqual(self.events()[0]["time"], "2023-11-14T22:15:02Z")

    def test_this_boot_unless_asked_for_more(self) -> None:
        before = self.new_journal(OTHER_BOOT, "system@" + "5e" * 16 + "-0000000000000001-0000000000000001", 2)
        before.append(KERNEL | {"MESSAGE": correctable()[0]}, START - 3600 * SECOND, 10 * SECOND)
        self.say(*correctable())
        self.assertEqual([event["boot_id"] for event in self.events()], [self.boot])
        self.assertEqual([event["boot_id"] for event in self.events("--since", "2023-11-01")], [OTHER_BOOT, self.boot])
        self.assertEqual(self.events("--since", "2023-11-14T23:00:00Z"), [])

    def test_one_slot(self) -> None:
        self.say(*correctable())
        self.say(*correctable("0000:80:01.1", "0000:80:01.1", "pcieport"))
        self.assertEqual([event["slot"] for event in self.events()], ["PCIE3", "PCIE7"])
        self.assertEqual([event["slot"] for event in self.events("--slot", "pcie7")], ["PCIE7"])
        self.assertEqual(self.run_it("--slot", "PCIE9").returncode, 2)

    def test_a_wrong_time_is_a_usage_error_that_helps(self) -> None:
        done = self.run_it("--since", "last full moon")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("2h or 3d ago", done.stderr)

    # -- following

    def next_event(self, process: subprocess.Popen) -> dict:
        line = process.stdout.readline()
        self.assertTrue(line, process.stderr.read() if process.poll() is not None else "")
        return json.loads(line)

    def test_follow_shows_what_comes(self) -> None:
        self.say(*correctable())
        process = self.follow()
        self.say(f"pcieport {PORT}: AER: mark")  # whatever comes later shows that the record before is whole
        self.assertEqual([self.next_event(process)["types"] for _ in range(2)], [["BadTLP"], []])
        self.say(*correctable(status=1))
        self.say(f"pcieport {PORT}: AER: mark")
        self.assertEqual([self.next_event(process)["types"] for _ in range(2)], [["RxErr"], []])
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(DEADLINE), 0)

    def test_follow_survives_rotation_and_vacuum(self) -> None:
        self.say(f"pcieport {PORT}: AER: first")
        process = self.follow()
        self.assertIn("first", self.next_event(process)["text"])
        old = self.journal.archive()
        self.journal = self.new_journal(number=2, seqnum=self.journal.seqnum)
        self.say(f"pcieport {PORT}: AER: second")
        self.assertIn("second", self.next_event(process)["text"])
        old.unlink()  # vacuumed
        self.say(f"pcieport {PORT}: AER: third")
        self.assertIn("third", self.next_event(process)["text"])
        self.journal.path.unlink()  # even what was read last
        self.journal = self.new_journal(number=3, seqnum=self.journal.seqnum + 10)
        self.say(f"pcieport {PORT}: AER: fourth")
        self.assertIn("fourth", self.next_event(process)["text"])
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(DEADLINE), 0)

    def test_a_reader_that_goes_ends_it(self) -> None:
        self.say(f"pcieport {PORT}: AER: first")
        process = self.follow()
        self.next_event(process)
        process.stdout.close()
        self.assertEqual(process.wait(DEADLINE), 0)
        process.stdout = open(os.devnull)

    # -- trouble

    def test_no_journal(self) -> None:
        shutil.rmtree(self.machine / "var")
        done = self.run_it()
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("no journal", done.stderr)

    def test_without_permission_it_says_what_to_do(self) -> None:
        self.say(*correctable())
        self.journal.path.chmod(0o600 if os.geteuid() == 0 else 0)
        outsider = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        done = self.run_it(**outsider)
        self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
        self.assertIn("systemd-journal", done.stderr)

    def test_a_damaged_file_is_survived(self) -> None:
        self.say(*correctable())
        size = self.journal.path.stat().st_size
        with self.journal.path.open("r+b") as file:
            file.seek(size // 2)
            file.write(os.urandom(size // 4))
        done = self.run_it()
        self.assertIn(done.returncode, (0, 1), done.stderr)

    def test_a_log_as_text_is_read_too(self) -> None:
        shutil.rmtree(self.machine / "var/log/journal")
        rows = [f"1700000100.00{i}000 wopr kernel: {line}" for i, line in enumerate(correctable())]
        rows.append(f"1700000200.000000 wopr somebody: pcieport {PORT}: AER: not the kernel's")
        (self.machine / "var/log/kernel.log").write_text("\n".join(rows) + "\n")
        self.assertEqual([event["types"] for event in self.events()], [["BadTLP"]])


@unittest.skipIf(Path("/run/systemd/journal/socket").exists(), "the service's records would go to this machine's journal")
class Service(unittest.TestCase):
    """The service where the firmware keeps AER: its records to the journal come out on stderr where there is none."""

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="wopr-witness-"))
        self.addCleanup(shutil.rmtree, self.folder)
        make_machine("wopr-firmware", self.folder)
        self.machine = self.folder / "wopr-firmware"
        boot = (self.machine / "proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")
        self.journal = JournalFile(self.machine / "var/log/journal" / MACHINE_ID / "system.journal", MACHINE_ID, boot)

    def say(self, *lines: str, age: float = 0) -> None:
        for line in lines:
            monotonic = int((time.monotonic() - age) * SECOND)
            stamp = {"_SOURCE_MONOTONIC_TIMESTAMP": str(monotonic)}
            self.journal.append(KERNEL | stamp | {"MESSAGE": line}, int((time.time() - age) * SECOND), monotonic)

    def record(self, number: int, function: str, *more: str) -> list[str]:
        rows = ["event severity: corrected", " Error 0, type: corrected", "  section_type: PCIe error",
                f"  device_id: {function}"]
        return [f"{{{number}}}[Hardware Error]: {row}" for row in rows] + list(more)

    def test_firmware_records_that_move_no_counter_are_told_apart(self) -> None:
        self.say("Linux version 6.1.0", *self.record(1, PORT), age=60)
        process = subprocess.Popen([OPTIONS.daemon, "--sysroot", self.machine, "--data-dir", OPTIONS.boards, "--snapshot",
                                    "none", "--bus", f"unix:path={self.folder}/none"], stderr=subprocess.PIPE, text=True)
        self.addCleanup(end, process)
        said = []

        def until(mark: str) -> str:
            for line in process.stderr:
                said.append(line)
                if mark in line:
                    return line
            self.fail("".join(said))

        until("watching")
        self.say(*self.record(2, PORT), *self.record(3, "0000:80:01.1",
                                                     "pcieport 0000:80:01.1: AER: aer_status: 0x00000040, aer_mask: 0x00006000"))
        self.say(*self.record(4, "0000:40:03.1"))
        self.assertEqual(until("PCIE3"), "<5>PCIE3: the firmware reported 1 correctable error at the port end (no type given), "
                         "not in the kernel's counters\n")
        until("PCIE4")
        self.assertFalse([line for line in said if "PCIE7" in line], "the kernel has taken over and counted that one")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(DEADLINE), 0)
        self.assertEqual(len([line for line in said + list(process.stderr) if "the firmware reported" in line]), 2)


if __name__ == "__main__":
    OPTIONS = read_options(__doc__, "program", "daemon")
    unittest.main()
