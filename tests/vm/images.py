#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels, root file system and tools of the virtual WOPR, built from this machine's own distribution.

Nothing here names a package host: packages come from whatever apt sources this machine has. Each image
lies in the cache under a name that carries a hash of everything it was made from, so a second call finds it
there and needs no network. Nothing is installed on the machine that builds.

    images.py [--cache DIR] [--refresh]
"""
from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import lzma
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator

HERE = Path(__file__).resolve().parent
DEFAULT_CACHE = HERE.parent.parent / "build" / "vm"

# Loaded by the initramfs in this order, each after what it depends on. ext4 names crc32c only as a soft
# dependency, so it stands here by hand.
MODULES = ["virtio_pci", "virtio_blk", "virtio_console", "virtio_rng", "squashfs", "overlay",
           "crc32c_generic", "ext4", "aer_inject", "e1000e"]

GUEST_PACKAGES = ["systemd", "systemd-sysv", "dbus", "udev", "kmod", "pciutils", "pci.ids", "python3"]

# What the product is built against; the guest gets the run-time libraries these stand for.
PRODUCT_DEV_PACKAGES = ["libfmt-dev", "libspdlog-dev", "libpci-dev", "libsystemd-dev", "libudev-dev",
                        "libsqlite3-dev", "libsqlitecpp-dev", "libtomlplusplus-dev"]

# The kernel every test runs on, and the newer one for the spine, as metapackages of each distribution.
KERNEL_PACKAGES = {
    "debian": {"stable": ["linux-image-amd64"], "newer": ["linux-image-6.12-amd64"]},
    "ubuntu": {"stable": ["linux-image-generic"], "newer": ["linux-image-generic-hwe-24.04"]},
}
KERNEL_ROLES = ("stable", "newer")

# Programs of the tests' own, NAME.c, and what each is linked with: the guest is of the release of who builds it.
TOOLS = {"inject": ("-static",), "pread_loop": ("-static",), "ask": ("-lsystemd",)}

# Services that only cost time in a machine that lives for a minute. serial-getty would take the console.
MASKED_UNITS = ["serial-getty@ttyS0.service", "getty@tty1.service", "apt-daily.timer",
                "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer",
                "e2scrub_reap.service", "fstrim.timer", "systemd-timesyncd.service",
                "systemd-networkd.service", "systemd-resolved.service", "networking.service"]

CUSTOMIZE_HOOKS = [
    'chroot "$1" useradd --create-home --shell /bin/sh owner',
    'echo wopr > "$1/etc/hostname"',
    'echo "127.0.0.1 localhost wopr" > "$1/etc/hosts"',
    # An unset machine id makes systemd do its first-boot work at every boot.
    'echo 5a1f0c0de0d14c0fb0a7d0e5a1f0c0de > "$1/etc/machine-id"',
    'mkdir -p "$1/var/lib/wopr-aer.disk"',
    'systemctl --root="$1" mask ' + " ".join(MASKED_UNITS),
    # ConditionNeedsUpdate compares these with /usr; without them every boot rebuilds hwdb and catalog.
    'touch "$1/etc/.updated" "$1/var/.updated"',
]


class BuildError(Exception):
    """An image could not be built; the text says which step failed and what to do."""


@dataclass(frozen=True)
class Kernel:
    vmlinuz: Path
    modules: Path  # cpio archive: /modules/*.ko and /modules/order
    release: str


class Images:
    """Finds images in the cache and builds what is not there."""

    def __init__(self, cache: Path, refresh: bool = False):
        self.cache = Path(cache).resolve()
        self.refresh = refresh
        self._apt: Apt | None = None

    def kernel(self, role: str) -> Kernel:
        distro, suite = host_distribution()
        packages = KERNEL_PACKAGES.get(distro, {}).get(role)
        if not packages:
            raise BuildError(f"no {role} kernel is known for distribution '{distro}' (see KERNEL_PACKAGES in images.py)")
        recipe = {"format": 1, "suite": suite, "packages": packages, "modules": MODULES}
        where = self._artefact(f"kernel-{role}", recipe, lambda out: build_kernel(self.apt(), out, packages))
        return Kernel(where / "vmlinuz", where / "modules.cpio", (where / "release").read_text().strip())

    def rootfs(self) -> Path:
        distro, suite = host_distribution()
        recipe = {"format": 1, "suite": suite, "packages": GUEST_PACKAGES, "dev": PRODUCT_DEV_PACKAGES,
                  "hooks": CUSTOMIZE_HOOKS}
        return self._artefact("rootfs", recipe, lambda out: build_rootfs(self.apt(), out, suite)) / "root.squashfs"

    def tool(self, name: str) -> Path:
        source = HERE / f"{name}.c"
        recipe = {"format": 2, "source": source.read_text(), "link": TOOLS[name]}
        return self._artefact(name, recipe, lambda out: build_tool(out / name, source, TOOLS[name])) / name

    def all(self) -> None:
        for name in TOOLS:
            self.tool(name)
        self.rootfs()
        for role in KERNEL_ROLES:
            self.kernel(role)

    def apt(self) -> Apt:
        """Made when something is to be built, and then only once."""
        self._apt = self._apt or Apt()
        return self._apt

    def _artefact(self, name: str, recipe: dict, build: Callable[[Path], None]) -> Path:
        key = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:12]
        final = self.cache / f"{name}-{key}"
        self.cache.mkdir(parents=True, exist_ok=True)
        with exclusive(self.cache / f".{name}.lock"):
            if final.is_dir() and not self.refresh:
                return final
            print(f"virtual WOPR: building {name} in {self.cache}", file=sys.stderr, flush=True)
            work = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=self.cache))
            try:
                build(work)
                shutil.rmtree(final, ignore_errors=True)
                work.rename(final)  # whole or not at all
                final.chmod(0o755)
            finally:
                shutil.rmtree(work, ignore_errors=True)
        return final


@contextlib.contextmanager
def exclusive(lock: Path) -> Iterator[None]:
    with open(lock, "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def host_distribution() -> tuple[str, str]:
    fields = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', Path("/etc/os-release").read_text(), re.M))
    return fields.get("ID", ""), fields.get("VERSION_CODENAME", "")


def command(argv: list[str], **kwargs) -> str:
    """Runs one build step; what it wrote is shown only when it fails."""
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              stdin=kwargs.pop("stdin", subprocess.DEVNULL), **kwargs)
    except FileNotFoundError:
        raise BuildError(f"'{argv[0]}' is not installed: ./bootstrap installs it") from None
    if done.returncode != 0:
        raise BuildError(f"{' '.join(map(str, argv))}\nfailed with status {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


class Apt:
    """This machine's package sources with lists of our own, fresh ones: its own may be stale or cleaned away."""

    def __init__(self) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="wopr-apt-")  # goes with this object
        directory = Path(self._scratch.name)
        for folder in ("lists/partial", "cache/archives/partial"):
            (directory / folder).mkdir(parents=True)
        config = directory / "apt.conf"
        config.write_text(f'Dir::State::Lists "{directory}/lists";\nDir::Cache "{directory}/cache";\n')
        self.environment = {**os.environ, "APT_CONFIG": str(config), "LC_ALL": "C"}
        self.run("apt-get", "update")

    def run(self, *words: str, cwd: str | None = None) -> str:
        return command(list(words), cwd=cwd, env=self.environment)

    def depends(self, package: str) -> list[str]:
        text = self.run("apt-cache", "depends", "--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks",
                        "--no-replaces", "--no-enhances", package)
        return re.findall(r"^\s+(?:Pre)?Depends: ([^\s<>]+)", text, re.M)


# --- kernel ---------------------------------------------------------------------------------------------

def build_kernel(apt: Apt, out: Path, packages: list[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="wopr-kernel-") as scratch:
        names = kernel_closure(apt, packages)
        apt.run("apt-get", "download", *names, cwd=scratch)
        tree = Path(scratch) / "tree"
        for package in Path(scratch).glob("*.deb"):
            command(["dpkg", "-x", str(package), str(tree)])
        images = sorted(tree.glob("boot/vmlinuz-*"))
        if len(images) != 1:
            raise BuildError(f"expected one kernel in {names}, found {[i.name for i in images]}")
        release = images[0].name.removeprefix("vmlinuz-")
        shutil.copy(images[0], out / "vmlinuz")
        (out / "vmlinuz").chmod(0o644)
        (out / "release").write_text(release + "\n")
        modules = ModuleTree(next(d for d in (tree / "usr/lib/modules" / release, tree / "lib/modules" / release)
                                  if d.is_dir()))
        entries: list[CpioEntry] = [CpioEntry("modules", 0o40755)]
        order = modules.in_load_order(MODULES)
        entries += [CpioEntry(f"modules/{name}.ko", 0o100644, modules.read(name)) for name in order]
        entries.append(CpioEntry("modules/order", 0o100644, "".join(f"{n}.ko\n" for n in order).encode()))
        (out / "modules.cpio").write_bytes(cpio(entries))


def kernel_closure(apt: Apt, packages: list[str]) -> list[str]:
    """The versioned image and module packages a kernel metapackage stands for."""
    found: list[str] = []
    todo = list(packages)
    while todo:
        for name in apt.depends(todo.pop()):
            if re.match(r"linux-(image|modules)(-unsigned|-extra)?-\d", name) and name not in found:
                found.append(name)
                todo.append(name)
    if not found:
        raise BuildError(f"apt knows no kernel behind {packages}: this release has none (see KERNEL_PACKAGES in images.py)")
    return found


class ModuleTree:
    """A kernel's modules as shipped: no modules.dep yet, so dependencies are read from the modules themselves."""

    def __init__(self, root: Path):
        self.paths = {canonical(p.name): p for p in root.rglob("*.ko*")}
        self.builtin = {canonical(Path(line).name)
                        for line in (root / "modules.builtin").read_text().splitlines()}

    def read(self, name: str) -> bytes:
        path = self.paths[name]
        if path.suffix == ".xz":  # busybox insmod reads plain modules only
            return lzma.decompress(path.read_bytes())
        if path.suffix == ".zst":
            return subprocess.run(["zstd", "-dcq", str(path)], check=True, stdout=subprocess.PIPE).stdout
        return path.read_bytes()

    def depends(self, name: str) -> list[str]:
        match = re.search(rb"\0depends=([^\0]*)\0", self.read(name))
        return [canonical(d) for d in match.group(1).decode().split(",") if d] if match else []

    def in_load_order(self, wanted: list[str]) -> list[str]:
        order: list[str] = []

        def visit(name: str) -> None:
            if name in order or name in self.builtin:
                return
            if name not in self.paths:
                raise BuildError(f"kernel module '{name}' is neither built in nor in the package")
            for needed in self.depends(name):
                visit(needed)
            order.append(name)

        for name in wanted:
            visit(name)
        return order


def canonical(file_name: str) -> str:
    return file_name.split(".ko")[0].replace("-", "_")


# --- initramfs archive ----------------------------------------------------------------------------------

@dataclass(frozen=True)
class CpioEntry:
    name: str
    mode: int  # file type and permissions, as in stat
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def cpio(entries: list[CpioEntry]) -> bytes:
    """A 'newc' archive, the one the kernel unpacks (Documentation/driver-api/early-userspace/buffer-format.rst)."""
    out = bytearray()
    for inode, entry in enumerate([*entries, CpioEntry("TRAILER!!!", 0)], start=1):
        name = entry.name.encode() + b"\0"
        fields = [inode, entry.mode, 0, 0, 1, 0, len(entry.data), 0, 0, *entry.device, len(name), 0]
        out += b"070701" + b"".join(b"%08X" % f for f in fields) + name
        out += b"\0" * (-len(out) % 4)
        out += entry.data
        out += b"\0" * (-len(out) % 4)
    return bytes(out)


# --- root file system -----------------------------------------------------------------------------------

def build_rootfs(apt: Apt, out: Path, suite: str) -> None:
    packages = GUEST_PACKAGES + runtime_libraries(apt, PRODUCT_DEV_PACKAGES)
    tar = out / "root.tar"
    command(["mmdebstrap", "--variant=minbase", "--format=tar", "--include=" + ",".join(packages),
             *(f"--dpkgopt=path-exclude=/usr/share/{d}/*" for d in ("doc", "man", "locale", "info")),
             *(f"--customize-hook={hook}" for hook in CUSTOMIZE_HOOKS),
             suite, str(tar), *map(str, apt_source_files())])
    with open(tar, "rb") as handle:  # lz4: the guest unpacks it under emulation
        command(["tar2sqfs", "--quiet", "--compressor", "lz4", str(out / "root.squashfs")], stdin=handle)
    tar.unlink()


def apt_source_files() -> list[Path]:
    listed = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    files = [f for f in listed if f.suffix in (".list", ".sources") and f.is_file()
             and re.search(r"^\s*(deb\s|types:)", f.read_text(), re.M | re.I)]
    if not files:
        raise BuildError("this machine has no apt sources in /etc/apt: the guest is built from them")
    return files


def runtime_libraries(apt: Apt, dev_packages: list[str]) -> list[str]:
    """The libraries a program built against these development packages needs when it runs."""
    found: list[str] = []
    seen: set[str] = set()
    todo = list(dev_packages)
    while todo:
        name = todo.pop(0)
        if name in seen:
            continue
        seen.add(name)
        if name.endswith("-dev"):
            todo += [d for d in apt.depends(name) if d.startswith("lib")]
        elif name.startswith("lib"):
            found.append(name)
    return found


def build_tool(out: Path, source: Path, link: tuple[str, ...]) -> None:
    command(["cc", "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(out), str(source), *link])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE, help="where images are kept (default: %(default)s)")
    parser.add_argument("--refresh", action="store_true", help="build again what is already there")
    args = parser.parse_args()
    try:
        Images(args.cache, args.refresh).all()
    except BuildError as error:
        print(f"images.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
