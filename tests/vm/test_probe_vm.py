# SPDX-License-Identifier: GPL-2.0-or-later
"""The root helper as it runs on a machine: who gets what, under its sandbox, with devices that come and go."""
from __future__ import annotations

import aer

SOCKET = "/run/wopr-aer-probe.socket"
ASK = """
import array, os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.settimeout(30)
s.connect(sys.argv[1])
try: s.send(sys.argv[2].encode())
except BrokenPipeError: pass
try: text, extra, _, _ = s.recvmsg(1000, socket.CMSG_SPACE(4))
except ConnectionResetError: text, extra = b"refused by hanging up", []
fds = array.array("i")
for level, kind, data in extra: fds.frombytes(data)
print(text.decode(), *[len(os.pread(fd, 4096, 0)) for fd in fds])
"""
HAMMER = """
import socket, sys
for number in range(10000):
    # Without a time limit until it is connected: a non-blocking connect fails while the queue is full (unix(7)).
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.connect(sys.argv[1]); s.settimeout(60)
    if number % 3: s.send(sys.argv[2].encode() if number % 3 == 1 else b"nonsense")
    if number % 300 == 1: assert s.recv(1000) == b"open"
    s.close()
"""


def ask(machine, function: str, user: str = "root", path: str = SOCKET) -> str:
    done = machine.guest.run(["runuser", "-u", user, "--", "python3", "-c", ASK, path, function], check=False, timeout=60)
    return (done.stdout + done.stderr.strip()[-200:]).strip()


def test_the_service_user_reads_all_of_it_and_others_nothing(installed):
    machine = installed()
    machine.guest.run("systemctl start wopr-aer-probe.socket")
    function = aer.function_at(machine, "PCIE3", "device")
    assert ask(machine, function, "wopr-aer") == "open 4096"
    assert ask(machine, function) == "open 4096"
    assert "Permission denied" in ask(machine, function, "owner")
    machine.guest.run(["chmod", "0666", SOCKET])
    assert ask(machine, function, "owner").startswith("refused ")
    machine.guest.run(["chmod", "0600", SOCKET])
    for request in ("0000:ff:1f.7", "../../etc/shadow", "/etc/shadow", function + "/config"):
        assert ask(machine, request).startswith("refused "), request


def test_a_device_unplugged_under_it_is_refused_and_served_when_back(installed):
    machine = installed()
    machine.guest.run("systemctl start wopr-aer-probe.socket")
    function = aer.function_at(machine, "PCIE4", "device")
    assert ask(machine, function) == "open 4096"
    machine.unplug("PCIE4")
    assert ask(machine, function) == f"refused there is no function {function}"
    machine.plug("PCIE4")
    machine.guest.run(["udevadm", "wait", "--timeout=30", f"/sys/bus/pci/devices/{function}"], timeout=60)
    assert ask(machine, function) == "open 4096"


def test_ten_thousand_connections_and_the_sandbox(installed):
    machine = installed()
    machine.guest.run("systemctl start wopr-aer-probe.socket")
    function = aer.function_at(machine, "PCIE3", "device")
    machine.guest.run(["python3", "-c", HAMMER, SOCKET, function], timeout=300)
    assert ask(machine, function) == "open 4096"
    show = machine.guest.run(["systemctl", "show", "wopr-aer-probe.service", "-p", "NRestarts,Result,ActiveState"]).stdout
    assert "NRestarts=0" in show and "Result=success" in show and "ActiveState=active" in show
    status = machine.guest.run("cat /proc/$(systemctl show -P MainPID wopr-aer-probe.service)/status").stdout
    assert "CapEff:\t0000000000200000" in status and "CapBnd:\t0000000000200000" in status  # CAP_SYS_ADMIN alone
    assert "NoNewPrivs:\t1" in status
