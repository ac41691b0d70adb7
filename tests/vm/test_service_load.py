# SPDX-License-Identifier: GPL-2.0-or-later
"""The service when much happens at once: storms of errors, cards that go while it looks, an hour of errors."""
from __future__ import annotations

import json
from collections import Counter

import pytest

import aer
import board
import ledger
import product
import service
from aer import Error
from service import UNIT, shown, within

KERNELS = ["stable", "newer"]
END = "PCIE3", "device"
OTHER_END = "PCIE6", "port"
ANSWER_MS = 100.0
MAX_RECORDS = 10
RACES = 100
MAX_ANONYMOUS_KIB = 3 * 1024
FLAT_KIB = 128  # a heap that has settled may still move by some pages
MAX_CPU_RATIO = 1.5
FAST = "[monitor]\nsample_interval = 0.1\n"
SAMPLE_SECONDS = 0.1


def kernel_view(machine) -> dict[tuple[str, str], Counter]:
    return {end: counts.correctable + counts.nonfatal + counts.fatal
            for end, counts in aer.link_counters(machine).items()}


def has_settled_in(machine) -> bool:
    """Its heap has room for all that comes again and again. Each of these takes some of it when it comes for the first time.

    It looks through the history half a minute after its start (which takes the most), tidies it after a minute, writes
    down everything each minute (lib/sink/store_thread.*, lib/core/recorder.*), and brings the log into the file when that
    has 1000 pages of 4 KiB (https://www.sqlite.org/fileformat2.html 4.1: each has a header of 24 bytes, the log one of 32).
    """
    age = machine.uptime() - int(shown(machine, "ActiveEnterTimestampMonotonic")) / 1e6
    log = int(machine.guest.run(["stat", "--format=%s", f"{ledger.FILE}-wal"]).stdout)
    return age > 150 and log >= 32 + 1000 * (24 + 4096)


def pinged(machine) -> int:
    """When systemd last heard from the service's loop, in microseconds since boot."""
    return int(shown(machine, "WatchdogTimestampMonotonic"))


@pytest.mark.parametrize("counted_time", [True])
def test_its_processor_time_is_near_that_of_bare_reads(served, counted_time, record_property):
    """In instructions: by the clock, a busy host makes the ratio anything from 1.3 to 2.8.

    First on its machine: after a storm the service reads for a while what the kernel has written of it.
    """
    machine = served(counted_time=counted_time)
    try:
        service.configure(machine, FAST)
        assert within(10, lambda: product.ends(product.status(machine)) == kernel_view(machine), machine)
        pid = shown(machine, "MainPID")
        files = machine.guest.run(f"for fd in /proc/{pid}/fd/*; do readlink $fd; done | grep -E '/(aer_|current_link_|"
                                  "power/runtime_status)'").stdout.split()
        assert len(files) > 100 and all(file.startswith("/sys/") for file in files)
        cpu_stat = f"/sys/fs/cgroup{shown(machine, 'ControlGroup')}/cpu.stat"
        used = json.loads(machine.guest.run([aer.PREAD_LOOP, int(SAMPLE_SECONDS * 1000), 300, cpu_stat, *files],
                                            timeout=120).stdout)
    finally:
        service.configure(machine, None)
    record_property("used", used)
    print(used)
    assert used["group_ms"] <= MAX_CPU_RATIO * used["cpu_ms"], used


@pytest.mark.parametrize("counted_time", [True])
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_storm_is_counted_told_in_few_words_and_holds_up_no_answer(served, kernel, counted_time, record_property):
    """On one processor that does 10^9 instructions a second, a third of the board's: how busy the host is does not show."""
    machine = served(kernel=kernel, counted_time=counted_time)
    assert within(60, lambda: product.is_settled(machine), machine)
    pid, start, ping = shown(machine, "MainPID"), service.invocation(machine), pinged(machine)
    before = kernel_view(machine)
    client = service.Asker(machine)
    burst = aer.accepted(aer.start_burst(machine, Error(*END, ("BadTLP",), 5000)))
    storm = aer.accepted(aer.start_storm(machine, 10, Error(*END, ("RxErr", "BadTLP")), Error(*OTHER_END, ("BadDLLP",))))
    assert burst == 5000 and storm > 1000
    # The counters stand still now: nothing is injected, and what the kernel had queued it has handled.
    assert within(60, lambda: product.ends(product.status(machine)) == kernel_view(machine), machine)
    assert within(60, lambda: pinged(machine) > ping, machine), "the watchdog was not kept content"
    answers = client.stop()
    record_property("answers", answers)
    print(f"{storm} errors in 10 s; {answers}")

    grown = {end: counts - before[end] for end, counts in kernel_view(machine).items() if counts != before[end]}
    assert set(grown) == {END, OTHER_END}
    assert (shown(machine, "MainPID"), shown(machine, "NRestarts"), shown(machine, "Result")) == (pid, "0", "success")
    service.stop(machine)
    found = service.error_records(service.records(machine, start))
    assert 1 <= len(found) <= MAX_RECORDS, [r["MESSAGE"] for r in found]
    assert service.told(found) == grown
    assert answers["asked"] >= 100
    assert answers["link"]["worst"] <= ANSWER_MS, answers
    assert answers["list"]["p99"] <= ANSWER_MS, answers  # all links in one answer


@pytest.mark.parametrize("one_thread", [True])
@pytest.mark.parametrize("kernel", KERNELS)
def test_cards_that_go_while_it_looks_cost_neither_it_nor_its_descriptors(served, kernel, one_thread):
    """A card is removed and found again without a pause; the service scans all that time, and so does wopr-aer."""
    machine = served(kernel=kernel, one_thread=one_thread)
    assert within(30, lambda: product.is_settled(machine))
    pid, before = shown(machine, "MainPID"), service.descriptors(machine) + service.JOURNAL_SOCKET
    port, card = (aer.function_at(machine, "PCIE4", side) for side in aer.SIDES)
    until_raced = "cd /sys/bus/pci/devices; while [ ! -e /tmp/raced ]; do {}; done"
    machine.guest.run("echo 0 >/sys/bus/pci/drivers_autoprobe")  # drivers would only take time
    try:
        removals = machine.guest.start(until_raced.format(f"echo 1 >{card}/remove; echo 1 >{port}/rescan; echo removed"))
        looks = machine.guest.start(until_raced.format("wopr-aer status --embedded --all --json >/tmp/look || exit; "
                                                       "echo looked"), user="owner")
        reloads = machine.guest.start(["journalctl", "--follow", "--lines=0", "--output=cat", f"_PID={pid}"])
        scans = 0
        while scans < RACES or removals.stdout.count("removed") < RACES:
            machine.guest.run(f"kill -HUP {pid}")
            reloads.wait_line(lambda line: line == "configuration reloaded", 60)
            scans = reloads.stdout.count("configuration reloaded") + looks.stdout.count("looked")
        reloads.stop()
    finally:
        machine.guest.run("touch /tmp/raced; echo 1 >/sys/bus/pci/drivers_autoprobe")
    assert removals.finish().status == looks.finish().status == 0
    print(f"{scans} scans, {removals.stdout.count('removed')} removals")
    machine.guest.run(f"rm /tmp/raced; cd /sys/bus/pci/devices; echo 1 >{card}/remove; echo 1 >{port}/rescan")
    assert within(30, lambda: product.link(product.status(machine), "PCIE4")["device"] == card)
    assert within(30, lambda: service.descriptors(machine) <= before), service.descriptors(machine) - before
    assert (shown(machine, "MainPID"), shown(machine, "NRestarts")) == (pid, "0")
    aer.inject(machine, Error("PCIE4", "device", ("RxErr",)))
    assert within(10, lambda: product.ends(product.status(machine))["PCIE4", "device"]["RxErr"] >= 1)


@pytest.mark.machine("watched for its memory")
def test_its_memory_stays_small_and_flat(served, request, record_property):
    """With errors at every end all the time: for an hour with its usual settings, or else for a minute in a hurry.

    The hour's first quarter is long enough to settle in; before the minute it is given the time.
    """
    machine = served()
    # A huge page for a thread's stack comes once in some thirty starts, and then it is 2 MB.
    assert service.process_status(machine, "THP_enabled") == 0
    hour = request.config.getoption("--hour")
    seconds, gap_ms = (3600, 2500) if hour else (60, 250)
    try:
        service.configure(machine, None if hour else FAST)
        ends = [(slot, side) for slot in board.SLOTS for side in aer.SIDES]
        aer.inject(machine, *(Error(*end, ("RxErr", "BadTLP", "Timeout")) for end in ends))  # each has its books now
        assert within(10, lambda: product.ends(product.status(machine)) == kernel_view(machine))
        round_of_errors = [Error(*end, ("RxErr", "BadTLP"), gap_ms=gap_ms) for end in ends]
        assert hour or within(400, lambda: has_settled_in(machine) or aer.inject(machine, *round_of_errors))
        rounds = int(seconds / (len(ends) * (gap_ms / 1000 + 0.01)))
        quarter = max(1, rounds // 4)
        seen = []
        for done in range(0, rounds, quarter):
            todo = min(quarter, rounds - done)
            aer.inject(machine, *(round_of_errors * todo))
            assert within(10, lambda: product.ends(product.status(machine)) == kernel_view(machine))
            seen.append(service.anonymous_kib(machine))
        record_property("anonymous_kib", seen)
        print(f"{seconds} s, {1 if hour else 10} samples a second, {rounds * len(ends)} errors, RssAnon {seen} KiB")
    finally:
        service.configure(machine, None)
    # Started with a history and all that the kernel has said before, it is as small, and has no reload to thank for it.
    machine.guest.run(["systemctl", "restart", UNIT], timeout=60)
    assert within(30, lambda: product.is_settled(machine))
    restarted = service.anonymous_kib(machine)
    print(f"after a restart {restarted} KiB")
    assert max(*seen, restarted) <= MAX_ANONYMOUS_KIB, (seen, restarted)
    assert seen[-1] - seen[1] <= FLAT_KIB, seen  # the first quarter fills what is kept ready: pages of the history
