# SPDX-License-Identifier: GPL-2.0-or-later
"""wopr-aer-probe: what it writes of a faked machine, and that a stranger's directory cannot lead it astray."""
from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

# Slot numbers of the board are those of its SMBIOS table (tests/fixtures).
PORTS = {"0000:80:03.1": 17, "0000:00:03.1": 18, "0000:c0:01.1": 19, "0000:40:03.1": 20, "0000:00:01.1": 21,
         "0000:c0:03.1": 22, "0000:80:01.1": 23}


@pytest.fixture
def probe(tree: Path, fixture_tree: Path):
    program = tree / "usr/libexec/wopr-aer/wopr-aer-probe"

    def run(*words: object, sysroot: Path = fixture_tree) -> subprocess.CompletedProcess:
        return subprocess.run([program, "--sysroot", sysroot, *words], capture_output=True, text=True, timeout=60)
    return run


def test_slots_are_written_for_everybody_to_read(probe, tmp_path):
    file = tmp_path / "snapshot"
    previous = os.umask(0o077)
    try:
        done = probe("snapshot", file)
    finally:
        os.umask(previous)
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    lines = file.read_text().splitlines()
    assert lines[0] == "wopr-aer-snapshot 1"
    numbers = {port: int(number) for kind, port, number in (l.split("\t") for l in lines if l.startswith("sltcap"))}
    assert PORTS.items() <= numbers.items()
    designations = {line.split("\t")[4] for line in lines if line.startswith("smbios")}
    assert {f"PCIE{n}" for n in range(1, 5)} <= designations
    assert os.listdir(tmp_path) == ["snapshot"]


def test_an_empty_machine_is_no_failure(probe, tmp_path):
    empty = tmp_path / "machine"
    empty.mkdir()
    done = probe("snapshot", tmp_path / "snapshot", sysroot=empty)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "snapshot").read_text() == "wopr-aer-snapshot 1\n"


def test_links_that_were_put_there_are_not_followed(probe, tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("kept\n")
    for name in ("snapshot", ".snapshot.new"):
        (tmp_path / name).symlink_to(precious)
    done = probe("snapshot", tmp_path / "snapshot")
    assert done.returncode == 0, done.stderr
    assert precious.read_text() == "kept\n"
    assert (tmp_path / "snapshot").is_file() and not (tmp_path / "snapshot").is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["precious", "snapshot"]


def test_the_old_file_stays_when_the_new_one_cannot_be_written(probe, tmp_path):
    (tmp_path / "snapshot").write_text("old\n")
    (tmp_path / ".snapshot.new").mkdir()
    done = probe("snapshot", tmp_path / "snapshot")
    assert done.returncode == 1
    assert str(tmp_path / ".snapshot.new") in done.stderr and done.stderr.startswith("<3>")
    assert (tmp_path / "snapshot").read_text() == "old\n"


def test_a_missing_directory_is_named(probe, tmp_path):
    done = probe("snapshot", tmp_path / "nowhere/snapshot")
    assert done.returncode == 1
    assert f"{tmp_path}/nowhere: cannot open the directory: No such file or directory" in done.stderr


@pytest.mark.parametrize("words", [(), ("snapshot",), ("snapshot", "a", "b"), ("fix", "a"), ("--sysroot",)])
def test_what_it_does_not_know_it_does_not_do(probe, tmp_path, words):
    done = probe(*words)
    assert done.returncode == 2 and done.stderr.startswith("usage: wopr-aer-probe")
    assert not done.stdout
