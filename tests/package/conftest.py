# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures of the package tests, which need no machine and no root.

    /usr/bin/python3 -m pytest tests/package -q --deb FILE

What cmake --install puts where, and the .deb made of it, are tested on the package; the probe is run from it.
"""
from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("package")
    group.addoption("--deb", type=Path, help="the package (default: the one in build/release/package)")


@pytest.fixture(scope="session")
def deb(request: pytest.FixtureRequest) -> Path:
    named = request.config.getoption("--deb")
    found = [named] if named else sorted((REPOSITORY / "build/release/package").glob("wopr-aer_*.deb"))
    if len(found) != 1 or not found[0].is_file():
        pytest.fail(f"expected one package, found {found or 'none'}: build it with ./bootstrap package")
    return found[0]


@pytest.fixture(scope="session")
def tree(deb: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's files, unpacked."""
    where = tmp_path_factory.mktemp("tree")
    subprocess.run(["dpkg-deb", "--extract", deb, where], check=True)
    return where


@pytest.fixture(scope="session")
def control(deb: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its control files: scripts, conffiles, dependencies."""
    where = tmp_path_factory.mktemp("control")
    subprocess.run(["dpkg-deb", "--control", deb, where], check=True)
    return where


@pytest.fixture(scope="session")
def fixture_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The faked ROMED8-2T with seven GPUs, to be read with --sysroot."""
    where = tmp_path_factory.mktemp("machines")
    make = REPOSITORY / "tests/fixtures/make.py"
    subprocess.run(["/usr/bin/python3", make, "wopr", "--out", where], check=True)
    return where / "wopr"
