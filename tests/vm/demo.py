#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Boots the virtual WOPR, installs the package, plays a short ZeRO-3 run with a marginal riser in PCIE3 under the eyes of
the service, and shows what its owner sees: the journal and the status.

    demo.py --deb FILE | --install-tree DIR [--cache DIR] [--seed N]
"""
from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

import aer
import product
import service
from channel import GuestError
from images import DEFAULT_CACHE, BuildError, Images
from machine import Machine, MachineError, Setup, pack_product

SLOT, SIDE = "PCIE3", "port"  # the port end receives what the GPU sends: the riser's return pairs
ERRORS = 12
MEAN_GAP_MS = 1900


def say(text: str) -> None:
    print(text, flush=True)


def zero3_run(seed: int) -> list[aer.Error]:
    """A dozen errors at random instants, as a heavy all-gather over a weak link gives them; one seed, one run."""
    dice = random.Random(seed)
    return [aer.Error(SLOT, SIDE, (dice.choice(("BadTLP", "BadTLP", "RxErr")),),
                      gap_ms=int(min(dice.expovariate(1 / MEAN_GAP_MS), 6000))) for _ in range(ERRORS)]


def play(wopr: Machine, errors: list[aer.Error]) -> None:
    began = time.monotonic()
    run = aer.start_paced(wopr, *errors)
    for error in errors:
        if run.next_line(60, "stderr") is None:
            break
        say(f"{time.monotonic() - began:7.1f} s  {' '.join(error.tokens):<7} received at the {error.side} end of {error.slot}")
    run.finish()


def shell(wopr: Machine, command: str, user: str = "owner") -> None:
    prompt = "#" if user == "root" else "$"
    say(f"\n{prompt} {command}")
    say(wopr.guest.run(command, user=user).stdout.rstrip())


def shown_errors(wopr: Machine) -> int:
    return sum(product.ends(product.status(wopr))[SLOT, SIDE].values())


def demo(args: argparse.Namespace, scratch: Path) -> None:
    disk = pack_product(scratch / "product.squashfs", args.install_tree, args.deb)
    say("Powering on a virtual ROMED8-2T with a device in each of its seven slots ...")
    with Machine(Images(args.cache), Setup(product=disk)) as wopr:
        wopr.wait_services()
        say(f"Linux {wopr.guest.run('uname -r').stdout.strip()} is up after {wopr.boot_seconds:.0f} s. "
            "Installing the package, starting the service ...")
        product.prepare(wopr)
        service.start(wopr)
        say("A ZeRO-3 run begins:")
        play(wopr, zero3_run(args.seed))
        if not service.within(10, lambda: shown_errors(wopr) == ERRORS):
            raise GuestError(f"the service shows {shown_errors(wopr)} errors at the {SIDE} end of {SLOT}, not {ERRORS}")
        say("The run is over. What the journal says of that slot, and, to an ordinary user, the status:")
        shell(wopr, f"journalctl --output=cat WOPR_SLOT={SLOT}", user="root")
        shell(wopr, "wopr-aer status")
        wopr.power_off()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--install-tree", type=Path, help="tree made by DESTDIR=DIR cmake --install")
    parser.add_argument("--deb", type=Path, help="package to install in the guest instead")
    parser.add_argument("--cache", "--vm-cache", type=Path, default=DEFAULT_CACHE, help="where images are kept")
    parser.add_argument("--seed", type=int, default=3, help="which run is played (default: %(default)s)")
    args = parser.parse_args()
    if not args.install_tree and not args.deb:
        parser.error("say where the product is: --install-tree DIR or --deb FILE")
    try:
        with tempfile.TemporaryDirectory(prefix="wopr-demo-") as scratch:
            demo(args, Path(scratch))
    except (BuildError, MachineError, GuestError) as error:
        print(f"demo.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
