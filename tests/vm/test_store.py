# SPDX-License-Identifier: GPL-2.0-or-later
"""The history under real systemd and a real kernel: nothing lost, nothing twice, whatever happens to service and disk.

WOPR_LONG=1 in the environment runs the long forms: fifty kills instead of ten, ten losses of power instead of three.
"""
from __future__ import annotations

import json
import random
import time
from collections import Counter
from typing import Callable

import pytest

import aer
import board
import ledger
import product
from aer import Error
from ledger import FULL, in_history, kernel, lifetimes, running, start
from machine import Machine, Setup, make_data_disk
from service import UNIT, within

KILLS = 50 if FULL else 10
POWER_LOSSES = 10 if FULL else 3


@pytest.fixture
def served(installed) -> Callable[[], Machine]:
    """A machine whose service has no history yet; stopped, and the history gone, afterwards."""
    used = []

    def get() -> Machine:
        machine = installed()
        ledger.begin(machine)
        used.append(machine)
        return machine

    yield get
    for machine in used:
        ledger.end(machine)


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


@pytest.mark.machine("loses power")
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


@pytest.mark.machine("rebooted")
def test_a_mark_survives_a_reboot_and_is_taken_back(images, product_disk, tmp_path):
    disk = make_data_disk(tmp_path / "data.img", 64)

    def grade(machine: Machine) -> str:
        return product.link(product.status(machine), "PCIE3")["grade"]

    def serving() -> Machine:
        return Machine(images, Setup(product=product_disk, data_disk=disk))

    with serving() as machine:
        product.prepare(machine)
        start(machine)
        assert within(60, lambda: running(machine))
        aer.inject(machine, Error("PCIE3", "device", ("RxErr", "BadTLP"), 2))
        assert within(30, lambda: grade(machine) == "trace")
        machine.guest.run(["wopr-aer", "mark", "PCIE3", "redriver fitted"])
        assert within(30, lambda: grade(machine) == "clean")
        first_boot = machine.boot_id
        machine.power_off()
    with serving() as machine:
        product.prepare(machine)
        start(machine)
        assert within(60, lambda: running(machine))
        assert machine.boot_id != first_boot
        assert grade(machine) == "clean"
        assert "redriver fitted" in machine.guest.run(["wopr-aer", "history", "PCIE3"], user="owner").stdout
        refused = machine.guest.run(["wopr-aer", "mark", "PCIE3", "--undo"], user="owner", check=False)
        assert refused.status != 0 and "group" in refused.stderr, refused.stderr
        machine.guest.run(["wopr-aer", "mark", "PCIE3", "--undo"])
        assert within(30, lambda: grade(machine) == "trace")
