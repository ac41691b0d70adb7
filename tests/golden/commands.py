#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every subcommand has its file, its line of --help, and its places in wopr-aer(1) and the README; every option too.

Run by ctest. The names are those of --help; the files beside them show that none was left out of it.
"""
import argparse
import re
import subprocess
import unittest
from pathlib import Path

from program import read_options

OPTIONS: argparse.Namespace
ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 60


def help_of(*command: str) -> str:
    answer = subprocess.run([OPTIONS.program, *command, "--help"], capture_output=True, text=True, timeout=DEADLINE)
    assert answer.returncode == 0 and not answer.stderr, answer
    return answer.stdout


def rows() -> dict[str, str]:
    """Each subcommand's name and line, in the order of --help."""
    listed = re.split(r"^subcommands:$", help_of(), flags=re.I | re.M)[1]
    return dict(re.findall(r"^  (\w+) +(\S.*)$", listed, re.M))


def options_of(name: str) -> set[str]:
    return set(re.findall(r"--[a-z-]+", help_of(name))) - {"--help"}


class Commands(unittest.TestCase):
    def test_each_file_is_a_subcommand_of_help(self) -> None:
        files = {path.stem.removeprefix("command_") for path in (ROOT / "cli").glob("command_*.cpp")}
        self.assertEqual(files, set(rows()))

    def test_each_says_in_one_line_what_it_is_for(self) -> None:
        for name, line in rows().items():
            with self.subTest(name):
                self.assertRegex(line, r"^[A-Z].*[^.]$")
                self.assertLessEqual(len(line), 80)
                self.assertIn(line, help_of(name))

    def test_the_manual_has_each_with_its_options(self) -> None:
        manual = (ROOT / "docs/wopr-aer.1").read_text()
        synopsis = manual[manual.index(".Sh SYNOPSIS"):manual.index(".Sh DESCRIPTION")]
        described = manual[manual.index(".Ss Commands"):manual.index(".Ss Options")]
        common = manual[manual.index(".Ss Options"):manual.index(".Ss Evidence")]
        self.assertEqual(set(re.findall(r"^\.It Cm (\w+)", described, re.M)), set(rows()))
        for name in rows():
            usages = "".join(re.findall(rf"^\.Cm {name}$\n(.*?)(?=^\.Nm$|\Z)", synopsis, re.M | re.S))
            item = described[re.search(rf"^\.It Cm {name}\b", described, re.M).start():]
            for option in options_of(name):
                with self.subTest(f"{name} {option}"):
                    self.assertRegex(re.split(r"^\.It Cm (?!%s\b)" % name, item, flags=re.M)[0] + usages,
                                     rf"(Fl|[,|]) {option[1:]}\b")
        for option in set(re.findall(r"--[a-z-]+", help_of())) - {"--help"}:
            self.assertIn(f".It Fl {option[1:]}", common)

    def test_the_readme_lists_each(self) -> None:
        listed = re.findall(r"^    wopr-aer (\w+)", (ROOT / "README.md").read_text(), re.M)
        self.assertEqual(set(listed), set(rows()))


if __name__ == "__main__":
    OPTIONS = read_options(__doc__, "program")
    unittest.main()
