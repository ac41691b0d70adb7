# SPDX-License-Identifier: GPL-2.0-or-later
"""The history on a real file system that fails, and with strangers who ask for it all the time."""
from __future__ import annotations

import time

import pytest

import aer
import ledger
import product
import service
from aer import Error
from ledger import DIRECTORY, FILE, in_history, kernel, lifetimes
from machine import Machine, make_data_disk
from service import UNIT, Asker, within

STRANGER_SECONDS = 60 if ledger.FULL else 20
STUCK = 4  # of the eight that are answered at once
# lib/sink/store.cpp: the log is brought into the file after 1000 pages of 4 KiB, and cut to 4 MiB; a commit or two more.
MAX_LOG_BYTES = 5 << 20
MAX_INDEX_BYTES = 64 << 10
MAX_GROWTH_BYTES = 1 << 20
MAX_ANONYMOUS_KIB = (3 + 2 + 8) * 1024  # the service, its pages of the file, and a MiB for each question it answers
LOCKER = ("import sqlite3, signal\n"
          f"database = sqlite3.connect(\"{FILE}\", isolation_level=None)\n"
          "database.execute(\"BEGIN EXCLUSIVE\")\n"
          "signal.pause()")
HARMS = {  # what begins and what ends it
    "full": (f"dd if=/dev/zero of={DIRECTORY}/filler bs=64k; true", f"rm {DIRECTORY}/filler"),
    "frozen": (f"fsfreeze --freeze {DIRECTORY}", f"fsfreeze --unfreeze {DIRECTORY}"),
    "immutable": (f"chattr +i {FILE} {FILE}-wal", f"chattr -i {FILE} {FILE}-wal"),
    "locked": (f"systemd-run --unit=locker python3 -c '{LOCKER}'", "systemctl stop locker"),
    "header": (f"dd if=/dev/urandom of={FILE} bs=4096 count=1 conv=notrunc", None),
    "middle": (f"dd if=/dev/urandom of={FILE} bs=4096 seek=3 count=8 conv=notrunc", None),
    "deleted": (f"rm {FILE} {FILE}-wal {FILE}-shm", None),
}
pytestmark = pytest.mark.machine("counted time, with a disk")
NOBODY_LISTENS = "while [ ! -e /tmp/enough ]; do wopr-aer {} >/dev/null || exit; echo asked; done"


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    return make_data_disk(tmp_path_factory.mktemp("data") / "data.img", 64)


@pytest.fixture
def recording(installed, disk):
    """A machine with the history on a disk of its own, and nothing in it yet. Its clock counts instructions."""
    machine = installed(data_disk=disk, counted_time=True)
    ledger.begin(machine)
    yield machine
    machine.guest.run(f"touch /tmp/enough; systemctl stop locker; fsfreeze --unfreeze {DIRECTORY}; mount -o remount,rw {DIRECTORY}; "
                      f"chattr -R -i {DIRECTORY}; systemctl stop {UNIT}", check=False, timeout=90)
    assert service.refused_calls(machine) == []


def test_a_disk_that_is_read_only_at_the_start_gets_it_all_at_the_next(recording):
    """The service's mount namespace keeps the mount as it was at its start, whatever becomes of it outside."""
    machine = recording
    aer.inject(machine, Error("PCIE3", "device", ("RxErr",), 3))
    assert within(30, lambda: lifetimes(machine) == kernel(machine), machine)
    machine.guest.run(f"systemctl stop {UNIT} && mount -o remount,ro {DIRECTORY} && systemctl start {UNIT}", timeout=90)
    assert within(60, lambda: ledger.running(machine), machine)
    client = Asker(machine)
    assert within(30, lambda: ledger.degraded(machine), machine)
    aer.inject(machine, Error("PCIE3", "device", ("RxErr",), 4), Error("PCIE6", "port", ("BadDLLP",), ledger.HARM_ERRORS, 90))
    # What was before it cannot know; this boot's errors it shows.
    assert within(30, lambda: product.ends(product.status(machine)) == kernel(machine), machine)
    ledger.assert_prompt("read-only", client.stop())
    machine.guest.run(f"mount -o remount,rw {DIRECTORY} && systemctl restart {UNIT}", timeout=90)
    assert within(30, lambda: lifetimes(machine) == kernel(machine), machine), (lifetimes(machine), kernel(machine))
    assert product.status(machine)["degraded"] is None
    assert in_history(machine) == kernel(machine)
    ledger.outlives_a_kill(machine)


@pytest.mark.parametrize("harm", HARMS)
def test_whatever_happens_to_the_disk_no_error_is_missing_and_no_answer_late(recording, harm):
    ledger.survives(recording, *HARMS[harm])
    if harm == "header":
        assert "history.db.damaged-" in recording.guest.run(["ls", DIRECTORY]).stdout


def sizes(machine: Machine) -> dict[str, int]:
    """Of the file, its log and its index, by what is behind the name."""
    lines = machine.guest.run(f"stat --format='%n %s' {FILE} {FILE}-wal {FILE}-shm", check=False).stdout.splitlines()
    return {name.removeprefix(FILE): int(size) for name, size in (line.split() for line in lines)}


def test_strangers_who_ask_all_the_time_grow_neither_files_nor_memory(recording, record_property):
    machine = recording
    aer.inject(machine, Error("PCIE3", "device", ("RxErr",), 3))
    assert within(30, lambda: lifetimes(machine) == kernel(machine), machine)
    machine.guest.run(["rm", "-f", "/tmp/enough"])
    before, most, memory = sizes(machine), {}, []
    errors = aer.start_paced(machine, Error("PCIE3", "device", ("RxErr",), STRANGER_SECONDS * 10, 90))
    client = Asker(machine)
    stuck = machine.guest.start([aer.ASK, "--stuck", STUCK], user="owner")
    assert stuck.next_line() == "asked"
    questions = ["history --json", "history --json --by hour", "history --csv --by epoch", "export"]
    loops = [machine.guest.start(NOBODY_LISTENS.format(question), user="owner") for question in questions]
    until = time.monotonic() + STRANGER_SECONDS
    while time.monotonic() < until:
        for name, size in sizes(machine).items():
            most[name] = max(most.get(name, 0), size)
        memory.append(service.anonymous_kib(machine))
    machine.guest.run(["touch", "/tmp/enough"])
    asked = [loop.finish(60).stdout.count("asked") for loop in loops]
    answers = client.stop()
    errors.finish(timeout=120)
    figures = {"answers": answers, "asked": asked, "before": before, "most": most, "anonymous_kib": [memory[0], max(memory), memory[-1]]}
    record_property("strangers", figures)
    print(figures)
    assert min(asked) >= 3, asked
    assert most[""] <= before[""] + MAX_GROWTH_BYTES, figures
    assert most["-wal"] <= MAX_LOG_BYTES, figures
    assert most["-shm"] <= MAX_INDEX_BYTES, figures
    assert max(memory) <= MAX_ANONYMOUS_KIB, figures
    # Their programs take both processors: what waits for those is no concern of the service's.
    assert answers["link"]["median"] <= ledger.ANSWER_MS and answers["link"]["worst"] <= ledger.HANGING_MS, answers
    # Those who took nothing have kept nothing from the disk either.
    assert within(30, lambda: in_history(machine) == kernel(machine), machine), (in_history(machine), kernel(machine))
    stuck.stop()
    ledger.outlives_a_kill(machine)
