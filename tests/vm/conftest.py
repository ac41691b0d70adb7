# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures of the virtual machine tests: images, the product on its disk, and machines that tests share.

    /usr/bin/python3 -m pytest tests/vm -q --install-tree DIR | --deb FILE [--vm-cache DIR]

A machine takes a quarter of a minute to boot, so tests that want equal ones share one; a test that leaves its
machine unusable costs the next one a boot, not its result. When a test fails, console and journal of its
machines are kept below build/vm/failures and named in the report.
"""
from __future__ import annotations

import os
import re
import shutil
import time
from pathlib import Path
from typing import Callable, Iterator

import pytest

import firmware
import service
from images import DEFAULT_CACHE, HERE, Images
from machine import Machine, MachineError, Setup, pack_product
from product import prepare

REPOSITORY = HERE.parent.parent
MAX_BOOT_TRIES = 2  # of one setup; then its other tests fail at once instead of waiting too
MAX_RUNNING = 2  # machines alive at once: 2 GiB each
# So that of two processes side by side none begins a long one at the end.
LONGEST_FIRST = {name: place for place, name in enumerate(("usual", "counted time, with a disk", "watched for its memory"))}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("virtual WOPR")
    group.addoption("--install-tree", type=Path, help="tree made by DESTDIR=DIR cmake --install")
    group.addoption("--deb", type=Path, help="package to install in the guest instead")
    group.addoption("--vm-cache", type=Path, default=DEFAULT_CACHE, help="where images are kept")
    group.addoption("--until", type=float, metavar="TIME",
                    help="when, in seconds since 1970, no test is begun any more: those left fail at once")
    group.addoption("--hour", action="store_true", help="watch the memory for an hour, not for a minute")
    group.addoption("--vm-failures", type=Path, default=REPOSITORY / "build/vm/failures",
                    help="where logs of failed tests go")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "machine(name): tests of one name share a machine, or boot others one by one")
    config.addinivalue_line("markers", "xdist_group(name): tests of one name run in one process")  # known without pytest-xdist


def machine_of(item: pytest.Item) -> str:
    """The name of the machine a test wants: what it is marked with, or what its parameters and fixtures say."""
    if marked := item.get_closest_marker("machine"):
        return marked.args[0]
    wishes = item.callspec.params if hasattr(item, "callspec") else {}
    if "argument" in wishes:
        return wishes["argument"]
    kernel = wishes.get("kernel", "stable")
    if wishes.get("one_thread"):
        return f"one thread, {kernel}"
    if wishes.get("counted_time"):
        return f"counted time, {kernel}"
    if kernel != "stable":
        return kernel
    return "usual"


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist, which reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts tests of one machine side by side, so that each is booted once; with --dist loadgroup, in one process."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(machine_of(item)))
    # The changed firmware is made from that of the usual machine, which still runs then.
    items.sort(key=lambda item: (LONGEST_FIRST.get(machine_of(item), len(LONGEST_FIRST)), machine_of(item),
                                 "refusing_firmware" in item.fixturenames))


class Pool:
    """Machines by setup, the most recently used ones kept running."""

    def __init__(self, images: Images, most: int = MAX_RUNNING):
        self.images = images
        self.most = most
        self.machines: dict[Setup, Machine] = {}
        self.boots: list[str] = []
        self.used: list[Machine] = []  # by the running test: what to keep logs of
        self.failed_to_boot: list[Machine] = []
        self.unbootable: dict[Setup, list[str]] = {}

    def get(self, setup: Setup) -> Machine:
        machine = self.machines.pop(setup, None)
        if machine and not machine.alive:
            self.retire(machine)
            machine = None
        if machine is None:
            if len(tries := self.unbootable.get(setup, [])) >= MAX_BOOT_TRIES:
                raise MachineError(f"did not boot for earlier tests either: {tries[-1]}")
            while len(self.machines) >= self.most:
                self.retire(self.machines.pop(next(iter(self.machines))))
            machine = self.fresh(setup)
        self.machines[setup] = machine
        self.used.append(machine)
        return machine

    def fresh(self, setup: Setup) -> Machine:
        """A machine nobody else gets; the caller closes it."""
        machine = Machine(self.images, setup)
        self.used.append(machine)
        try:
            machine.boot()
        except BaseException as error:
            self.failed_to_boot.append(machine)
            self.unbootable.setdefault(setup, []).append(str(error).splitlines()[0])
            raise
        return machine

    def retire(self, machine: Machine) -> None:
        """Ends it, and keeps what it has cost."""
        self.boots.append(f"{machine.setup}: up after {machine.boot_seconds:.0f} s, {machine.processor_seconds():.0f} s of a processor")
        machine.close()

    def close(self) -> None:
        for machine in self.machines.values():
            self.retire(machine)
        for machine in self.failed_to_boot:
            machine.close()


@pytest.fixture(scope="session")
def images(request: pytest.FixtureRequest) -> Images:
    return Images(request.config.getoption("--vm-cache"))


@pytest.fixture(scope="session")
def pool(request: pytest.FixtureRequest, images: Images) -> Iterator[Pool]:
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
    pool = request.config.wopr_pool = Pool(images, max(1, MAX_RUNNING // processes))
    yield pool
    pool.close()


@pytest.fixture(scope="session")
def product(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """The product's disk, or None when no tree and no package was named."""
    tree, deb = request.config.getoption("--install-tree"), request.config.getoption("--deb")
    if not tree and not deb:
        return None
    return pack_product(tmp_path_factory.mktemp("product") / "product.squashfs", tree, deb)


@pytest.fixture(scope="session")
def product_disk(product: Path | None) -> Path:
    """The product's disk, for tests that boot machines of their own."""
    if product is None:
        pytest.fail("the product's tests need --install-tree DIR or --deb FILE")
    return product


@pytest.fixture(scope="session")
def boot(pool: Pool, product: Path | None) -> Callable[..., Machine]:
    """boot(kernel="newer", append=("pci=noaer",)): a running machine, shared with whoever asks for the same."""
    return lambda **wishes: pool.get(Setup(product=product, **wishes))


@pytest.fixture
def wopr(boot: Callable[..., Machine]) -> Machine:
    """The machine most tests run on: the distribution's kernel, AER in Linux' hands, PCIE4 hot-pluggable."""
    return boot()


@pytest.fixture(scope="session")
def installed(boot: Callable[..., Machine], product: Path | None) -> Callable[..., Machine]:
    """boot(...) with the product made ready in the guest."""
    if product is None:
        pytest.fail("the product's tests need --install-tree DIR or --deb FILE")
    ready = set()

    def get(**wishes) -> Machine:
        machine = boot(**wishes)
        if machine not in ready:
            prepare(machine)
            ready.add(machine)
        return machine
    return get


@pytest.fixture
def served(installed: Callable[..., Machine]) -> Iterator[Callable[..., Machine]]:
    """installed(...) with the service started; stopped again, so that the other tests see the embedded monitor.

    Whatever a test has made it do, its system call filter has refused nothing.
    """
    started = []

    def get(**wishes) -> Machine:
        machine = installed(**wishes)
        service.start(machine)
        started.append(machine)
        return machine

    yield get
    for machine in started:
        service.stop(machine)
        assert service.refused_calls(machine) == []


@pytest.fixture(scope="session")
def refusing_firmware(boot: Callable[..., Machine], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For boot(acpi=...): the board's firmware as it keeps AER from Linux."""
    return firmware.refusing_aer(boot().guest.get(firmware.DSDT), tmp_path_factory.mktemp("acpi"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    if (until := item.config.getoption("--until")) and time.time() > until:
        pytest.fail("not begun: the tests before it took all the time there was", pytrace=False)
    if pool := getattr(item.config, "wopr_pool", None):
        pool.used.clear()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    outcome = yield
    report = outcome.get_result()
    pool = getattr(item.config, "wopr_pool", None)
    if not report.failed or pool is None:
        return
    name = re.sub(r"[^\w.=,-]+", "-", item.nodeid.split("/")[-1].replace(".py::", "-")).strip("-")
    folder = item.config.getoption("--vm-failures") / name
    shutil.rmtree(folder, ignore_errors=True)
    kept = []
    for number, machine in enumerate(dict.fromkeys(pool.used)):
        kept += machine.collect(folder / f"machine{number}" if number else folder)
    if kept:
        report.sections.append(("virtual WOPR: logs kept", "\n".join(map(str, kept))))
    for machine in pool.failed_to_boot:
        machine.close()
    pool.failed_to_boot.clear()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process beside others hands over what it has booted to the one that reports."""
    if (pool := getattr(session.config, "wopr_pool", None)) and hasattr(session.config, "workeroutput"):
        session.config.workeroutput["boots"] = pool.boots


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error) -> None:
    node.config.wopr_boots = getattr(node.config, "wopr_boots", []) + getattr(node, "workeroutput", {}).get("boots", [])


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    pool = getattr(config, "wopr_pool", None)
    if boots := pool.boots if pool else getattr(config, "wopr_boots", []):
        terminalreporter.write_line("virtual WOPR boots:")
        for boot in boots:
            terminalreporter.write_line(f"  {boot}")
