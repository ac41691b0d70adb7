# SPDX-License-Identifier: GPL-2.0-or-later
"""The history under real systemd and a real kernel: nothing lost, nothing twice, whatever happens to service and disk.

WOPR_STORE_FULL=1 in the environment runs the long forms: fifty kills instead of ten, ten losses of power instead of three.
"""
from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from typing import Callable

import pytest

import aer
import board
import product
from aer import Error
from machine import Machine, Setup, make_data_disk
from service import UNIT, within

FILE = "/var/lib/wopr-aer/history.db"
FULL = bool(os.environ.get("WOPR_STORE_FULL"))
KILLS = 50 if FULL else 10
POWER_LOSSES = 10 if FULL else 3


def start(machine: Machine) -> None:
    machine.guest.run("systemd-sysusers && chown -R wopr-aer:wopr-aer /var/lib/wopr-aer 2>/dev/null; systemctl daemon-reload && "
                      f"systemctl reload dbus; systemctl reset-failed {UNIT}; systemctl start {UNIT}", timeout=180)


@pytest.fixture
def served(installed) -> Callable[[], Machine]:
    """A machine whose service has no history yet; stopped, and the history gone, afterwards."""
    used = []

    def get() -> Machine:
        machine = installed()
        machine.guest.run(f"systemctl stop {UNIT}; rm -rf /var/lib/wopr-aer/*", check=False, timeout=60)
        start(machine)
        used.append(machine)
        return machine

    yield get
    for machine in used:
        machine.guest.run(f"systemctl stop {UNIT}; umount /var/lib/wopr-aer 2>/dev/null; rm -rf /var/lib/wopr-aer/*",
                          check=False, timeout=60)


def flat(lifetime: dict | None, side: str) -> Counter:
    return +Counter((lifetime or {}).get(side) or {})


def lifetimes(machine: Machine) -> dict[tuple[str, str], Counter]:
    document = product.status(machine)
    assert document["monitor"] == "service", document["notes"]
    return {(slot, side): flat(product.link(document, slot)["lifetime"], side) for slot in board.SLOTS for side in aer.SIDES}


def kernel(machine: Machine) -> dict[tuple[str, str], Counter]:
    ends = {}
    for end, counts in aer.link_counters(machine).items():
        ends[end] = +((counts.correctable or Counter()) + (counts.nonfatal or Counter()) + (counts.fatal or Counter()))
    return ends


def in_history(machine: Machine, by: str = "day") -> dict[tuple[str, str], Counter]:
    """What `wopr-aer history` says, added up over all its pieces."""
    document = json.loads(machine.guest.run(["wopr-aer", "history", "--json", "--by", by], user="owner", timeout=60).stdout)
    ends = {(slot, side): Counter() for slot in board.SLOTS for side in aer.SIDES}
    ports = {slot.port: name for name, slot in board.SLOTS.items()}
    for slot in document["slots"]:
        for bucket in slot["buckets"]:
            for side, severities in bucket["counts"].items():
                for tokens in severities.values():
                    ends[ports[slot["port"]], side].update(tokens)
    return ends


def running(machine: Machine) -> bool:
    shown = machine.guest.run(["systemctl", "show", "--property=ActiveState", "--value", UNIT]).stdout.strip()
    return shown == "active" and product.status(machine)["monitor"] == "service"


def test_killed_again_and_again_it_counts_each_error_once(served):
    machine = served()
    seed = random.randrange(1 << 32)
    print(f"random seed {seed}")
    chance = random.Random(seed)
    # Unlimited restarts are the unit's; the pause between them is shortened so that more kills hit a service at work.
    machine.guest.run(f"mkdir -p /run/systemd/system/{UNIT}.d && printf '[Service]\\nRestartSec=100ms\\n' > "
                      f"/run/systemd/system/{UNIT}.d/quick.conf && systemctl daemon-reload")
    errors = aer.start_paced(machine, *([Error("PCIE3", "device", ("RxErr",), 10, 200), Error("PCIE6", "port", ("BadDLLP",), 10, 200),
                                         Error("PCIE3", "device", ("BadTLP", "Timeout"), 5, 200)] * (KILLS * 2)))
    for _ in range(KILLS):
        pause = time.monotonic() + chance.uniform(2, 6)
        while time.monotonic() < pause:
            machine.guest.run(["true"])
        machine.guest.run(f"systemctl kill --kill-who=main --signal=KILL {UNIT}", check=False)
    errors.stop()
    assert within(60, lambda: running(machine))
    truth = kernel(machine)
    assert sum(truth["PCIE3", "device"].values()) > KILLS
    assert within(30, lambda: lifetimes(machine) == truth), (lifetimes(machine), truth)
    assert in_history(machine) == truth
    assert in_history(machine, "hour") == truth
    machine.guest.run(f"rm -r /run/systemd/system/{UNIT}.d; systemctl daemon-reload")


def test_power_losses_lose_nothing_committed_and_count_nothing_twice(images, product_disk, tmp_path_factory):
    disk = make_data_disk(tmp_path_factory.mktemp("data") / "data.img", 64)
    kept = {(slot, side): Counter() for slot in board.SLOTS for side in aer.SIDES}  # by a service that said so
    most = {(slot, side): Counter() for slot in board.SLOTS for side in aer.SIDES}  # the kernels counted
    for loss in range(POWER_LOSSES + 1):
        with Machine(images, Setup(product=product_disk, data_disk=disk)) as machine:
            product.prepare(machine)
            start(machine)
            assert within(60, lambda: running(machine))
            before = lifetimes(machine)
            for end, counts in before.items():
                assert counts >= kept[end], (loss, end)
                assert counts <= most[end], (loss, end)
            assert in_history(machine) == before
            if loss == POWER_LOSSES:
                assert in_history(machine, "boot") == before
                return
            errors = aer.start_paced(machine, *([Error("PCIE3", "device", ("RxErr",), 10, 100),
                                                 Error("PCIE6", "port", ("BadDLLP",), 10, 100)] * 50))
            assert within(60, lambda: sum(lifetimes(machine)["PCIE6", "port"].values()) >
                          sum(before["PCIE6", "port"].values()) + 5)
            # The answer to a question for the history comes after what was known before it has been written.
            kept = in_history(machine)
            counted = kernel(machine)
            for end in most:
                most[end] = before[end] + counted.get(end, Counter())
            # What is injected between that reading and the loss of power may or may not be kept.
            for end in (("PCIE3", "device"), ("PCIE6", "port")):
                most[end].update({token: 50 for token in ("RxErr", "BadDLLP")})
            machine.kill()
            del errors


@pytest.fixture(scope="session")
def product_disk(request):
    disk = request.getfixturevalue("product")
    if disk is None:
        pytest.fail("the product's tests need --install-tree DIR or --deb FILE")
    return disk


HARMS = {
    "full": ("dd if=/dev/zero of=/var/lib/wopr-aer/filler bs=64k; true", "rm -f /var/lib/wopr-aer/filler"),
    "locked": ("systemd-run --unit=locker python3 -c 'import sqlite3, time, signal\n"
               f"c = sqlite3.connect(\"{FILE}\", isolation_level=None)\n"
               "c.execute(\"BEGIN EXCLUSIVE\")\nsignal.pause()'", "systemctl stop locker"),
    "header": (f"dd if=/dev/urandom of={FILE} bs=4096 count=1 conv=notrunc", None),
    "middle": (f"dd if=/dev/urandom of={FILE} bs=4096 seek=3 count=8 conv=notrunc", None),
    "deleted": (f"rm -f {FILE} {FILE}-wal {FILE}-shm", None),
}


@pytest.mark.parametrize("harm", HARMS)
def test_whatever_happens_to_the_disk_no_error_is_missing(served, harm):
    machine = served()
    begin, end = HARMS[harm]
    if harm == "full":
        machine.guest.run(f"systemctl stop {UNIT} && mount -t tmpfs -o size=2m,mode=0700,uid=wopr-aer,gid=wopr-aer tmpfs "
                          f"/var/lib/wopr-aer && systemctl start {UNIT}", timeout=60)
    survives(machine, begin, end)
    if harm == "header":
        aside = machine.guest.run("ls /var/lib/wopr-aer").stdout
        assert "history.db.damaged-" in aside, aside


def survives(machine: Machine, begin: str, end: str | None) -> None:
    """Harm begins while errors come, and ends if it does: none is missing, then or after the service was killed."""
    aer.inject(machine, Error("PCIE3", "device", ("RxErr",), 3))
    assert within(30, lambda: lifetimes(machine) == kernel(machine))
    machine.guest.run(begin, timeout=60)
    aer.inject(machine, Error("PCIE3", "device", ("RxErr",), 4), Error("PCIE6", "port", ("BadDLLP",), 5))
    assert within(60, lambda: lifetimes(machine) == kernel(machine)), (lifetimes(machine), kernel(machine))
    if end is not None:
        assert within(30, lambda: product.status(machine)["degraded"] is not None)
        shown = machine.guest.run(["systemctl", "show", "--property=StatusText", "--value", UNIT]).stdout
        assert "degraded" in shown, shown
        machine.guest.run(end, timeout=60)
        assert within(90, lambda: product.status(machine)["degraded"] is None), product.status(machine)["degraded"]
    truth = kernel(machine)
    # A new process knows only what is on the disk, and what the kernel says.
    machine.guest.run(f"systemctl kill --kill-who=main --signal=KILL {UNIT}")
    assert within(60, lambda: running(machine))
    assert within(30, lambda: lifetimes(machine) == truth), (lifetimes(machine), truth)


def test_history_stays_with_the_slot_when_a_card_is_replaced(served):
    machine = served()
    end = ("PCIE4", "device")
    assert within(30, lambda: product.link(product.status(machine), "PCIE4")["lifetime"] is not None)
    before = lifetimes(machine)[end]["BadTLP"]
    aer.inject(machine, Error("PCIE4", "device", ("BadTLP",), 4))
    assert within(30, lambda: lifetimes(machine)[end]["BadTLP"] == before + 4)
    machine.unplug("PCIE4")
    machine.plug("PCIE4")
    assert within(30, lambda: product.link(product.status(machine), "PCIE4")["device"] is not None)
    aer.inject(machine, Error("PCIE4", "device", ("BadTLP",), 2))
    # The new card's counters began at zero; the slot's history did not.
    assert within(30, lambda: lifetimes(machine)[end]["BadTLP"] == before + 6), lifetimes(machine)
    assert in_history(machine)[end]["BadTLP"] == before + 6


def test_steps_of_the_clock_move_nothing_out_of_order(served):
    machine = served()
    try:
        for step in ("+1 hour", "-1 hour", "+1 year"):
            aer.inject(machine, Error("PCIE3", "device", ("RxErr",), 2))
            truth = kernel(machine)
            assert within(30, lambda: lifetimes(machine) == truth)
            machine.guest.run(f"date -s '{step}'")
        assert within(30, lambda: in_history(machine) == truth)
        document = json.loads(machine.guest.run(["wopr-aer", "history", "--json", "--by", "hour"], user="owner").stdout)
        for slot in document["slots"]:
            begins = [bucket["from"] for bucket in slot["buckets"]]
            assert begins == sorted(begins)
            # Watched for minutes, whatever the clock said meanwhile.
            assert sum(bucket["watched_s"] for bucket in slot["buckets"]) < 1800
    finally:
        machine.guest.run("date -s '-1 year'", check=False)


def test_a_mark_lowers_the_grade_survives_a_restart_and_is_not_for_strangers(served):
    machine = served()
    aer.inject(machine, Error("PCIE3", "device", ("RxErr", "BadTLP"), 2))
    assert within(30, lambda: product.link(product.status(machine), "PCIE3")["grade"] != "clean")
    refused = machine.guest.run(["wopr-aer", "mark", "PCIE3", "not mine"], user="owner", check=False)
    assert refused.status != 0
    assert "wopr-aer" in refused.stderr and "group" in refused.stderr, refused.stderr
    machine.guest.run(["wopr-aer", "mark", "PCIE3", "redriver fitted"])
    assert within(30, lambda: product.link(product.status(machine), "PCIE3")["grade"] == "clean")
    machine.guest.run(f"systemctl restart {UNIT}")
    assert within(60, lambda: running(machine))
    assert product.link(product.status(machine), "PCIE3")["grade"] == "clean"
    shown = machine.guest.run(["wopr-aer", "history", "PCIE3"], user="owner").stdout
    assert "redriver fitted" in shown, shown
