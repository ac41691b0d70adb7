# SPDX-License-Identifier: GPL-2.0-or-later
"""The package as a file: what is in it, what lintian thinks, and what installing it would run."""
from __future__ import annotations

import gzip
import re
import subprocess
from pathlib import Path

GOLDEN = Path(__file__).with_name("listing.txt")


def listing(deb: Path) -> list[str]:
    """'drwxr-xr-x root/root /usr/bin/' per entry; sizes and times left out."""
    rows = subprocess.run(["dpkg-deb", "--contents", deb], check=True, capture_output=True, text=True).stdout
    found = []
    for row in rows.splitlines():
        mode, owner, _, _, _, name = row.split(maxsplit=5)
        found.append(f"{mode} {owner} {name.removeprefix('.')}")
    return sorted(found, key=lambda entry: entry.split()[-1])


def fields(control: Path) -> dict[str, str]:
    text = (control / "control").read_text()
    return dict(re.findall(r"^([\w-]+): (.*)$", text, re.M))


def test_everything_is_where_the_listing_says(deb):
    wanted = [line for line in GOLDEN.read_text().splitlines() if not line.startswith("#")]
    assert listing(deb) == wanted, f"after a wanted change put what is here into {GOLDEN}"


def test_cmake_install_gives_the_same_tree(tree, tmp_path, deb):
    build = deb.parent.parent
    subprocess.run(["cmake", "--install", build], check=True, capture_output=True, env={"DESTDIR": str(tmp_path),
                   "PATH": "/usr/bin:/bin"})
    def files(root):
        return {str(f.relative_to(root)) for f in root.rglob("*") if not f.is_dir()}
    assert files(tmp_path) == files(tree)


def test_lintian_finds_no_error(deb):
    done = subprocess.run(["lintian", "--allow-root", "--tag-display-limit", "0", deb], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not re.search(r"^E: ", done.stdout, re.M), done.stdout


def test_what_is_there_already_is_not_shipped_twice(control):
    depends = fields(control)["Depends"]
    for library in ("libc6", "libpci3", r"libfmt\d+"):  # fmt breaks its ABI with each major version
        assert re.search(rf"\b{library}\b", depends), f"dpkg-shlibdeps did not find {library}: {depends}"
    assert "dbus-system-bus" in depends


def test_the_configuration_is_a_conffile(tree, control):
    named = (control / "conffiles").read_text().split()
    in_etc = [f"/{f.relative_to(tree)}" for f in (tree / "etc").rglob("*") if f.is_file()]
    assert named == in_etc == ["/etc/wopr-aer/wopr-aer.toml"]


def test_programs_are_stripped_and_hardened(tree):
    programs = [tree / "usr/bin/wopr-aer", *(tree / "usr/libexec/wopr-aer").iterdir()]
    for program in programs:
        headers = subprocess.run(["readelf", "--file-header", "--program-headers", "--dynamic", "--sections", "--wide", program],
                                 check=True, capture_output=True, text=True).stdout
        assert re.search(r"Type:\s+DYN", headers), f"{program.name} is not position-independent"
        assert "GNU_RELRO" in headers and re.search(r"FLAGS_1.*NOW", headers), f"{program.name}: relocations stay writable"
        assert re.search(r"GNU_STACK.*RW ", headers), f"{program.name} has an executable stack"
        assert ".symtab" not in headers, f"{program.name} is not stripped"


def test_no_place_of_the_build_is_in_the_programs(tree):
    source = str(Path(__file__).resolve().parents[2]).encode()
    for file in tree.rglob("*"):
        if file.is_file() and not file.is_symlink():
            assert source not in file.read_bytes(), f"{file} names the directory it was built in"


def test_maintainer_scripts_are_sound_shell(control):
    for name in ("postinst", "prerm", "postrm"):
        script = control / name
        subprocess.run(["sh", "-n", script], check=True)
        text = script.read_text()
        assert "set -e" in text
        assert not re.search(r"\bsystemctl\b.*\b(enable|start)\b", re.sub(r"#.*", "", text)), \
            f"{name} starts or enables what only its owner should"


def test_manual_pages_are_complete_and_render_without_warning(tree):
    programs = {"wopr-aerd": 8, "wopr-aer-probe": 8, "wopr-aer.toml": 5}
    for name, section in programs.items():
        page = tree / f"usr/share/man/man{section}/{name}.{section}.gz"
        text = gzip.decompress(page.read_bytes())
        done = subprocess.run(["groff", "-mandoc", "-ww", "-Tutf8", "-z", "-K", "utf8"], input=text, capture_output=True)
        assert done.returncode == 0 and not done.stderr, done.stderr.decode()


def test_manual_pages_name_every_option_of_their_program(tree):
    page = gzip.decompress((tree / "usr/share/man/man8/wopr-aer-probe.8.gz").read_bytes()).decode()
    said = subprocess.run([tree / "usr/libexec/wopr-aer/wopr-aer-probe", "--help"], check=True, capture_output=True,
                          text=True).stdout
    for option in re.findall(r"--([a-z-]+)", said):
        assert f"Fl -{option}" in page, f"wopr-aer-probe.8 does not tell of --{option}"


def test_copyright_and_changelog_are_debians(tree, control):
    documents = tree / "usr/share/doc/wopr-aer"
    assert (documents / "copyright").read_text().startswith("Format: https://www.debian.org/doc/packaging-manuals/")
    first = gzip.decompress((documents / "changelog.gz").read_bytes()).decode().splitlines()[0]
    assert f"({fields(control)['Version']})" in first
