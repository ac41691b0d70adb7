# SPDX-License-Identifier: GPL-2.0-or-later
"""What the product weighs: the service's memory by mapping, and the processor time of `status` beside that of lspci.

In a machine of its own, where the package's files lie in the read-only image: on tmpfs, where dpkg puts them in the
other machines, the pages of a program's own file count as dirty.
"""
from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

import pytest

import product
import service
from machine import Machine, Setup, pack_product

pytestmark = pytest.mark.machine("where the product lies in the image")
SETTLED_SECONDS = 60
MAX_ANONYMOUS_KIB = 1792  # 1536 is wanted, and not reached yet (docs/testing.md, Weight)
MAX_OWN_KIB = 6 * 1024
MAX_LSPCI_RATIO = 0.92  # 0.9, and what differs from run to run
ROUNDS = 5
AGENT = "wopr-vm-agent.service"  # the tests' own: no other machine has it

# Run in the guest. The first round of each command, which reads files from the disk, is not counted.
PROCESSOR_MS = f"""
import json, resource, statistics, subprocess, sys
def spent():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (usage.ru_utime + usage.ru_stime)
def used(command):
    begun = spent()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return spent() - begun
commands = json.load(sys.stdin)
rounds = [[used(command) for command in commands] for _ in range(1 + {ROUNDS})]
print(json.dumps([statistics.median(times) for times in zip(*rounds[1:])]))
"""

# The maps of one process, and the files that others map: those named and this one aside.
MAPS = """
import json, os, sys
pid, *left_out = sys.argv[1:]
others = set()
for other in set(filter(str.isdigit, os.listdir("/proc"))) - {pid, str(os.getpid()), *left_out}:
    try:
        with open(f"/proc/{other}/maps") as maps:
            others.update(line.split(None, 5)[5].strip() for line in maps if "/" in line)
    except OSError:
        pass
with open(f"/proc/{pid}/smaps") as smaps:
    print(json.dumps([smaps.read(), sorted(others)]))
"""


@dataclass(frozen=True)
class Mapping:
    """All of one file that a process has mapped, or one kind of memory without a file (proc_pid_smaps(5)); in KiB."""
    name: str
    kib: Counter
    is_shared: bool  # somebody else maps the file too

    @property
    def own(self) -> int:
        """What would be free without the process: of a file that others map, what it has written to."""
        return self.kib["Private_Dirty"] if self.is_shared else self.kib["Rss"]


def mappings(machine: Machine, pid: int) -> list[Mapping]:
    agent = machine.guest.run(["systemctl", "show", "--value", "--property=MainPID", AGENT]).stdout.strip()
    smaps, others = json.loads(machine.guest.run(["python3", "-c", MAPS, str(pid), agent], timeout=300).stdout)
    found: dict[str, Counter] = {}
    for line in smaps.splitlines():
        if head := re.match(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+\s*(.*)", line):
            of = found.setdefault(head[1] or "[anonymous]", Counter())
        elif value := re.match(r"(\w+):\s+(\d+) kB", line):
            of[value[1]] += int(value[2])
    return sorted((Mapping(name, kib, name in others) for name, kib in found.items()), key=lambda m: -m.own)


def table(found: list[Mapping]) -> str:
    columns = ("Rss", "Pss", "Private_Dirty", "Anonymous")
    rows = [f"{m.name:52} {'yes' if m.is_shared else '':>6}" + "".join(f"{m.kib[c]:>14}" for c in columns) + f"{m.own:>8}"
            for m in found if m.kib["Rss"]]
    total = f"{'':59}" + "".join(f"{sum(m.kib[c] for m in found):>14}" for c in columns) + f"{sum(m.own for m in found):>8}"
    return "\n".join([f"{'KiB':52} {'shared':>6}" + "".join(f"{c:>14}" for c in columns) + f"{'own':>8}", *rows, total])


@pytest.fixture(scope="module")
def machine(request: pytest.FixtureRequest, pool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Counts instructions, so that a busy host does not show."""
    tree, deb = request.config.getoption("--install-tree"), request.config.getoption("--deb")
    if deb:
        tree = tmp_path_factory.mktemp("package")
        subprocess.run(["dpkg-deb", "--extract", deb, tree], check=True)
    elif not tree:
        pytest.fail("the product's tests need --install-tree DIR or --deb FILE")
    image = pack_product(tmp_path_factory.mktemp("read-only") / "product.squashfs", tree)
    machine = pool.fresh(Setup(product=image, counted_time=True))
    product.prepare(machine)
    yield machine
    pool.retire(machine)


@pytest.fixture(autouse=True)
def keep_logs(machine: Machine, pool) -> None:
    pool.used.append(machine)


def test_the_service_is_small(machine, record_property):
    """A minute after its start it has looked through its history; it has been asked for each thing once."""
    service.start(machine)
    try:
        started = int(service.shown(machine, "ActiveEnterTimestampMonotonic")) / 1e6
        # Nothing is waited for but its age.
        machine.guest.run(f"sleep {max(0.0, started + SETTLED_SECONDS - machine.uptime()):.1f}", timeout=600)
        for command in ("status", "history"):
            machine.guest.run(["wopr-aer", command], user="owner")
        found = mappings(machine, int(service.shown(machine, "MainPID")))
        anonymous = service.anonymous_kib(machine)
    finally:
        service.stop(machine)
    own = sum(mapping.own for mapping in found)
    record_property("weight", {"anonymous": anonymous, "own": own})
    print(f"{table(found)}\nRssAnon {anonymous} KiB (at most {MAX_ANONYMOUS_KIB}), own {own} KiB (at most {MAX_OWN_KIB})")
    assert anonymous <= MAX_ANONYMOUS_KIB
    assert own <= MAX_OWN_KIB


@pytest.mark.parametrize("user", ["root", "owner"])
def test_status_costs_less_than_lspci(machine, user, record_property):
    """The usual way to look at links, `lspci -vv`, reads the same registers of the same devices."""
    commands = [["wopr-aer", "status", "--embedded"], ["lspci", "-vv"]]
    status, lspci = json.loads(machine.guest.run(["python3", "-c", PROCESSOR_MS], user=user, stdin=json.dumps(commands),
                                                 timeout=300).stdout)
    record_property("used", {"status": status, "lspci": lspci})
    print(f"as {user}: status {status:.1f} ms, lspci -vv {lspci:.1f} ms, ratio {status / lspci:.2f}")
    assert status <= MAX_LSPCI_RATIO * lspci
