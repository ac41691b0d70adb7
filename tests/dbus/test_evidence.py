# SPDX-License-Identifier: GPL-2.0-or-later
"""The service itself on a faked machine whose firmware keeps AER: what a client sees when devices sleep and wake."""
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bus import DEADLINE

TESTS = Path(__file__).resolve().parent.parent
GPU, AUDIO = "0000:c1:00.0", "0000:c1:00.1"
PORT = "0000:c0:01.1"
JOURNAL = Path("/run/systemd/journal/socket")


@pytest.fixture
def machine(tmp_path):
    subprocess.run([sys.executable, TESTS / "fixtures/make.py", "wopr-firmware", "--out", tmp_path], check=True, timeout=DEADLINE)
    return tmp_path / "wopr-firmware"


def say(machine, function, status):
    """In place, as the kernel does."""
    with (machine / "sys/bus/pci/devices" / function / "power/runtime_status").open("r+") as file:
        file.write(status + "\n")
        file.truncate()


@pytest.fixture
def watch(programs, bus, machine):
    """watch(): starts the service; gives what asks it for its link below PORT until it is as wanted."""
    started = []

    def start():
        started.append(subprocess.Popen(
            [programs / "wopr-aerd", "--sysroot", machine, "--data-dir", TESTS.parent / "config", "--snapshot", "none", "--bus",
             bus.address], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": bus.address}

        def until(wanted):
            deadline = time.monotonic() + DEADLINE
            while time.monotonic() < deadline:
                done = subprocess.run([programs / "wopr-aer", "status", "--json"], capture_output=True, check=True, env=environment,
                                      timeout=DEADLINE)
                shown = json.loads(done.stdout)
                if shown["monitor"] != "service":
                    continue  # not there yet: the client has looked at this very machine
                link = next(slot for slot in shown["slots"] if slot["port"] == PORT)
                if wanted(link):
                    return link
            pytest.fail("it did not come")
        return until

    yield start
    for process in started:
        process.kill()
        process.wait(DEADLINE)


@pytest.mark.skipif(JOURNAL.exists(), reason="the service's records would go to this machine's journal")
def test_evidence_follows_the_sleep_of_a_device(machine, watch):
    for function in (GPU, AUDIO):
        say(machine, function, "suspended")
    until = watch()
    link = until(lambda link: link["evidence"]["device"] == "asleep")
    assert link["evidence"]["port"] == "sticky" and link["latched"]["device"] is None
    for status, evidence in (("active", "sticky"), ("suspended", "asleep"), ("active", "sticky")):
        for function in (GPU, AUDIO):
            say(machine, function, status)
        link = until(lambda link: link["evidence"]["device"] == evidence)
        assert evidence == "asleep" or link["latched"]["device"] is not None
    assert isinstance(link["latched"]["root_port"], list)
