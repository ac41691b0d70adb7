# SPDX-License-Identifier: GPL-2.0-or-later
"""One virtual WOPR: a QEMU process, its monitor, and the line into the guest.

    with Machine(images, Setup(kernel="stable", append=("pci=noaer",))) as wopr:
        print(wopr.guest.run("uname -r").stdout)

Software emulation only (-accel tcg): the same everywhere, and hardware virtualisation is not there in CI.
"""
from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import socket
import stat
import subprocess
import tarfile
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import board
from channel import Channel, GuestError
from images import HERE, TOOLS, BuildError, CpioEntry, Images, command, cpio
from qmp import Qmp, QmpError

BUSYBOX = Path("/bin/busybox")  # busybox-static
APPLETS = ("sh", "cat", "cp", "echo", "insmod", "mkdir", "mount", "switch_root", "umount")
BOOT_DEADLINE = 400.0  # seconds; about 16 on two idle cores, minutes when others want them too
# SYSTEMD_LOG_SECCOMP, which the kernel hands to systemd: system calls a unit's filter refuses are logged by the kernel.
# no_timer_check: on a busy host the emulated timer comes too late for the kernel's self-test, which then panics.
KERNEL_ARGUMENTS = ("console=ttyS0", "no_timer_check", "nowatchdog", "quiet", "loglevel=3", "panic=-1",
                    "mitigations=off", "printk.devkmsg=on", "systemd.show_status=no", "SYSTEMD_LOG_SECCOMP=1")


@dataclass(frozen=True)
class Setup:
    """What a test wants of its machine; equal setups may share one."""
    kernel: str = "stable"                 # a role of images.KERNEL_ROLES
    append: tuple[str, ...] = ()           # more kernel arguments
    endpoints: tuple[tuple[str, str | tuple | None], ...] = tuple(board.DEFAULT_ENDPOINTS.items())
    product: Path | None = None            # squashfs from pack_product, laid over the root file system
    data_disk: Path | None = None          # raw ext4 image (make_data_disk), at /var/lib/wopr-aer
    acpi: Path | None = None               # compiled DSDT that replaces the firmware's
    one_thread: bool = False               # slower; for tests that move devices about (see _command_line)
    counted_time: bool = False             # its clocks count instructions: what a program takes is the same on any host
    reboot: bool = False                   # a reboot in the guest boots again instead of ending QEMU

    def __str__(self) -> str:
        words = [self.kernel, *self.append]
        words += [slot for slot, kind in self.endpoints if kind != board.DEFAULT_ENDPOINTS[slot]]
        words += [name.replace("_", " ") for name in ("data_disk", "acpi", "one_thread", "counted_time") if getattr(self, name)]
        return ", ".join(words)


class MachineError(Exception):
    """The machine did not come up or went away; the text names its console log."""


@dataclass(eq=False)
class Machine:
    images: Images
    setup: Setup = field(default_factory=Setup)

    def __post_init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="wopr-vm-"))
        self.console = self.directory / "console.log"
        self.boot_id = ""
        self.boot_seconds = 0.0
        self.process: subprocess.Popen | None = None
        self.qmp: Qmp | None = None
        self.guest: Channel | None = None

    def __enter__(self) -> Machine:
        self.boot()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def boot(self) -> None:
        """Starts QEMU and returns when the guest's agent answers, some way before all services are up."""
        started = time.monotonic()
        qmp, line = self._listen("qmp"), self._listen("agent")
        try:
            self.process = subprocess.Popen(self._command_line(), stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, stderr=(self.directory / "qemu.err").open("w"),
                                            preexec_fn=die_with_parent)
            # QEMU connects its character devices in the order of the command line: monitor, then agent.
            self.qmp = Qmp(self._accept(qmp))
            self.guest = Channel(self._accept(line))
            self.boot_id = self.guest.wait_hello(BOOT_DEADLINE)
        except (GuestError, QmpError, OSError) as error:
            self.kill()
            raise MachineError(f"the virtual WOPR did not boot: {error}\n{self.last_words()}") from None
        finally:
            qmp.close()
            line.close()
        self.boot_seconds = time.monotonic() - started

    @property
    def alive(self) -> bool:
        """True while the machine can be used: QEMU runs and the guest has kept every deadline."""
        return (self.process is not None and self.process.poll() is None
                and self.guest is not None and not self.guest.timed_out)

    def processor_seconds(self) -> float:
        """What it has cost until now on this side, 0 once it has ended."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except (AttributeError, OSError):
            return 0.0
        user, system = fields[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def uptime(self) -> float:
        """Seconds by its own clock since it was started."""
        return float(self.guest.run(["cat", "/proc/uptime"]).stdout.split()[0])

    def wait_services(self, timeout: float = 90) -> None:
        """Returns when systemd has finished its start-up."""
        self.guest.run("systemctl is-system-running --wait", timeout=timeout, check=False)

    def wait_reboot(self, timeout: float = BOOT_DEADLINE) -> None:
        self.boot_id = self.guest.wait_hello(timeout)

    def power_off(self, timeout: float = 60) -> None:
        """An orderly shutdown: services stop, disks are synced."""
        self.guest.send({"op": "start", "id": 0, "argv": ["systemctl", "poweroff"], "user": "root", "env": {}, "stdin": ""})
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise MachineError(f"no power off within {timeout:.0f} s\n{self.last_words()}") from None

    def kill(self) -> None:
        """Pulls the plug."""
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()

    def close(self) -> None:
        self.kill()
        for end in (self.guest, self.qmp):
            if end:
                end.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    # --- hotplug ----------------------------------------------------------------------------------------

    def unplug(self, slot: str, timeout: float = 30) -> None:
        """Presses the attention button (the kernel then waits 5 s) and returns when the device is gone."""
        self.qmp.execute("device_del", id=board.SLOTS[slot].device_id)
        self.wait_unplugged(slot, timeout)

    def wait_unplugged(self, slot: str, timeout: float = 30) -> None:
        """For a guest that cuts the slot's power by itself."""
        device = board.SLOTS[slot].device_id
        self.qmp.wait_event("DEVICE_DELETED", timeout, lambda data: data.get("device") == device)

    def plug(self, slot: str, kind: str = "rng") -> None:
        """Puts a device into an empty slot; when the guest has seen it is for the caller to wait for."""
        driver, *options = board.ENDPOINTS[kind].split(",")
        where = board.SLOTS[slot]
        self.qmp.execute("device_add", driver=driver, id=where.device_id, bus=where.port_id,
                         **dict(option.split("=") for option in options))

    # --- after a failure --------------------------------------------------------------------------------

    def last_words(self) -> str:
        """The end of the console and what QEMU complained of."""
        parts = []
        for name in ("qemu.err", "console.log"):
            file = self.directory / name
            if file.exists() and (text := file.read_text(errors="replace").strip()):
                parts.append(f"--- {name}\n" + "\n".join(text.splitlines()[-25:]))
        return "\n".join(parts)

    def collect(self, where: Path) -> list[Path]:
        """Keeps console and journal of the guest; returns the files written."""
        where.mkdir(parents=True, exist_ok=True)
        kept = []
        for name in ("console.log", "qemu.err"):
            if (self.directory / name).exists() and (self.directory / name).stat().st_size:
                kept.append(Path(shutil.copy(self.directory / name, where / name)))
        if self.process and self.process.poll() is None and self.guest:
            try:
                journal = self.guest.run("journalctl --boot --no-pager --output=short-precise", timeout=60).stdout
                kept.append(where / "journal.log")
                kept[-1].write_text(journal)
            except GuestError as error:
                kept.append(where / "journal-missing.txt")
                kept[-1].write_text(f"{error}\n")
        return kept

    # --- start-up ---------------------------------------------------------------------------------------

    def _listen(self, name: str) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.directory / name))
        listener.listen(1)
        return listener

    def _accept(self, listener: socket.socket, timeout: float = 30) -> socket.socket:
        """QEMU's connection, or an error as soon as QEMU has died."""
        ended = os.pidfd_open(self.process.pid)
        try:
            ready, _, _ = select.select([listener, ended], [], [], timeout)
        finally:
            os.close(ended)
        if listener not in ready:
            raise OSError("QEMU ended at once" if ready else "QEMU did not start in time")
        return listener.accept()[0]

    def _command_line(self) -> list[str]:
        kernel = self.images.kernel(self.setup.kernel)
        initrd = self.directory / "initrd"
        initrd.write_bytes(self._acpi_override() + kernel.modules.read_bytes() + guest_archive(self.images))
        # With a thread for each processor, QEMU before 8.1 crashes when one uses the memory map that another is changing,
        # once in some hundred removals of a device (mended by its commit 0d58c66068).
        thread = "single" if self.setup.one_thread or self.setup.counted_time else "multi"
        processors = "1" if self.setup.counted_time else "2"  # two that share one count do not get anywhere
        words = ["qemu-system-x86_64", "-M", "q35", "-accel", f"tcg,thread={thread}", "-cpu", "qemu64",
                 "-smp", processors, "-m", "2048", "-nodefaults", "-display", "none", "-serial", f"file:{self.console}",
                 "-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off",
                 "-kernel", str(kernel.vmlinuz), "-initrd", str(initrd),
                 "-append", " ".join(KERNEL_ARGUMENTS + self.setup.append),
                 "-chardev", f"socket,id=qmp,path={self.directory}/qmp", "-mon", "chardev=qmp,mode=control",
                 "-chardev", f"socket,id=agent,path={self.directory}/agent",
                 "-device", "virtio-serial-pci,bus=pcie.0,addr=10.0",
                 "-device", "virtserialport,chardev=agent,name=org.wopr.agent"]
        if not self.setup.reboot:
            words.append("-no-reboot")
        if self.setup.counted_time:
            words += ["-icount", "shift=0"]  # 1 ns an instruction
        words += self._smbios() + self._disks()
        return words + board.topology_arguments(dict(self.setup.endpoints))

    def _acpi_override(self) -> bytes:
        if not self.setup.acpi:
            return b""
        folders = ("kernel", "kernel/firmware", "kernel/firmware/acpi")
        table = CpioEntry("kernel/firmware/acpi/dsdt.aml", stat.S_IFREG | 0o644, self.setup.acpi.read_bytes())
        return cpio([*(CpioEntry(f, stat.S_IFDIR | 0o755) for f in folders), table])

    def _smbios(self) -> list[str]:
        words = ["-smbios", "type=2,manufacturer=ASRockRack,product=ROMED8-2T"]
        for handle, slot in enumerate(board.SLOTS.values(), start=0x900):
            blob = self.directory / f"smbios-{slot.name}"
            blob.write_bytes(board.smbios_slot(slot, handle))
            words += ["-smbios", f"file={blob}"]
        return words

    def _disks(self) -> list[str]:
        words = []
        disks = [("root", self.images.rootfs(), True), ("product", self.setup.product, True),
                 ("data", self.setup.data_disk, False)]
        for address, (name, file, read_only) in enumerate(disks, start=0x11):
            if file:
                words += ["-drive", f"if=none,id={name},file={file},format=raw,readonly={'on' if read_only else 'off'}",
                          "-device", f"virtio-blk-pci,drive={name},serial={name},bus=pcie.0,addr={address:x}.0"]
        return words


def die_with_parent() -> None:
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def guest_archive(images: Images) -> bytes:
    """busybox, the init script, and what init copies into the guest's root file system."""
    if not BUSYBOX.exists():
        raise BuildError("busybox-static is not installed: ./bootstrap installs it")

    def directory(name: str) -> CpioEntry:
        return CpioEntry(name, stat.S_IFDIR | 0o755)

    def file(name: str, source: Path, mode: int) -> CpioEntry:
        return CpioEntry(name, stat.S_IFREG | mode, source.read_bytes())

    def link(name: str, target: str) -> CpioEntry:
        return CpioEntry(name, stat.S_IFLNK | 0o777, target.encode())

    units = "guest/etc/systemd/system"
    folders = ["bin", "dev", "proc", "sys", "guest", "guest/etc", "guest/etc/systemd", units,
               f"{units}/multi-user.target.wants", "guest/opt", "guest/opt/wopr-vm"]
    return cpio([*map(directory, folders),
                 CpioEntry("dev/console", stat.S_IFCHR | 0o600, device=(5, 1)),
                 file("init", HERE / "guest/init", 0o755), file("bin/busybox", BUSYBOX, 0o755),
                 *(link(f"bin/{name}", "busybox") for name in APPLETS),
                 file("guest/opt/wopr-vm/agent.py", HERE / "guest/agent.py", 0o755),
                 *(file(f"guest/opt/wopr-vm/{name}", images.tool(name), 0o755) for name in TOOLS),
                 file(f"{units}/wopr-vm-agent.service", HERE / "guest/agent.service", 0o644),
                 link(f"{units}/multi-user.target.wants/wopr-vm-agent.service", "../wopr-vm-agent.service")])


def pack_product(out: Path, tree: Path | None = None, deb: Path | None = None) -> Path:
    """A squashfs of an installed tree (DESTDIR of cmake --install), a .deb (as /srv/wopr-aer.deb), or both."""
    archive = out.with_suffix(".tar")

    def as_root(info: tarfile.TarInfo) -> tarfile.TarInfo:
        first, _, rest = info.name.partition("/")
        if first in ("bin", "sbin", "lib", "lib64"):  # links in the guest: a directory above would hide them
            info.name = f"usr/{info.name}"
        info.uid = info.gid = 0
        info.uname = info.gname = "root"
        return info

    with tarfile.open(archive, "w") as tar:
        if tree:
            for entry in sorted(tree.iterdir()):
                tar.add(entry, entry.name, filter=as_root)
        if deb:
            tar.add(deb, "srv/wopr-aer.deb", filter=as_root)
    with archive.open("rb") as handle:
        command(["tar2sqfs", "--quiet", "--force", "--compressor", "lz4", str(out)], stdin=handle)
    archive.unlink()
    return out


def make_data_disk(out: Path, megabytes: int = 256) -> Path:
    """An empty ext4 disk that outlives the machines it is put into."""
    command(["/sbin/mke2fs", "-q", "-F", "-t", "ext4", str(out), f"{megabytes}M"])
    return out
