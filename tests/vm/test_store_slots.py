# SPDX-License-Identifier: GPL-2.0-or-later
"""Cards that change places and bus numbers that change hands: history stays with the slot, and knows the card."""
from __future__ import annotations

import json
from collections import Counter

import pytest

import aer
import board
import ledger
import product
from ledger import FILE
from machine import Machine, Setup, make_data_disk
from service import UNIT, within

pytestmark = pytest.mark.machine("cards that change places")
# PCIE3 and PCIE6 hold the cards that change places; PCIE1 holds a switch with a card behind it.
BEFORE = dict(board.DEFAULT_ENDPOINTS, PCIE3="card1", PCIE6="card2", PCIE1=("card3",))
# A switch more on the same host bridge, at a lower address: what PCIE1's bridges lead to is numbered anew.
AFTER = BEFORE | {"PCIE7": (None, None)}
CONFIG = f'[gpus]\nalso = ["1af4:1044", "{board.CARD_MODEL}"]\n'
BEHIND = f"{board.SLOTS['PCIE1'].port}/00.0/00.0"  # the path of the link between the switch and its card
PATHS = {name: slot.port for name, slot in board.SLOTS.items()} | {"behind": BEHIND}


class Books:
    """What has been injected, by path and side, and by card."""

    def __init__(self) -> None:
        self.ends: dict[tuple[str, str], Counter] = {}
        self.cards: dict[str, Counter] = {}

    def inject(self, machine: Machine, where: str, side: str, card: str, token: str, count: int) -> None:
        function = functions(machine, where)[side]
        machine.guest.run([aer.INJECT, f"{function},cor={aer.COR_BITS[token]:#x},uncor=0x0,count={count},gap=50"])
        self.ends.setdefault((PATHS[where], side), Counter())[token] += count
        self.cards.setdefault(board.CARD_KEYS[card], Counter())[token] += count


def functions(machine: Machine, where: str) -> dict[str, str]:
    """Addresses of both ends of a link, as the guest numbered them."""
    if where != "behind":
        return {side: aer.function_at(machine, where, side) for side in aer.SIDES}
    function = "????:??:??.?"
    found = machine.guest.run(f"cd /sys/bus/pci/devices/{board.SLOTS['PCIE1'].port}/ && ls -d {function}/{function}/{function}")
    _, port, device = found.stdout.strip().split("/")
    return {"port": port, "device": device}


def history(machine: Machine, by: str = "day") -> dict[str, dict]:
    """By path."""
    done = machine.guest.run(["wopr-aer", "history", "--json", "--by", by], user="owner", timeout=60)
    return {slot["path"]: slot for slot in json.loads(done.stdout)["slots"]}


def sums(machine: Machine, by: str = "day") -> dict[tuple[str, str], Counter]:
    found: dict[tuple[str, str], Counter] = {}
    for path, slot in history(machine, by).items():
        for bucket in slot["buckets"]:
            for side, severities in bucket["counts"].items():
                for tokens in severities.values():
                    found.setdefault((path, side), Counter()).update(tokens)
    return found


def marks(machine: Machine) -> dict[str, list[str]]:
    return {path: [mark["by"] for mark in slot["marks"]] for path, slot in history(machine).items() if slot["marks"]}


def cards_are_read(machine: Machine) -> bool:
    """The registers of every card, its serial number among them, have come from root's helper."""
    links = [link for link in product.status(machine)["slots"] if link["functions"]]
    return all(link["evidence"]["verified"] for link in links if link["slot"] in ("PCIE1", "PCIE3", "PCIE6"))


def serve(machine: Machine) -> None:
    product.prepare(machine)
    machine.guest.put("/etc/wopr-aer/wopr-aer.d/zz-cards.toml", CONFIG)
    ledger.start(machine)
    assert within(60, lambda: ledger.running(machine) and cards_are_read(machine)), product.status(machine)["slots"]


def exchange(machine: Machine) -> None:
    """Cards 1 and 2 change places while the machine runs."""
    for slot in ("PCIE3", "PCIE6"):
        machine.qmp.execute("device_del", id=board.SLOTS[slot].device_id)
    for slot in ("PCIE3", "PCIE6"):
        machine.wait_unplugged(slot)
    machine.plug("PCIE3", "card2")
    machine.plug("PCIE6", "card1")
    assert within(60, lambda: all(product.link(product.status(machine), slot)["device"] for slot in ("PCIE3", "PCIE6"))
                  and cards_are_read(machine)), product.status(machine)["slots"]


def stored(machine: Machine, sql: str) -> list[tuple]:
    """Out of the file, of a service that was stopped."""
    script = (f"import json, sqlite3; print(json.dumps(sqlite3.connect('file:{FILE}?mode=ro', uri=True)"
              f".execute({sql!r}).fetchall()))")
    return [tuple(row) for row in json.loads(machine.guest.run(["python3", "-c", script]).stdout)]


def test_history_is_the_slots_wherever_cards_and_bus_numbers_go(images, product_disk, tmp_path):
    disk = make_data_disk(tmp_path / "data.img", 64)
    books = Books()

    def machine(endpoints: dict) -> Machine:
        return Machine(images, Setup(product=product_disk, data_disk=disk, endpoints=tuple(endpoints.items()),
                                     one_thread=True))

    with machine(BEFORE) as running:
        serve(running)
        books.inject(running, "PCIE3", "device", "card1", "RxErr", 3)
        books.inject(running, "PCIE3", "port", "card1", "BadDLLP", 2)
        books.inject(running, "PCIE6", "device", "card2", "BadTLP", 4)
        books.inject(running, "behind", "device", "card3", "RxErr", 5)
        books.inject(running, "behind", "port", "card3", "BadTLP", 1)
        assert within(30, lambda: sums(running) == books.ends), (sums(running), books.ends)
        # Each card is the one it was, though its serial number is read after the first errors are counted.
        running.guest.run(f"systemctl restart {UNIT}", timeout=60)
        assert within(60, lambda: ledger.running(running) and cards_are_read(running))
        assert sums(running) == books.ends
        assert marks(running) == {}

        exchange(running)
        changed = {PATHS["PCIE3"]: ["card changed"], PATHS["PCIE6"]: ["card changed"]}
        assert within(30, lambda: marks(running) == changed), marks(running)
        books.inject(running, "PCIE3", "device", "card2", "RxErr", 1)
        books.inject(running, "PCIE6", "device", "card1", "BadTLP", 6)
        assert within(30, lambda: sums(running) == books.ends), (sums(running), books.ends)
        was = functions(running, "behind")
        running.power_off()

    # The cards are back where they were, and PCIE7 holds a switch now.
    changed = {path: by * 2 for path, by in changed.items()} | {PATHS["PCIE7"]: ["card changed"]}
    with machine(AFTER) as running:
        serve(running)
        assert set(functions(running, "behind").values()).isdisjoint(was.values()), (functions(running, "behind"), was)
        assert within(30, lambda: marks(running) == changed), marks(running)
        assert sums(running) == books.ends
        for where, card, token in (("PCIE3", "card1", "RxErr"), ("PCIE6", "card2", "BadTLP"), ("behind", "card3", "RxErr")):
            books.inject(running, where, "device", card, token, 2)
        assert within(30, lambda: sums(running) == books.ends), (sums(running), books.ends)
        for by in ("hour", "boot", "epoch"):
            assert sums(running, by) == books.ends
        running.guest.run(["systemctl", "stop", UNIT], timeout=60)
        lodgers = stored(running, "SELECT path, key FROM occupancy o JOIN link l ON l.id=o.link JOIN card c ON c.id=o.card "
                                  "WHERE serial<>'' ORDER BY o.id")
        one, two, three = (board.CARD_KEYS[f"card{n}"] for n in (1, 2, 3))
        assert [key for path, key in lodgers if path == PATHS["PCIE3"]] == [one, two, one]
        assert [key for path, key in lodgers if path == PATHS["PCIE6"]] == [two, one, two]
        assert [key for path, key in lodgers if path == BEHIND] == [three]
        blamed: dict[str, Counter] = {}
        for key, token, count in stored(running, "SELECT key, t.name, sum(count) FROM delta JOIN card c ON c.id=delta.card "
                                                 "JOIN token t ON t.id=token WHERE serial<>'' GROUP BY key, t.name"):
            blamed.setdefault(key, Counter())[token] += count
        assert blamed == books.cards
