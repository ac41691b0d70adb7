# SPDX-License-Identifier: GPL-2.0-or-later
"""`wopr-aer doctor` on machines that let errors be seen, and on those that do not: the right cause first."""
from __future__ import annotations

import json

import pytest

import aer
import board

SETTINGS = ('Advanced > AMD CBS > NBIO Common Options > NBIO RAS Common Options', '"PCIe AER Reporting Mechanism" = OS First',
            '"Enable AER Cap" = Enabled')


def doctor(machine, user: str = "root", *options: str) -> tuple[int, dict]:
    done = machine.guest.run(["wopr-aer", "doctor", "--json", *options], user=user, check=False)
    assert done.status in (0, 1) and not done.stderr, done
    return done.status, json.loads(done.stdout)


def check(document: dict, name: str) -> dict:
    return next(entry for entry in document["checks"] if entry["id"] == name)


def causes(document: dict) -> list[str]:
    return [entry["id"] for entry in document["checks"] if entry["result"] == "fail" and not entry["consequence_of"]]


@pytest.mark.parametrize("kernel", ["stable", "newer"])
def test_native_passes_on_every_gpu_link(installed, kernel):
    status, document = doctor(installed(kernel=kernel))
    assert (status, document["trust"], causes(document)) == (0, "yes", [])
    assert {link["slot"] for link in document["links"]} == set(board.SLOTS)
    for name in ("kernel", "command-line", "osc", "extended-config", "aer-service", "reporting", "masks", "config-space", "board"):
        assert check(document, name)["result"] == "pass", check(document, name)


def test_an_ordinary_user_is_told_what_needs_root(installed):
    machine = installed()
    status, document = doctor(machine, "owner", "--embedded")
    assert (status, document["trust"]) == (0, "unverified")
    assert {entry["id"] for entry in document["checks"] if entry["needs_root"]} == {"reporting", "masks", "config-space"}
    text = " ".join(machine.guest.run(["wopr-aer", "doctor", "--embedded"], user="owner").stdout.split())
    assert "only root can tell" in text and "sudo wopr-aer doctor" in text


def test_a_masked_error_at_one_end_is_found(installed):
    machine = installed()
    device = aer.function_at(machine, "PCIE3", "device")
    with aer.masked(machine, device, aer.COR_BITS["RxErr"]):
        status, document = doctor(machine)
    assert (status, causes(document)) == (1, ["masks"])
    assert document["checks"][0]["where"] == ["PCIE3 device"]
    assert "RxErr" in document["checks"][0]["found"] and f"-s {device} " in document["checks"][0]["fix"]
    assert [link["slot"] for link in document["links"] if link["trust"] == "no"] == ["PCIE3"]
    assert doctor(machine)[0] == 0


@pytest.mark.parametrize("argument", ["pci=noaer", "pci=nommconf", "pcie_ports=compat"])
def test_a_boot_parameter_is_the_first_cause(installed, argument):
    machine = installed(append=(argument,))
    for user in ("root", "owner"):
        status, document = doctor(machine, user)
        assert (status, document["trust"], causes(document)) == (1, "no", ["command-line"])
        first = document["checks"][0]
        assert first["id"] == "command-line" and argument in first["found"] and f"Take {argument} off" in first["fix"]
        followers = [entry["id"] for entry in document["checks"] if entry["consequence_of"] == "command-line"]
        assert "aer-service" in followers
        assert argument != "pci=nommconf" or "extended-config" in followers


def test_firmware_that_keeps_aer_is_fixed_by_the_boards_menu_path(installed, refusing_firmware):
    machine = installed(acpi=refusing_firmware)
    status, document = doctor(machine)
    assert (status, document["trust"], causes(document)) == (1, "no", ["osc"])
    first = document["checks"][0]
    for part in SETTINGS + ("dmesg | grep _OSC",):
        assert part in first["fix"]
    text = " ".join(machine.guest.run(["wopr-aer", "doctor"], check=False).stdout.split())
    assert text.startswith("No: a zero can be trusted on none of the 7 GPU links. FAIL Firmware (_OSC)")
    assert SETTINGS[0] in text


@pytest.mark.machine("a device that never reports")
def test_a_device_that_never_reports_is_named(installed):
    endpoints = dict(board.DEFAULT_ENDPOINTS, PCIE2="e1000e")
    machine = installed(endpoints=tuple(endpoints.items()))
    machine.guest.put("/etc/wopr-aer/wopr-aer.d/zz-network.toml", '[gpus]\nalso = ["1af4:1044", "8086:10d3"]\n')
    status, document = doctor(machine)
    assert (status, causes(document)) == (1, ["reporting"])
    assert document["checks"][0]["where"] == ["PCIE2 device"]


def anonymous(text: str) -> dict:
    document = json.loads(text)
    for key in ("host", "boot_id", "since", "now"):
        document.pop(key, None)
    return document


@pytest.mark.parametrize("user", ["root", "owner"])
def test_a_capture_read_back_gives_the_same_answers(installed, user):
    machine = installed()
    views = (["status", "--json"], ["topology", "--json"], ["doctor", "--json"])
    folder = f"/tmp/capture-{user}"
    run = lambda *words: machine.guest.run(["wopr-aer", *words], user=user, check=False)  # noqa: E731
    machine.guest.run(["mkdir", folder], user=user)
    before = [run("--embedded", *view) for view in views]
    done = run("doctor", "--embedded", "--capture", f"{folder}/bug.tar.gz")
    assert (done.status, done.stderr) == (0, ""), done
    machine.guest.run(["tar", "-C", folder, "-xzf", f"{folder}/bug.tar.gz"], user=user)
    after = [run("--sysroot", f"{folder}/bug", *view) for view in views]
    for one, other in zip(before, after, strict=True):
        assert (one.status, anonymous(one.stdout)) == (other.status, anonymous(other.stdout))
    again = run("doctor", "--embedded", "--capture", f"{folder}/bug.tar.gz")
    assert again.status == 2 and "nothing is overwritten" in again.stderr
    assert machine.guest.run(["cat", f"{folder}/bug/proc/sys/kernel/hostname"]).stdout == "captured\n"
    identity = machine.guest.run("cat /etc/machine-id /proc/sys/kernel/random/boot_id").stdout.split()
    for word in identity:
        assert machine.guest.run(["grep", "-rlw", word, f"{folder}/bug"], check=False).status == 1, word
    machine.guest.run(["rm", "-r", folder])


def test_a_full_disk_is_said_and_leaves_nothing(installed):
    machine = installed()
    machine.guest.run("mkdir -p /tmp/small && mount -t tmpfs -o size=8k none /tmp/small")
    done = machine.guest.run(["wopr-aer", "doctor", "--capture", "/tmp/small/bug.tar.gz"], check=False)
    left = machine.guest.run("ls /tmp/small").stdout
    machine.guest.run("umount /tmp/small")
    assert (done.status, done.stdout, left) == (2, "", "")
    assert "No space left on device" in done.stderr
