# SPDX-License-Identifier: GPL-2.0-or-later
"""The package's life in a machine of its own: install, start, activation, upgrade, removal, purge.

Each test brings the package to where it begins from wherever another has left it: `absent`, `stopped`, `serving`, `removed`.
"""
from __future__ import annotations

import re
import time
from typing import Iterator

import pytest

import aer
import service
from aer import Error
from machine import Machine, Setup

pytestmark = pytest.mark.machine("the package's")
DEB = "/srv/wopr-aer.deb"
UNIT = "wopr-aerd.service"
CALL = "busctl call --auto-start={auto} org.wopr.Aer1 /org/wopr/Aer1"
PEER = "org.freedesktop.DBus.Peer Ping"

# What may be new after a purge: the user (docs/operating.md), dpkg's and systemd's own books, time passing.
MAY_REMAIN = re.compile(r"""
    /etc/(passwd|group|shadow|gshadow)-? | /etc/\.pwd\.lock |
    /var/lib/dpkg/.* | /var/log/.* | /var/cache/.* | /var/lib/systemd/(catalog|random-seed|timers|deb-systemd).* |
    /tmp/.* | /var/tmp/.* | /home/owner/.* | /root/.*""", re.X)
UNTOUCHED = "find / -xdev ! -path '/proc/*' ! -path '/sys/*' ! -path '/run/*' ! -path '/dev/*' | sort"


@pytest.fixture(scope="module")
def machine(request: pytest.FixtureRequest, pool, product) -> Iterator[Machine]:
    if not request.config.getoption("--deb"):
        pytest.skip("the package's own tests need --deb FILE")
    machine = pool.fresh(Setup(product=product))
    machine.wait_services()
    machine.files_before = paths(machine)
    yield machine
    pool.retire(machine)


@pytest.fixture(autouse=True)
def keep_logs(machine: Machine, pool) -> None:
    pool.used.append(machine)


@pytest.fixture
def absent(machine: Machine) -> None:
    """Purged, if it was there."""
    dpkg(machine, "--purge", "wopr-aer")


@pytest.fixture
def stopped(machine: Machine) -> None:
    """Installed, and as it is then."""
    install(machine)
    machine.guest.run(["systemctl", "disable", "--now", UNIT], timeout=60)
    wait_for(machine, "inactive")


@pytest.fixture
def serving(machine: Machine) -> None:
    """Enabled and running."""
    install(machine)
    machine.guest.run(["systemctl", "enable", "--now", UNIT], timeout=60)


@pytest.fixture
def owned(machine: Machine, serving: None) -> None:
    """Running, with something of the owner's in its configuration and its state."""
    machine.guest.run("grep -qx '# mine' /etc/wopr-aer/wopr-aer.toml || echo '# mine' >> /etc/wopr-aer/wopr-aer.toml")
    machine.guest.run("install -D /dev/null /var/lib/wopr-aer/kept --owner=wopr-aer")


@pytest.fixture
def removed(machine: Machine, owned: None) -> str:
    """Removed while it ran; gives the process it was."""
    pid = shown(machine, "MainPID")[0]
    dpkg(machine, "--remove", "wopr-aer")
    return pid


def paths(machine: Machine) -> set[str]:
    return set(machine.guest.run(UNTOUCHED, check=False).stdout.splitlines())


def dpkg(machine: Machine, *words: str) -> str:
    return machine.guest.run(["dpkg", *words], timeout=180, env={"DEBIAN_FRONTEND": "noninteractive"}).stdout


def install(machine: Machine) -> None:
    """Unless it is."""
    if machine.guest.run("dpkg-query --show --showformat='${db:Status-Status}' wopr-aer", check=False).stdout != "installed":
        dpkg(machine, "--install", DEB)


def shown(machine: Machine, *names: str) -> list[str]:
    text = machine.guest.run(["systemctl", "show", UNIT, *(f"--property={name}" for name in names)]).stdout
    values = dict(line.split("=", 1) for line in text.splitlines())
    return [values[name] for name in names]


def call(machine: Machine, method: str, user: str = "owner", auto: str = "no"):
    return machine.guest.run(f"{CALL.format(auto=auto)} {method}", user=user, check=False)


def wait_for(machine: Machine, state: str, timeout: float = 60) -> None:
    """Until the unit is in `state`; asks once a job of systemd's has ended, or anew."""
    deadline = time.monotonic() + timeout
    while (now := shown(machine, "ActiveState")[0]) != state:
        assert time.monotonic() < deadline, f"{UNIT} is {now}, not {state}, after {timeout:.0f} s"


def test_installing_starts_nothing(machine, absent):
    dpkg(machine, "--install", DEB)
    assert shown(machine, "LoadState", "ActiveState", "UnitFileState") == ["loaded", "inactive", "disabled"]
    assert machine.guest.run("getent passwd wopr-aer").stdout.rstrip().endswith("nologin")
    assert call(machine, PEER, auto="yes").status != 0
    assert shown(machine, "ActiveState") == ["inactive"]
    assert "PCIE3" in machine.guest.run(["wopr-aer", "status"], user="owner").stdout


def test_it_starts_on_request_as_its_own_user(machine, stopped):
    machine.guest.run(["systemctl", "enable", "--now", UNIT])
    assert shown(machine, "ActiveState", "UnitFileState", "NRestarts") == ["active", "enabled", "0"]
    pid = shown(machine, "MainPID")[0]
    status = machine.guest.run(f"cat /proc/{pid}/status").stdout
    uid = machine.guest.run("id --user wopr-aer").stdout.strip()
    assert re.search(rf"^Uid:\s+{uid}\s+{uid}\s+{uid}", status, re.M)
    assert re.findall(r"^Cap\w+:\s+(\w+)", status, re.M) == ["0" * 16] * 5
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.M) and re.search(r"^Seccomp:\s+2$", status, re.M)
    assert call(machine, PEER).status == 0
    this_run = f"_SYSTEMD_INVOCATION_ID={shown(machine, 'InvocationID')[0]}"
    worse = machine.guest.run(["journalctl", "--quiet", "--priority=warning", "--output=cat", this_run], check=False).stdout
    assert worse == ""


def test_root_has_written_the_slots_down_for_everybody(machine, serving):
    assert machine.guest.run("stat --format='%a %U' /run/wopr-aer/snapshot").stdout == "644 root\n"
    text = machine.guest.run("cat /run/wopr-aer/snapshot", user="owner").stdout
    assert "sltcap\t0000:c0:01.1\t19\n" in text
    assert re.search(r"^smbios\t19\t.*\tPCIE3$", text, re.M)


def test_strangers_may_read_but_not_control(machine, serving):
    control = "org.wopr.Aer1.Control Nothing"
    refused = call(machine, control)
    assert refused.status != 0 and "Access denied" in refused.stderr
    # Root is let through to the service, which has no such method.
    for allowed in (call(machine, control, user="root"),
                    machine.guest.run(f"setpriv --reuid=owner --regid=owner --groups=wopr-aer "
                                      f"{CALL.format(auto='no')} {control}", check=False)):
        assert allowed.status != 0 and "Access denied" not in allowed.stderr, allowed.stderr
        assert re.search("Unknown (method|interface)", allowed.stderr), allowed.stderr
    own = ("busctl call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus "
           "RequestName su org.wopr.Aer1 4")
    taken = machine.guest.run(own, user="owner", check=False)
    assert taken.status != 0 and "Access denied" in taken.stderr, taken
    exists = "u 3"  # what the service's own user is told: allowed, and taken already
    assert machine.guest.run(f"setpriv --reuid=wopr-aer --regid=wopr-aer --clear-groups {own}").stdout.strip() == exists


def test_journald_explains_what_it_records(machine, serving):
    followed = machine.guest.start(["journalctl", "--follow", "--lines=all", "--catalog", "--output=short",
                                    "WOPR_SLOT=PCIE3"])
    aer.inject(machine, Error("PCIE3", "device", ("RxErr",)))
    followed.wait_line(lambda line: "PCI Express errors have begun in slot PCIE3" in line)
    text = followed.wait_line(lambda line: "seen by its device end" in line)
    assert "RxErr=1" in text
    followed.stop()


def test_an_upgrade_restarts_it_and_keeps_what_is_the_owners(machine, owned):
    before = shown(machine, "MainPID")
    dpkg(machine, "--install", DEB)
    assert shown(machine, "ActiveState", "UnitFileState", "NRestarts") == ["active", "enabled", "0"]
    assert shown(machine, "MainPID") != before
    assert machine.guest.run("tail --lines=1 /etc/wopr-aer/wopr-aer.toml").stdout == "# mine\n"
    assert machine.guest.run("test -e /var/lib/wopr-aer/kept", check=False).status == 0
    assert call(machine, PEER).status == 0


def test_a_question_starts_it_only_while_it_is_enabled(machine, serving):
    machine.guest.run(["systemctl", "stop", UNIT])
    wait_for(machine, "inactive")
    assert call(machine, PEER, auto="no").status != 0
    assert shown(machine, "ActiveState") == ["inactive"]
    assert call(machine, PEER, auto="yes").status == 0
    wait_for(machine, "active")
    machine.guest.run(["systemctl", "disable", "--now", UNIT])
    assert call(machine, PEER, auto="yes").status != 0
    assert shown(machine, "ActiveState") == ["inactive"]


def test_an_upgrade_leaves_a_stopped_service_alone(machine, stopped):
    dpkg(machine, "--install", DEB)
    assert shown(machine, "ActiveState", "UnitFileState") == ["inactive", "disabled"]


def test_removing_stops_it_and_keeps_configuration_and_state(machine, removed):
    assert machine.guest.run(f"test -e /proc/{removed}", check=False).status != 0
    assert machine.guest.run("command -v wopr-aer", check=False).status != 0
    machine.guest.run("test -e /etc/wopr-aer/wopr-aer.toml && test -e /var/lib/wopr-aer/kept && test ! -e /run/wopr-aer")
    assert call(machine, PEER, auto="yes").status != 0


def test_installed_again_it_is_as_it_was(machine, removed):
    dpkg(machine, "--install", DEB)
    assert shown(machine, "UnitFileState") == ["enabled"]
    assert machine.guest.run("tail --lines=1 /etc/wopr-aer/wopr-aer.toml").stdout == "# mine\n"


def test_purging_leaves_only_what_was_promised(machine, owned):
    machine.guest.put("/etc/wopr-aer/wopr-aer.d/mine.toml", "")
    dpkg(machine, "--purge", "wopr-aer")
    left = {path for path in paths(machine) - machine.files_before if not MAY_REMAIN.fullmatch(path)}
    assert left == set()
    assert not machine.files_before - paths(machine) - {"/var/log/journal"}
    assert machine.guest.run("id wopr-aer").status == 0
    assert machine.guest.run("journalctl --list-catalog | grep wopr-aer:", check=False).stdout == ""
    assert service.refused_calls(machine) == []  # in all its life
    assert "wopr" not in machine.guest.run("systemctl list-unit-files --no-legend").stdout.replace("wopr-vm-agent", "")
