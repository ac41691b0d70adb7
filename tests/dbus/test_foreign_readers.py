# SPDX-License-Identifier: GPL-2.0-or-later
"""Somebody looks at the history's file with a program of his own while the real service writes it: nothing is lost by it."""
import subprocess
import sys

import pytest

from bus import DEADLINE
from test_history import PORT, history, wait_for_count
from test_lost_history import lifetime

READER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
while sys.stdin.readline():
    print(connection.execute("SELECT coalesce(sum(count), 0) FROM total JOIN token ON token.id=token WHERE name='BadTLP'").fetchone()[0], flush=True)
connection.close()
"""


class Reader:
    def __init__(self, file):
        self._process = subprocess.Popen([sys.executable, "-c", READER, file], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def total(self):
        self._process.stdin.write("?\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def leave(self):
        self._process.stdin.close()
        assert self._process.wait(DEADLINE) == 0
        self._process.stdout.close()


def look(file):
    reader = Reader(file)
    total = reader.total()
    reader.leave()
    return total


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_two_in_a_row_and_the_second_stays(daemon, connect, tmp_path, end):
    file = tmp_path / "state" / "history.db"
    client = connect()
    counted = lifetime(client)
    history(client)  # whatever was counted is on the disk when this is answered
    before = look(file)
    second = Reader(file)
    assert second.total() == before
    for so_far in range(10, 101, 10):
        daemon.add_errors(PORT, "BadTLP", 10)
        wait_for_count(client, "BadTLP", counted + so_far)
        history(client)
    assert second.total() == before + 100
    assert not [line for line in history(client) if line["kind"] == "error"]
    getattr(daemon, end)()
    assert second.total() == before + 100
    assert look(file) == before + 100
    second.leave()
    assert look(file) == before + 100
    daemon.start()
