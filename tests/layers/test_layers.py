#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The layers test itself must be able to fail: each kind of fault, put into a copy of the tree, is found."""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]


class Faults(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.root = pathlib.Path(self.directory.name)
        for name in ("lib", "cli", "daemon", "probe", "docs"):
            shutil.copytree(ROOT / name, self.root / name)

    def run_layers(self) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, HERE / "layers.py", "--root", self.root], capture_output=True, text=True)

    def add(self, path: str, line: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text((file.read_text() if file.exists() else "") + line + "\n")

    def draw(self, old: str, new: str) -> None:
        page = self.root / "docs/architecture.md"
        drawing = page.read_text()
        self.assertIn(old, drawing, "the drawing has changed: change this test with it")
        page.write_text(drawing.replace(old, new))

    def expect(self, words: str) -> None:
        done = self.run_layers()
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn(words, done.stdout)

    def test_the_tree_as_it_is_has_none(self):
        done = self.run_layers()
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_a_room_that_goes_up(self):
        self.add("lib/core/pci/bdf.hpp", '#include "core/judge/grade.hpp"')
        self.expect("lib/core/pci/bdf.hpp includes core/judge/grade.hpp: pci may not use judge")

    def test_a_folder_that_uses_its_neighbour(self):
        self.add("lib/sink/journal.hpp", '#include "bus/client.hpp"')
        self.expect("lib/sink/journal.hpp includes bus/client.hpp: sink may not use bus")

    def test_a_room_that_nobody_has_drawn(self):
        self.add("lib/core/attic/old.hpp", "#pragma once")
        self.expect("room attic is not drawn")

    def test_a_drawing_of_what_is_not_there(self):
        self.draw("doctor   ->  base machine", "doctor   ->  base machine kernel")
        self.expect("draws doctor -> kernel, which no include makes")

    def test_a_drawing_that_goes_up(self):
        self.draw("pci      ->  base", "pci      ->  base judge")
        self.expect("draws pci -> judge, which does not go down")

    def test_two_files_of_one_name(self):
        self.add("lib/source/bdf.hpp", "#pragma once")
        self.expect("two files are called bdf")

    def test_a_system_call_in_the_core(self):
        self.add("lib/core/pci/bdf.hpp", "#include <fcntl.h>")
        self.expect("lib/core/pci/bdf.hpp: the core includes <fcntl.h>")

    def test_a_time_zone_in_another_file(self):
        for line in ("#include <fmt/chrono.h>", "void f(tm& t) { localtime_r(nullptr, &t); }"):
            with self.subTest(line=line):
                self.add("cli/describe.cpp", line)
                self.expect("cli/describe.cpp uses ")


if __name__ == "__main__":
    unittest.main()
