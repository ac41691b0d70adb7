# SPDX-License-Identifier: GPL-2.0-or-later
"""The real service on a faked machine: what it counted is exported, and played again it comes to the same."""
import contextlib
import json
import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from bus import DEADLINE

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PCIE3, DEVICE = "0000:c0:01.1", "0000:c1:00.0"
OTHER = "0000:80:01.1"
CONFIG = """[monitor]
sample_interval = 0.1
[verdict]
rollover_episodes = 1
"""

pytestmark = pytest.mark.skipif(os.path.exists("/run/systemd/journal/socket"),
                                reason="the service's records would go to this machine's journal")


class Machine:
    """A faked machine, the service that watches it, and a user's questions."""

    def __init__(self, folder, programs, bus):
        subprocess.run([sys.executable, SOURCE / "tests/fixtures/make.py", "wopr", "--out", folder], check=True)
        self.root = folder / "wopr"
        self.state = folder / "state"
        self.state.mkdir()
        self.programs, self.bus, self.process = programs, bus, None
        config = self.root / "etc/wopr-aer"
        config.mkdir(parents=True, exist_ok=True)
        (config / "wopr-aer.toml").write_text(CONFIG)
        self.log = folder / "log"

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self.programs / "wopr-aerd", "--sysroot", self.root, "--data-dir", SOURCE / "config", "--snapshot", "none",
                 "--state", self.state, "--bus", self.bus.address], stderr=log)
        self.until(lambda: self.status()["monitor"] == "service")

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.process.wait(DEADLINE)

    def run(self, *arguments, **more):
        environment = os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": self.bus.address}
        return subprocess.run([self.programs / "wopr-aer", *arguments], capture_output=True, text=True, timeout=2 * DEADLINE,
                              env=environment, **more)

    def status(self):
        return json.loads(self.run("status", "--json").stdout)

    def link(self, port):
        link, = (slot for slot in self.status()["slots"] if slot["port"] == port)
        return link

    def until(self, wanted):
        deadline = time.monotonic() + 2 * DEADLINE
        while not wanted():
            assert time.monotonic() < deadline, self.log.read_text()
            assert self.process.poll() is None, self.log.read_text()

    def configure(self, history):
        (self.root / "etc/wopr-aer/wopr-aer.toml").write_text(f"{CONFIG}[history]\n{history}\n")
        self.process.send_signal(signal.SIGHUP)

    def add_errors(self, function, **added):
        """In place, as the kernel does: the program holds the file open."""
        file = (self.root / "sys/bus/pci/devices" / function).resolve() / "aer_dev_correctable"
        rows = [row.rsplit(" ", 1) for row in file.read_text().splitlines()]
        text = "".join(f"{name} {int(value) + added.get(name, 0)}\n" for name, value in rows)
        with file.open("r+") as out:
            out.write(text)
            out.truncate()

    def counted(self, port, side):
        """Since the watch began, by token."""
        link = self.link(port)
        before = link["before_monitoring"][side]
        grown = {token: value - before.get(token, 0) for token, value in link["correctable"][side].items()}
        return {token: value for token, value in grown.items() if value}


@pytest.fixture
def machine(tmp_path, programs, bus):
    machine = Machine(tmp_path, programs, bus)
    machine.start()
    yield machine
    machine.end()


def replayed(machine, text):
    done = machine.run("--sysroot", str(machine.root), "replay", "--json", "-", input=text)
    assert done.returncode == 0, done.stderr
    return {slot["port"]: slot for slot in json.loads(done.stdout)["slots"]}


def test_an_export_replayed_says_what_the_service_says(machine, tmp_path):
    machine.add_errors(DEVICE, BadTLP=2, Rollover=1)
    machine.add_errors(OTHER, RxErr=1)
    machine.until(lambda: machine.counted(PCIE3, "device") == {"BadTLP": 2, "Rollover": 1})
    machine.until(lambda: machine.counted(OTHER, "port") == {"RxErr": 1})
    machine.end(signal.SIGKILL)
    machine.add_errors(DEVICE, BadDLLP=3)  # while nobody watches
    machine.start()
    truth = {"BadTLP": 2, "BadDLLP": 3, "Rollover": 1}
    machine.until(lambda: machine.counted(PCIE3, "device") == truth)
    machine.add_errors(DEVICE, BadTLP=1)
    truth["BadTLP"] += 1
    machine.until(lambda: machine.counted(PCIE3, "device") == truth)
    file = tmp_path / "history.jsonl"
    done = machine.run("export", "--output", str(file))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    found = replayed(machine, file.read_text())
    service = {slot["port"]: slot for slot in machine.status()["slots"]}
    assert found.keys() == service.keys()
    for port, slot in found.items():
        for key in ("slot", "grade", "direction", "riser_candidate", "confidence"):
            assert slot[key] == service[port][key], (port, key)
    assert found[PCIE3]["grade"] == "marginal"
    assert found[PCIE3]["counts"] == {"device": {"correctable": truth}}
    assert found[OTHER]["counts"] == {"port": {"correctable": {"RxErr": 1}}}
    again = machine.run("export", "--output", str(file))
    assert again.returncode == 1 and "File exists" in again.stderr


GOLDEN = """\
{"trace":1,"period":1,"start":"TIME","host":"wopr"}
{"t":T,"event":"link","link":"PCIE3","port":"0000:c0:01.1","speed":2.5,"width":16,"max_speed":16,"max_width":16,\
"evidence":["native","native"],"present":true}
{"t":T,"event":"count","link":"PCIE3","side":"port","added":{"RxErr":3,"BadTLP":9},"before":true}
{"t":T,"event":"count","link":"PCIE3","side":"device","added":{"RxErr":2,"BadTLP":1},"before":true}
{"t":T,"event":"count","link":"PCIE3","side":"device","added":{"BadTLP":2},"since":T}
{"t":T,"event":"watch","on":false}
{"t":T,"event":"watch","on":true,"anew":true}
{"t":T,"event":"count","link":"PCIE3","side":"device","added":{"RxErr":4},"since":T}
{"t":T,"event":"end"}
"""


def test_what_an_export_looks_like(machine):
    machine.add_errors(DEVICE, BadTLP=2)
    machine.until(lambda: machine.counted(PCIE3, "device") == {"BadTLP": 2})
    machine.end()
    machine.add_errors(DEVICE, RxErr=4)
    machine.start()
    machine.until(lambda: machine.counted(PCIE3, "device") == {"BadTLP": 2, "RxErr": 4})
    done = machine.run("export", "pcie3")
    assert (done.returncode, done.stderr) == (0, "")
    text = re.sub(r'"(t|since)":[0-9.]+', r'"\1":T', done.stdout)
    assert re.sub(r'"start":"[^"]*"', '"start":"TIME"', text) == GOLDEN


def test_a_part_says_what_it_does_not_know_and_nothing_is_no_trace(machine, tmp_path):
    done = machine.run("export", "--since", "1h", "PCIE3")
    assert done.returncode == 0
    assert re.fullmatch(r"wopr-aer: what came before \S+ is not in it, and so not in the verdicts replayed\n", done.stderr)
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["event"] == "end" and last["notes"][0] in done.stderr
    assert replayed(machine, done.stdout).keys() == {PCIE3}
    file = tmp_path / "none.jsonl"
    nothing = machine.run("export", "--until", "2001-01-01", "--output", str(file))
    assert (nothing.returncode, nothing.stdout) == (1, "")
    assert "the history holds nothing of that" in nothing.stderr
    assert not file.exists()
    unknown = machine.run("export", "PICE3")
    assert unknown.returncode == 2 and "did you mean PCIE3?" in unknown.stderr
    full = subprocess.run([machine.programs / "wopr-aer", "export", "--output", "/dev/full"], capture_output=True, text=True,
                          timeout=DEADLINE, env=os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": machine.bus.address})
    assert full.returncode == 1 and "cannot be created: File exists" in full.stderr


def test_how_much_is_kept_is_checked_at_a_reload(machine):
    machine.configure("days = 0")
    machine.until(lambda: "wopr-aer.toml:6: days in [history]: expected a whole number of days, 1 to 3650, found the number 0"
                  in machine.log.read_text())
    assert machine.run("export").returncode == 0


def test_how_much_is_kept_arrives_with_a_reload(machine):
    """What is older than the new limit goes, what is not stays: the machine has run for 40 days since, 30 are to be kept."""
    def errors():
        done = machine.run("history", "--by", "boot", "--json", PCIE3)
        assert done.returncode == 0, done.stderr
        slots = json.loads(done.stdout)["slots"]
        return {bucket["bucket"]: bucket["errors"] for slot in slots for bucket in slot["buckets"] if bucket["errors"]}

    machine.add_errors(DEVICE, BadTLP=2)
    machine.until(lambda: machine.counted(PCIE3, "device") == {"BadTLP": 2})
    machine.end()
    with contextlib.closing(sqlite3.connect(machine.state / "history.db")) as history, history:
        days_40 = 40 * 24 * 3600 * 1_000_000
        history.execute("UPDATE boot SET boot_id='earlier', zero=zero-?, last=last+?", (days_40, days_40))
    machine.start()
    machine.add_errors(DEVICE, BadTLP=3)
    machine.until(lambda: len(errors()) == 2)
    # The second boot's errors may still be on their way to the file; what is asked of the reload is which boots it keeps.
    machine.configure("days = 30")
    machine.until(lambda: "configuration reloaded" in machine.log.read_text())
    machine.until(lambda: "earlier" not in errors())
    assert len(errors()) == 1
