# SPDX-License-Identifier: GPL-2.0-or-later
"""The root helper's sockets, abused: only what is permitted is ever handed over or written, and it goes on."""
from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import subprocess
from pathlib import Path

import pytest

from probe_server import Server, ask, receive

GPU = "0000:c1:00.0"     # in PCIE3 of the faked board
PORT = "0000:c0:01.1"
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the helper answers root and wopr-aer alone")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """The board whose firmware keeps AER, to be written to."""
    make = Path(__file__).resolve().parents[1] / "fixtures/make.py"
    subprocess.run(["/usr/bin/python3", make, "wopr-firmware", "--out", tmp_path], check=True)
    return tmp_path / "wopr-firmware"


@pytest.fixture
def serve(tree: Path, machine: Path, tmp_path: Path):
    started = []

    def start(verb: str) -> Server:
        server = Server(tree / "usr/libexec/wopr-aer/wopr-aer-probe", machine, verb, tmp_path / f"{verb}.socket")
        started.append(server)
        return server
    yield start
    for server in started:
        server.__exit__()


def config(machine: Path, function: str) -> Path:
    return (machine / "sys/bus/pci/devices" / function / "config").resolve()


def registers(machine: Path, function: str) -> dict[str, int]:
    """Offsets of the two registers that may be written, found by walking the capabilities."""
    data = config(machine, function).read_bytes()
    at = data[0x34]
    while data[at] != 0x10:
        at = data[at + 1]
    aer = 0x100
    while (header := struct.unpack_from("<I", data, aer)[0]) & 0xffff != 0x0001:
        aer = header >> 20
    return {"status": aer + 0x10, "device": at + 0x0a, "root_command": aer + 0x2c, "root_control": at + 0x1c}


def poke(machine: Path, function: str, offset: int, format: str, value: int) -> None:
    with open(config(machine, function), "r+b") as file:
        file.seek(offset)
        file.write(struct.pack(format, value))


def latch(machine: Path, function: str, bits: int) -> None:
    where = registers(machine, function)
    poke(machine, function, where["status"], "<I", bits)
    poke(machine, function, where["device"], "<H", 0x000f)


def test_a_descriptor_is_the_config_file_and_cannot_be_written(serve, machine):
    text, descriptor = serve("serve").ask(GPU.encode())
    assert text == b"open"
    assert os.path.samestat(os.fstat(descriptor), config(machine, GPU).stat())
    assert os.pread(descriptor, 4096, 0) == config(machine, GPU).read_bytes()
    assert fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
    with pytest.raises(OSError):
        os.pwrite(descriptor, b"\0", 0)
    os.close(descriptor)


@pytest.mark.parametrize("packet", [
    b"\0", b" ", GPU.encode() + b"\n", GPU.encode() + b"\0", GPU.encode() + b"/config", b"0000:C1:00.0", b"c1:00.0",
    b"0:c2:00.0", b"0000:c2:00.8", b"0000:c2:20.0", b"../../../etc/passwd", b"/etc/passwd", b"..", b"0000:c2:00.0/..",
    b"%s", b"0000:c2:00.0 00000001", b"\xff" * 12, b"A" * 256], ids=repr)
def test_what_is_no_address_is_refused(serve, packet):
    server = serve("serve")
    with server.connect() as client:
        text, descriptor = ask(client, packet)
        assert text.startswith(b"refused ") and descriptor is None
        text, descriptor = ask(client, GPU.encode())  # and the connection goes on
        assert text == b"open"
        os.close(descriptor)


def test_an_oversized_request_ends_the_connection(serve):
    server = serve("serve")
    with server.connect() as client:
        text, descriptor = ask(client, GPU.encode() + b" " * 60_000)
        assert text.startswith(b"refused ") and descriptor is None
        assert client.recv(100) == b""
    assert server.process.poll() is None
    os.close(server.ask(GPU.encode())[1])


def test_descriptors_sent_along_do_not_stay(serve):
    server = serve("serve")
    with server.connect() as client, open("/dev/null") as null:
        for _ in range(200):
            socket.send_fds(client, [GPU.encode()], [null.fileno()] * 16)
            os.close(receive(client)[1])
        assert len(os.listdir(f"/proc/{server.process.pid}/fd")) < 12


def test_links_lead_nowhere_else(serve, machine, tmp_path):
    devices = machine / "sys/bus/pci/devices"
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "config").write_text("precious")
    (devices / "0000:f0:00.0").symlink_to(secret)                     # out of the tree
    (devices / "0000:f1:00.0").symlink_to("../../../../../secret")    # the same, relative
    (devices / "0000:f2:00.0").symlink_to("/proc/self")
    inside = machine / "sys/devices/inside"
    inside.mkdir()
    (inside / "config").symlink_to(secret / "config")
    (devices / "0000:f3:00.0").symlink_to("../../../devices/inside")  # config itself is a link
    (machine / "sys/devices/folder/config").mkdir(parents=True)
    (devices / "0000:f4:00.0").symlink_to("../../../devices/folder")
    server = serve("serve")
    for bus in ("f0", "f1", "f2", "f3", "f4"):
        text, descriptor = server.ask(f"0000:{bus}:00.0".encode())
        assert text.startswith(b"refused ") and descriptor is None, bus
    assert server.process.poll() is None


def test_a_device_that_vanishes_is_refused(serve, machine):
    server = serve("serve")
    text, descriptor = server.ask(GPU.encode())
    os.close(descriptor)
    shutil.rmtree(config(machine, GPU).parent)
    text, descriptor = server.ask(GPU.encode())
    assert text.startswith(b"refused ") and descriptor is None
    os.close(server.ask(PORT.encode())[1])


@pytest.mark.parametrize("verb", ["serve", "clear"])
def test_another_user_is_refused(serve, machine, verb):
    server = serve(verb)
    os.chmod(server.path, 0o666)
    before = config(machine, GPU).read_bytes()
    for directory in Path(server.path).parents:
        if directory.stat().st_uid == 0 and directory != Path("/"):
            os.chmod(directory, directory.stat().st_mode | 0o011)
    script = ("import os, socket, sys; os.setgid(65534); os.setuid(65534)\n"
              "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.settimeout(20); s.connect(sys.argv[1])\n"
              "try: s.send(sys.argv[2].encode())\n"
              "except BrokenPipeError: pass\n"
              "try: data, extra, _, _ = s.recvmsg(1000, 100); print(data.decode(), extra)\n"
              "except ConnectionResetError: print('hung up')")
    done = subprocess.run(["/usr/bin/python3", "-c", script, server.path, GPU], capture_output=True, text=True)
    # What was sent before it hung up costs the sender the reason (unix(7): a close with unread data resets).
    assert done.stdout in ("refused only root and the user wopr-aer may ask []\n", "hung up\n"), done.stderr
    assert config(machine, GPU).read_bytes() == before


def test_ten_thousand_connections(serve):
    server = serve("serve")
    for number in range(10_000):
        with server.connect() as client:
            if number % 3 == 0:
                continue  # hangs up at once
            client.send(GPU.encode() if number % 3 == 1 else b"nonsense")
            if number % 500 < 3:
                text, descriptor = receive(client)
                assert text == b"open" if number % 3 == 1 else text.startswith(b"refused ")
                if descriptor is not None:
                    os.close(descriptor)
    assert server.process.poll() is None
    text, descriptor = server.ask(GPU.encode())
    assert text == b"open"
    os.close(descriptor)
    assert len(os.listdir(f"/proc/{server.process.pid}/fd")) < 32


def test_silent_connections_do_not_keep_others_out(serve):
    server = serve("serve")
    silent = [server.connect() for _ in range(40)]  # more than are served at a time; closed after some seconds
    text, descriptor = server.ask(GPU.encode())
    assert text == b"open"
    os.close(descriptor)
    for client in silent:
        client.close()


def test_it_ends_when_nobody_asks(serve):
    server = serve("serve")
    os.close(server.ask(GPU.encode())[1])
    assert server.process.wait(timeout=40) == 0


def test_without_a_socket_it_says_how_it_is_started(tree, machine):
    done = subprocess.run([tree / "usr/libexec/wopr-aer/wopr-aer-probe", "--sysroot", machine, "serve"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "socket unit" in done.stderr


# --- clearing. A plain file does not clear on a write of ones: what was written stands there.

def test_only_the_bits_read_as_one_are_written(serve, machine):
    latch(machine, GPU, 0x2041)
    before = config(machine, GPU).read_bytes()
    where = registers(machine, GPU)
    assert serve("clear").ask(f"{GPU} 00000040".encode()) == (b"cleared 00000040", None)
    after = config(machine, GPU).read_bytes()
    assert struct.unpack_from("<I", after, where["status"])[0] == 0x40
    assert struct.unpack_from("<H", after, where["device"])[0] == 0x0001
    changed = {i for i in range(4096) if before[i] != after[i]}
    assert changed <= {*range(where["status"], where["status"] + 4), where["device"], where["device"] + 1}


def test_asking_for_nothing_writes_nothing(serve, machine):
    latch(machine, GPU, 0x41)
    before = config(machine, GPU).read_bytes()
    assert serve("clear").ask(f"{GPU} 00000000".encode()) == (b"cleared 00000000", None)
    assert config(machine, GPU).read_bytes() == before


@pytest.mark.parametrize("packet", [GPU, f"{GPU} 1", f"{GPU} 0000004G", f"{GPU}  0000040", f"{GPU} 00000041\n",
                                    f"{GPU} 00002000", f"{GPU} ffffffff", f"{GPU} 0000004A", PORT, " 00000001"],
                         ids=repr)
def test_other_requests_write_nothing(serve, machine, packet):
    latch(machine, GPU, 0xffff)
    before = config(machine, GPU).read_bytes()
    text, _ = serve("clear").ask(packet.encode())
    assert text.startswith(b"refused ")
    assert config(machine, GPU).read_bytes() == before


def bind_aer(machine: Path) -> None:
    service = config(machine, PORT).parent / f"{PORT}:pcie002"
    service.mkdir(exist_ok=True)
    driver = machine / "sys/bus/pci_express/drivers/aer"
    driver.mkdir(parents=True, exist_ok=True)
    (service / "driver").unlink(missing_ok=True)
    (service / "driver").symlink_to(driver)


def write(path: Path, text: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(text)


def hand_on_records(machine: Path) -> None:
    root_port = struct.pack("<HHHBB", 6, 0, 0, 1, 1) + bytes(40)
    write(machine / "sys/firmware/acpi/tables/HEST", b"HEST" + bytes(32) + struct.pack("<I", 1) + root_port)
    counters = config(machine, GPU).parent / "aer_dev_correctable"
    write(counters, counters.read_bytes().replace(b"TOTAL_ERR_COR 0", b"TOTAL_ERR_COR 3"))


REFUSALS = {
    "aer service": (bind_aer, b"the aer service is bound"),
    "RootCmd": (lambda m: poke(m, PORT, registers(m, PORT)["root_command"], "<I", 1), b"RootCmd 00000001"),
    "RootCtl": (lambda m: poke(m, PORT, registers(m, PORT)["root_control"], "<H", 4), b"RootCtl 0004"),
    "firmware first": (hand_on_records, b"handed records on"),
    "lockdown": (lambda m: write(m / "sys/kernel/security/lockdown", b"none [integrity] confidentiality\n"), b"locked down"),
    "asleep": (lambda m: write(config(m, GPU).parent / "power/runtime_status", b"suspended\n"), b"not awake"),
    "D3": (lambda m: write(config(m, GPU).parent / "power_state", b"D3hot\n"), b"D3hot"),
    "vanished bits": (lambda m: latch(m, GPU, 0x01), b"somebody else consumes"),
}


@pytest.mark.parametrize("cause", REFUSALS)
def test_where_somebody_may_consume_the_bits_nothing_is_written(serve, machine, cause):
    latch(machine, GPU, 0x41)
    arrange, reason = REFUSALS[cause]
    server = serve("clear")
    assert server.ask(f"{GPU} 00000041".encode())[0] == b"cleared 00000041"
    latch(machine, GPU, 0x41)
    arrange(machine)
    before = config(machine, GPU).read_bytes()
    text, _ = server.ask(f"{GPU} 00000041".encode())
    assert text.startswith(b"refused ") and reason in text, text
    assert config(machine, GPU).read_bytes() == before

