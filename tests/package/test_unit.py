# SPDX-License-Identifier: GPL-2.0-or-later
"""The unit, the D-Bus files and the catalog, checked by systemd's and D-Bus's own programs without running either."""
from __future__ import annotations

import json
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

MAX_EXPOSURE = 1.0

# What `systemd-analyze security` asks for and the unit neither sets nor explains, because another setting answers it:
# User= makes a static user of it, and DevicePolicy=closed with PrivateDevices=yes leaves DeviceAllow= empty.
ANSWERED_ELSEWHERE = {"DeviceAllow", "Delegate", "NotifyAccess"}


@pytest.fixture(scope="session")
def unit(tree: Path) -> Path:
    return tree / "usr/lib/systemd/system/wopr-aerd.service"


def sections(unit: Path) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for line in unit.read_text().splitlines():
        if heading := re.fullmatch(r"\[(\w+)\]", line):
            found[heading[1]] = []
        elif line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found[list(found)[-1]].append((name, value))
    return found


def test_systemd_understands_the_unit(tree, unit, tmp_path):
    copy = tmp_path / unit.name  # that runs the programs where the package was unpacked
    copy.write_text(unit.read_text().replace("/usr/libexec/", f"{tree}/usr/libexec/"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True)
    said = [line for line in done.stderr.splitlines() if unit.name in line]
    assert done.returncode == 0 and not said, done.stderr


def test_exposure_is_low(unit):
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager",
                           f"--threshold={int(MAX_EXPOSURE * 10)}", unit], capture_output=True, text=True)
    said = re.search(r"Overall exposure level for wopr-aerd.service: ([\d.]+)", done.stdout)
    assert said, done.stdout + done.stderr
    assert done.returncode == 0 and float(said[1]) <= MAX_EXPOSURE, done.stdout


def test_every_protection_is_set_or_its_absence_explained(unit):
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", "--json=short", unit],
                          check=True, capture_output=True, text=True)
    wanted = set()
    for row in json.loads(done.stdout):
        name = row.get("json_field") or row["name"]
        wanted |= set(re.findall(r"\b([A-Z][A-Za-z]+)=", row["name"]) or re.findall(r"^([A-Z][A-Za-z]+)", name))
    given = {name for name, _ in sections(unit)["Service"]}
    text = unit.read_text()
    missing = {name for name in wanted - given - ANSWERED_ELSEWHERE if not re.search(rf"^#.*\b{name}=", text, re.M)}
    assert "PrivateNetwork" in wanted, "systemd-analyze has changed what it prints"
    assert not missing


HELPERS = ("wopr-aer-probe", "wopr-aer-clear")
HELPERS_EXPOSURE = 2.0


@pytest.mark.parametrize("helper", HELPERS)
def test_the_root_helpers_are_confined(tree, helper, tmp_path):
    folder = tree / "usr/lib/systemd/system"
    unit = folder / f"{helper}.service"
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager",
                           f"--threshold={int(HELPERS_EXPOSURE * 10)}", unit], capture_output=True, text=True)
    said = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert said and done.returncode == 0 and float(said[1]) <= HELPERS_EXPOSURE, done.stdout + done.stderr
    given = sections(unit)["Service"]
    assert [value for name, value in given if name == "CapabilityBoundingSet"] == ["CAP_SYS_ADMIN"]
    writable = [value for name, value in given if name == "ReadWritePaths"]
    assert writable == (["/sys/devices"] if helper == "wopr-aer-clear" else [])
    for file in (unit, folder / f"{helper}.socket"):
        (tmp_path / file.name).write_text(file.read_text().replace("/usr/libexec/", f"{tree}/usr/libexec/"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *sorted(tmp_path.iterdir())], capture_output=True, text=True)
    assert done.returncode == 0 and helper not in done.stderr, done.stderr


@pytest.mark.parametrize("helper", HELPERS)
def test_the_helpers_sockets_are_for_the_service_alone(tree, helper):
    socket = dict(sections(tree / f"usr/lib/systemd/system/{helper}.socket")["Socket"])
    assert socket["ListenSequentialPacket"] == f"/run/{helper}.socket"
    assert (socket["SocketUser"], socket["SocketMode"]) == ("wopr-aer", "0600")


def test_only_reading_comes_with_the_service(unit):
    wants = dict(sections(unit)["Unit"])
    assert "wopr-aer-probe.socket" in wants["Wants"] and "wopr-aer-clear" not in unit.read_text()


def test_directives_are_in_alphabetical_order(unit):
    """Those left out on purpose stand among them as comments."""
    names, left_out = [], 0
    for line in unit.read_text().splitlines():
        if re.fullmatch(r"\[\w+\]", line):
            names = []
        elif absent := re.match(r"# (\w+)=.* left out:", line):
            names.append(absent[1])
            left_out += 1
        elif directive := re.match(r"(\w+)=", line):
            names.append(directive[1])
        assert names == sorted(names), f"{names[-1]} is out of order"
    assert left_out == 4


def test_programs_of_the_unit_are_in_the_package(tree, unit):
    for name, value in sections(unit)["Service"]:
        if name in ("ExecStart", "ExecStartPre"):
            program = tree / value.lstrip("+-").split()[0].lstrip("/")
            assert program.is_file() and program.stat().st_mode & 0o111, f"{name} runs {program}"


def test_limits_are_explicit(unit):
    service = dict(sections(unit)["Service"])
    for name in ("LimitNOFILE", "MemoryMax", "TasksMax", "WatchdogSec", "RestartSec"):
        assert service.get(name), name
    assert dict(sections(unit)["Unit"])["StartLimitIntervalSec"] == "0"


def test_activation_goes_through_the_enabled_unit_only(tree, unit):
    activation = (tree / "usr/share/dbus-1/system-services/org.wopr.Aer1.service").read_text()
    asked_for = re.search(r"^SystemdService=(.*)$", activation, re.M)[1]
    assert asked_for == dict(sections(unit)["Install"])["Alias"]
    assert not (tree / "usr/lib/systemd/system" / asked_for).exists()


def test_the_policy_keeps_control_from_strangers(tree):
    policies = ElementTree.parse(tree / "usr/share/dbus-1/system.d/org.wopr.Aer1.conf").getroot().findall("policy")
    rules = {next(iter(p.attrib.items())): [(rule.tag, rule.attrib) for rule in p] for p in policies}
    control = {"send_destination": "org.wopr.Aer1", "send_interface": "org.wopr.Aer1.Control"}
    assert rules == {
        ("user", "wopr-aer"): [("allow", {"own": "org.wopr.Aer1"})],
        # The last rule that matches decides. send_type: answers to the service carry no interface and must pass.
        ("context", "default"): [("allow", {"send_destination": "org.wopr.Aer1"}),
                                 ("deny", {**control, "send_type": "method_call"})],
        ("group", "wopr-aer"): [("allow", control)],
        ("user", "root"): [("allow", control)]}


def test_sysusers_makes_the_user_the_unit_names(tree, unit, tmp_path):
    (tmp_path / "etc").mkdir()
    config = tree / "usr/lib/sysusers.d/wopr-aer.conf"
    subprocess.run(["systemd-sysusers", f"--root={tmp_path}", "-"], stdin=config.open(), check=True, capture_output=True)
    user = dict(sections(unit)["Service"])["User"]
    row = [line for line in (tmp_path / "etc/passwd").read_text().splitlines() if line.startswith(f"{user}:")]
    assert len(row) == 1 and row[0].endswith("nologin")


def test_the_catalog_compiles_and_is_whole(tree, tmp_path):
    source = tree / "usr/lib/systemd/catalog/wopr-aer.catalog"
    ids = re.findall(r"^-- ([0-9a-f]{32})$", source.read_text(), re.M)
    folder = tmp_path / "usr/lib/systemd/catalog"
    folder.mkdir(parents=True)
    (folder / source.name).write_bytes(source.read_bytes())
    subprocess.run(["journalctl", f"--root={tmp_path}", "--update-catalog"], check=True, capture_output=True)
    listed = subprocess.run(["journalctl", f"--root={tmp_path}", "--list-catalog", *ids], check=True, capture_output=True,
                            text=True).stdout
    assert sorted(ids) == sorted(line.split()[0] for line in listed.splitlines())
    assert all(" wopr-aer: " in line for line in listed.splitlines())
