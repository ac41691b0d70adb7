# SPDX-License-Identifier: GPL-2.0-or-later
"""A history that is sound as a file and holds numbers nobody ever wrote: the real service starts, counts, and answers whoever asks."""
import os
import sqlite3

import pytest

from client import MANAGER, ROOT
from test_history import PORT, ask, read_all, wait_for_count
from test_lost_history import lifetime

# The first of these once kept the service from starting for ever; the others too, or they ended it at an ordinary user's question.
READ_AT_THE_START = [
    "UPDATE total SET side=side+7", "UPDATE total SET count='many'", "UPDATE total SET token=token+1000", "UPDATE link SET port='nowhere'",
    "UPDATE ledger SET text=json_set(text, '$.trend.step', 0)", "UPDATE ledger SET text=json_set(text, '$.epoch.exposure.loaded', -1)",
    "UPDATE end_state SET text='{}'", "UPDATE boot SET last=9223372036854775807", "UPDATE meta SET value=x'00' WHERE key='boot'"]
READ_WHEN_ASKED = [
    "UPDATE delta SET side=7", "UPDATE delta SET severity=-1", "UPDATE delta SET until=9223372036854775807", "UPDATE delta SET evidence='sure'",
    "UPDATE observed SET watched=-9223372036854775808", "UPDATE verdict SET grade=2147483648", "UPDATE state SET speed=x'ff'",
    "UPDATE event SET kind=99", "UPDATE watch SET ended=2"]


def change(file, statement):
    connection = sqlite3.connect(file)
    assert connection.execute(statement).rowcount > 0
    connection.commit()
    connection.close()


def question(client, by):
    reader, writer = os.pipe()
    ask(client, writer, by=by)
    os.close(writer)
    lines = read_all(reader)
    os.close(reader)
    return lines


@pytest.fixture
def changed(daemon, connect, tmp_path):
    """The service with some history, whose file somebody has changed while it was not running; the counts it had before."""
    def begin(statement):
        client = connect()
        before = lifetime(client)
        daemon.add_errors(PORT, "BadTLP", 3)
        wait_for_count(client, "BadTLP", before + 3)
        daemon.stop()
        change(tmp_path / "state" / "history.db", statement)
        daemon.start()
        return before + 3

    return begin


def counts_on(daemon, client):
    before = lifetime(client)
    daemon.add_errors(PORT, "BadTLP", 5)
    wait_for_count(client, "BadTLP", before + 5)
    for by in ("hour", "day", "boot", "epoch", "record"):
        assert question(client, by)[-1]["kind"] in ("end", "error")
    daemon.add_errors(PORT, "BadTLP", 5)
    wait_for_count(client, "BadTLP", before + 10)


@pytest.mark.parametrize("statement", READ_AT_THE_START)
def test_it_starts_and_counts(daemon, connect, changed, tmp_path, statement):
    changed(statement)
    client = connect()
    counts_on(daemon, client)
    daemon.stop()
    daemon.start()
    client = connect()
    assert client.all(ROOT, MANAGER)["Degraded"] == ""
    assert lifetime(client) >= 13, "of this boot nothing is lost"
    assert list((tmp_path / "state").glob("history.db.damaged-*Z"))


@pytest.mark.parametrize("statement", READ_WHEN_ASKED)
def test_a_question_harms_nothing(daemon, connect, changed, statement):
    before = changed(statement)
    client = connect()
    assert lifetime(client) == before
    counts_on(daemon, client)
    assert lifetime(client) == before + 10
