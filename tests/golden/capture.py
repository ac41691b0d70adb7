#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A captured machine, unpacked with tar, gives the answers of the machine itself; and names nobody.

Run by ctest; each method is one promise of wopr-aer(1).
"""
import argparse
import re
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path

from golden import DEADLINE, FIXTURES, make_machine
from program import read_options

sys.path.insert(0, str(FIXTURES))
import machines  # noqa: E402

OPTIONS: argparse.Namespace
MACHINES = ["wopr", "wopr-firmware", "unprivileged-wopr", "half-blind", "six-gpu-unknown-board", "eight-gpu-switches",
            "no-aer", "asleep", "virtual"]
VIEWS = [["status", "--all"], ["status", "--json"], ["topology"], ["topology", "--json"], ["name"], ["doctor", "--all"],
         ["doctor", "--json"]]
UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.I)
BLANK_UUID = re.compile(rb"00000000-0000-[04]000-[08]000-\d{12}")


class Capture(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = Path(tempfile.mkdtemp(prefix="wopr-capture-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        (cls.folder / "data").symlink_to(OPTIONS.boards)
        for name in MACHINES:
            make_machine(name, cls.folder)

    def run_it(self, machine: str, *arguments: str, **more) -> subprocess.CompletedProcess:
        # By a name that no path of this machine is part of: names are replaced in what is compared.
        command = [str(OPTIONS.program), "--sysroot", machine, "--data-dir", "data", *arguments]
        return subprocess.run(command, cwd=self.folder, capture_output=True, timeout=DEADLINE,
                              env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC", "COLUMNS": "110"}, **more)

    def captured(self, machine: str, name: str | None = None) -> Path:
        file = self.folder / f"{name or machine + '-captured'}.tar.gz"
        done = self.run_it(machine, "doctor", "--capture", str(file))
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertIn(str(file).encode(), done.stdout)
        return file

    def unpacked(self, file: Path) -> Path:
        subprocess.run(["tar", "xzf", file], cwd=self.folder, check=True, timeout=DEADLINE)
        return self.folder / file.name.removesuffix(".tar.gz")

    @staticmethod
    def anonymous(text: bytes, host: str) -> bytes:
        """As a capture has it: no UUID, the host by another name, and no time or place of this run."""
        text = UUID.sub(b"UUID", text)
        text = re.sub(rb'"(since|now)": "[^"]*"', rb'"\1": TIME', text)
        for name in (host, "captured"):
            text = re.sub(rb'^%s( \xc2\xb7|$)' % name.encode(), rb"HOST\1", text, flags=re.M)
            text = re.sub(rb'"host": "%s"' % name.encode(), rb'"host": HOST', text)
        text = re.sub(rb"[\w./-]+/etc/wopr-aer/", rb"etc/wopr-aer/", text)
        return re.sub(rb"\s+", b" ", text)  # names of another length break lines elsewhere

    def test_the_answers_are_those_of_the_machine(self) -> None:
        for machine in MACHINES:
            tree = self.unpacked(self.captured(machine))
            host = machines.machine(machine).hostname
            for view in VIEWS:
                with self.subTest(machine=machine, view=view):
                    before, after = self.run_it(machine, *view), self.run_it(tree.name, *view)
                    self.assertEqual((before.returncode, before.stderr), (after.returncode, after.stderr))
                    # Paths in problems begin with the directory that was read.
                    texts = [done.stdout.replace(f"{root}/".encode(), b"")
                             for done, root in ((before, machine), (after, tree.name))]
                    self.assertEqual(*(self.anonymous(text, host) for text in texts))

    def test_a_capture_of_a_capture_is_the_same(self) -> None:
        first = self.captured("wopr-firmware", "first")
        tree = self.unpacked(first)
        again = self.captured(tree.name, "again")

        def members(file: Path) -> dict:
            with tarfile.open(file) as archive:
                return {entry.name.partition("/")[2]: (entry.type, entry.linkname, archive.extractfile(entry).read()
                                                       if entry.isfile() else b"")
                        for entry in archive}
        self.assertEqual(members(first), members(again))

    def test_nobody_is_named(self) -> None:
        for name in ("wopr", "eight-gpu-switches"):
            machine = machines.machine(name)
            cmdline = self.folder / name / "proc/cmdline"
            cmdline.write_text(cmdline.read_text().strip() + " root=UUID=12345678-9abc-def0-1234-56789abcdef0 "
                               "cryptkey=secret ip=192.0.2.7\n")
            serials = [f.serial.to_bytes(8, "little") for f in machine.functions if f.serial]
            serials += [f.serial.to_bytes(8, "big") for f in machine.functions if f.serial]
            self.assertTrue(name != "wopr" or serials, "the machine has serial numbers to hide")
            with tarfile.open(self.captured(name, f"{name}-anonymous")) as archive:
                for entry in archive:
                    content = archive.extractfile(entry).read() if entry.isfile() else b""
                    for uuid in UUID.findall(content):
                        self.assertRegex(uuid, BLANK_UUID, entry.name)
                    for word in (b"secret", b"192.0.2.7", *serials):
                        self.assertNotIn(word, content, entry.name)
                    if not entry.name.endswith("README"):
                        self.assertNotRegex(content, rb"(?<![\w-])%s(?![\w-])" % machine.hostname.encode(), entry.name)
                    self.assertEqual((entry.uid, entry.gid, entry.uname), (0, 0, "root"))
                    self.assertFalse(entry.name.startswith("/") or ".." in entry.name.split("/"), entry.name)

    def test_deep_trees_have_long_names(self) -> None:
        """Beyond the 100 bytes of a plain tar header."""
        with tarfile.open(self.captured("eight-gpu-switches", "deep")) as archive:
            self.assertTrue(any(len(entry.name) > 100 for entry in archive))
            self.assertEqual(archive.getmember("deep/proc/sys/kernel/hostname").size, len("captured\n"))

    # -- files that cannot be written

    def test_an_existing_file_stays(self) -> None:
        file = self.folder / "precious.tar.gz"
        file.write_text("precious")
        done = self.run_it("wopr", "doctor", "--capture", str(file))
        self.assertEqual((done.returncode, done.stdout), (2, b""))
        self.assertIn(b"File exists", done.stderr)
        self.assertIn(b"nothing is overwritten", done.stderr)
        self.assertEqual(file.read_text(), "precious")

    def test_a_place_that_is_not_there(self) -> None:
        done = self.run_it("wopr", "doctor", "--capture", "missing/file.tar.gz")
        self.assertEqual((done.returncode, done.stdout), (2, b""))
        self.assertIn(b"missing/file.tar.gz: cannot write: No such file or directory", done.stderr)

    def test_no_half_file_is_left_where_there_is_no_room(self) -> None:
        def little_room() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
        done = self.run_it("wopr", "doctor", "--capture", "half.tar.gz", preexec_fn=little_room)
        self.assertEqual((done.returncode, done.stdout), (2, b""))
        self.assertIn(b"half.tar.gz: cannot write: File too large", done.stderr)
        self.assertFalse((self.folder / "half.tar.gz").exists())

    def test_usage(self) -> None:
        for arguments in (["--capture"], ["--capture", ""], ["--capture", "f", "--json"], ["--sysroot", "nowhere"]):
            done = self.run_it("wopr", "doctor", *arguments)
            self.assertEqual((done.returncode, done.stdout), (2, b""), arguments)


if __name__ == "__main__":
    OPTIONS = read_options(__doc__, "program")
    unittest.main()
