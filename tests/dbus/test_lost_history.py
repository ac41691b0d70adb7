# SPDX-License-Identifier: GPL-2.0-or-later
"""The file of the history is damaged or goes while the real service writes it: told at once, told for good, and no count missing."""
import pytest

from client import LINK, MANAGER, ROOT
from test_history import PCIE3, PORT, history, wait_for_count

OVERWRITTEN = b"not a page of any database, " * 146
FILES = ["history.db", "history.db-wal", "history.db-shm"]


def remove(directory):
    for name in FILES:
        (directory / name).unlink()


def overwrite(directory):
    with (directory / "history.db").open("r+b") as file:
        file.write(OVERWRITTEN)


def lifetime(client):
    return client.all(PCIE3, LINK)["Lifetime"]["port"].get("correctable", {}).get("BadTLP", 0)


def degraded_values(signals):
    """Of the manager, in the order told."""
    return [changed["Degraded"] for path, name, (_, changed, _) in
            (signal for signal in signals if signal[0] == ROOT and signal[1] == "PropertiesChanged") if "Degraded" in changed]


@pytest.mark.parametrize("lose, fate", [(remove, "was removed"), (overwrite, "was damaged and is kept as history.db.damaged-")])
def test_a_lost_file_is_told_at_once_and_for_good(daemon, connect, tmp_path, lose, fate):
    client = connect()
    before = lifetime(client)
    daemon.add_errors(PORT, "BadTLP", 3)
    wait_for_count(client, "BadTLP", before + 3)
    client.heard()
    lose(tmp_path / "state")
    daemon.add_errors(PORT, "BadTLP", 4)
    client.wait_until(lambda signals: degraded_values(signals)[-1:] == [""])
    reason, end = degraded_values(client.signals)
    assert "history.db" in reason and end == ""
    assert client.all(ROOT, MANAGER)["Degraded"] == ""
    (note,) = (note for note in client.all(ROOT, MANAGER)["Notes"] if note.startswith("The history was begun anew on 20"))
    assert fate in note and note.endswith("; the new one begins with the totals and grades of before."), note
    assert len(list((tmp_path / "state").glob("history.db.damaged-*Z"))) == (lose is overwrite)
    daemon.kill()
    daemon.start()
    assert lifetime(connect()) == before + 7, "the new file has what the old one had"


def test_a_log_that_is_taken_away_is_told_and_costs_nothing(daemon, connect, tmp_path):
    client = connect()
    before = lifetime(client)
    daemon.add_errors(PORT, "BadTLP", 3)
    wait_for_count(client, "BadTLP", before + 3)
    history(client)
    client.heard()
    for name in FILES[1:]:
        (tmp_path / "state" / name).unlink()
    daemon.add_errors(PORT, "BadTLP", 4)
    client.wait_until(lambda signals: degraded_values(signals)[-1:] == [""])
    reason, end = degraded_values(client.signals)
    assert "its log was removed by another program" in reason and end == ""
    assert not [note for note in client.all(ROOT, MANAGER)["Notes"] if "begun anew" in note]
    daemon.kill()
    daemon.start()
    assert lifetime(connect()) == before + 7
    assert not list((tmp_path / "state").glob("history.db.damaged-*"))


def test_a_file_lost_just_before_the_end_is_begun_anew(daemon, connect, tmp_path):
    client = connect()
    before = lifetime(client)
    daemon.add_errors(PORT, "BadTLP", 3)
    wait_for_count(client, "BadTLP", before + 3)
    remove(tmp_path / "state")
    daemon.stop()
    daemon.start()
    assert lifetime(connect()) == before + 3


def test_a_file_damaged_while_nobody_looked_is_told_of_at_the_start(daemon, connect, tmp_path):
    client = connect()
    daemon.add_errors(PORT, "BadTLP", 3)
    wait_for_count(client, "BadTLP", lifetime(client) + 1)
    daemon.stop()
    overwrite(tmp_path / "state")
    daemon.start()
    client = connect()
    client.listen()

    def note():
        return next((note for note in client.all(ROOT, MANAGER)["Notes"] if "begun anew" in note), "")

    while not note():
        client.wait_until(lambda signals: signals)
        client.heard()
    assert "is kept as history.db.damaged-" in note() and note().endswith("begins with what the kernel has counted since boot.")
