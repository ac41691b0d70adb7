# SPDX-License-Identifier: GPL-2.0-or-later
"""The history of the real service and its marks: what is asked well, badly, rudely, and far too often."""
import json
import os
import select
import subprocess
import time

import pytest
from gi.repository import Gio, GLib

import statuses
from bus import DEADLINE
from client import CONTROL, LINK, MANAGER, NAME, ROOT
from rude import blob
from rude import connect as connect_rudely

NOBODY = 65534
PORT = "0000:c0:01.1"
PCIE3 = statuses.path(PORT)
MOST_READERS = 8


def ask(client, pipe, by="day", ports=(), since=0, until=0):
    fds = Gio.UnixFDList.new()
    fds.append(pipe)
    client.connection.call_with_unix_fd_list_sync(
        NAME, ROOT, MANAGER, "History", GLib.Variant("(sastth)", (by, list(ports), since, until, 0)), None,
        Gio.DBusCallFlags.NO_AUTO_START, int(DEADLINE * 1000), fds, None)


def read_all(reader):
    text = b""
    while True:
        ready, _, _ = select.select([reader], [], [], DEADLINE)
        assert ready, "no end to the answer"
        more = os.read(reader, 1 << 16)
        if not more:
            return [json.loads(line) for line in text.splitlines() if line]
        text += more


def history(client, **query):
    reader, writer = os.pipe()
    try:
        ask(client, writer, **query)
    finally:
        os.close(writer)
    lines = read_all(reader)
    os.close(reader)
    assert lines.pop() == {"kind": "end"}
    return lines


def until_free(action):
    """What is refused only because too many were at it."""
    begun = time.monotonic()
    while True:
        try:
            return action()
        except GLib.Error as error:
            assert "LimitsExceeded" in str(error) and time.monotonic() - begun < DEADLINE, error


def mark(client, text="redriver fitted", path=PCIE3):
    return client.call(ROOT, CONTROL, "Mark", "(os)", path, text)


def undo(client, path=PCIE3):
    return client.call(ROOT, CONTROL, "UndoMark", "(o)", path)


def mark_at(client, at, text="yesterday's", path=PCIE3):
    return client.call(ROOT, CONTROL, "MarkAt", "(ost)", path, text, at)


def marks(client):
    return [line for line in history(client, by="epoch", ports=[PORT]) if line["kind"] == "mark"]


def alive(client):
    return client.all(ROOT, MANAGER)["Degraded"] == ""


def now():
    return time.time_ns() // 1000


def wait_for_count(client, token, count):
    """Until the service has sampled this many in its lifetime."""
    client.listen()
    begun = time.monotonic()
    while client.all(PCIE3, LINK)["Lifetime"]["port"].get("correctable", {}).get(token, 0) < count:
        assert time.monotonic() - begun < DEADLINE
        client.wait_until(lambda signals: signals)
        client.heard()


@pytest.mark.parametrize("by", ["", "week", "day ", "epochs"])
def test_it_is_summed_up_by_what_there_is(daemon, connect, by):
    reader, writer = os.pipe()
    with pytest.raises(GLib.Error, match="InvalidArgs.*hour, day, boot"):
        ask(connect(), writer, by=by)
    os.close(writer)
    assert read_all(reader) == [], "a pipe that was refused must be closed"
    os.close(reader)


def test_an_answer_goes_into_a_pipe_and_nothing_else(daemon, connect, tmp_path):
    client = connect()
    with open(tmp_path / "file", "wb") as file, pytest.raises(GLib.Error, match="InvalidArgs.*pipe"):
        ask(client, file.fileno())
    assert (tmp_path / "file").read_bytes() == b""
    reader, writer = os.pipe()
    ask(client, reader)  # the end that cannot be written to
    os.close(reader)
    os.close(writer)
    assert alive(client) and history(client) is not None


def test_a_port_nobody_knows_has_no_history(daemon, connect):
    lines = history(connect(), ports=["0000:c0:07.7", "nonsense", "x" * 10000])
    assert {line["kind"] for line in lines} == {"watch"}
    assert history(connect(), since=2**64 - 1) == []
    assert history(connect(), until=1) == []


def test_a_reader_that_goes_away_is_forgotten(daemon, connect):
    client = connect()
    for _ in range(4 * MOST_READERS):
        reader, writer = os.pipe()
        os.close(reader)
        until_free(lambda: ask(client, writer))  # noqa: B023
        os.close(writer)
    until_free(lambda: history(client))
    assert alive(client)


def test_readers_that_never_read_are_bounded_and_hold_up_nobody(daemon, connect):
    client = connect()
    pipes = []
    for _ in range(MOST_READERS):
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        with pytest.raises(BlockingIOError):
            while True:
                os.write(writer, b"\n" * 4096)
        ask(client, writer)
        os.close(writer)
        pipes.append(reader)
    reader, writer = os.pipe()
    for _ in range(5):
        with pytest.raises(GLib.Error, match="LimitsExceeded"):
            ask(client, writer)
    os.close(writer)
    os.close(reader)
    # Sampling, properties and marks go on meanwhile, and what is marked reaches the disk.
    slowest = 0.0
    for _ in range(20):
        begun = time.monotonic()
        assert alive(client)
        slowest = max(slowest, time.monotonic() - begun)
    assert slowest < 1.0
    mark(client, "while they sleep")
    # One that reads after all gets all of it, and makes room.
    lines = read_all(pipes[0])
    assert lines[-1] == {"kind": "end"}
    assert "while they sleep" in str(until_free(lambda: marks(client)))
    for each in pipes:
        os.close(each)


def test_many_ask_at_once(daemon, connect):
    readers = []
    refused = 0
    client = connect()
    for _ in range(100):
        reader, writer = os.pipe()
        try:
            ask(client, writer)
            readers.append(reader)
        except GLib.Error as error:
            assert "LimitsExceeded" in str(error)
            refused += 1
            os.close(reader)
        os.close(writer)
    assert readers
    for reader in readers:
        assert read_all(reader)[-1] == {"kind": "end"}
        os.close(reader)
    assert alive(client)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
@pytest.mark.parametrize("method, signature, arguments", [
    ("Mark", "(os)", (PCIE3, "x")), ("MarkAt", "(ost)", (PCIE3, "x", 1)), ("UndoMark", "(o)", (PCIE3,))])
def test_a_stranger_is_refused_by_name_of_the_group(daemon, connect, method, signature, arguments):
    # By the accounts' database of this machine: nobody is in no group of root's.
    with pytest.raises(GLib.Error, match="AccessDenied.*group wopr-aer"):
        connect(NOBODY).call(ROOT, CONTROL, method, signature, *arguments)
    assert marks(connect()) == []


@pytest.mark.parametrize("text, why", [
    ("", "InvalidArgs.*empty"), ("x" * 501, "InvalidArgs.*500"), ("two\nlines", "InvalidArgs.*control"),
    ("\x1b[31mred", "InvalidArgs.*control"), ("\x7f", "InvalidArgs.*control"), ("a\u009bb", "InvalidArgs.*control")])
def test_text_that_is_none(daemon, connect, text, why):
    client = connect()
    with pytest.raises(GLib.Error, match=why):
        mark(client, text)
    with pytest.raises(GLib.Error, match=why):
        mark_at(client, now(), text)
    assert marks(client) == []
    mark(client, "Wärmeleitpaste “neu” 🔧")
    assert [each["text"] for each in marks(client)] == ["Wärmeleitpaste “neu” 🔧"]


def test_text_that_is_no_utf8_costs_its_sender_the_connection(daemon, bus, connect):
    bad = blob(NAME, ROOT, CONTROL, "Mark", "(os)", PCIE3, "@@@@").replace(b"@@@@", b"\xff\xfe\xc3(")
    with connect_rudely(bus.address) as rude:
        rude.sendall(bad)
        while rude.recv(4096):  # until the bus hangs up
            pass
    assert alive(connect()) and marks(connect()) == []


@pytest.mark.parametrize("path", [statuses.path("0000:c0:07.7"), ROOT, "/", "/org/wopr/Aer1/link/_"])
def test_a_link_that_is_not_there(daemon, connect, path):
    client = connect()
    for call in (lambda: mark(client, path=path), lambda: undo(client, path), lambda: mark_at(client, 1, path=path)):
        with pytest.raises(GLib.Error, match="UnknownObject.*no such link"):
            call()


def test_many_marks_at_once(daemon, connect):
    client = connect()
    answers = [client.begin(ROOT, CONTROL, "Mark", "(os)", PCIE3, f"mark {i}") for i in range(200)]
    client.wait_until(lambda _: all(answers))
    taken = [i for i, answer in enumerate(answers) if answer == [()]]
    assert taken and all("LimitsExceeded" in str(answer[0]) for i, answer in enumerate(answers) if i not in taken)
    assert [each["text"] for each in marks(client)] == [f"mark {i}" for i in taken]
    # As many as can be taken back.
    for i in reversed(taken[-4:]):
        assert undo(client)[0] == f"mark {i}"
    with pytest.raises(GLib.Error, match="only the latest mark can be taken back"):
        undo(client)
    assert sum(each["undone"] for each in marks(client)) == 4


def test_a_mark_survives_a_kill_and_can_be_taken_back_after_it(daemon, connect):
    client = connect()
    before = client.all(PCIE3, LINK)["Lifetime"]["port"].get("correctable", {}).get("BadTLP", 0)
    daemon.add_errors(PORT, "BadTLP", 3)
    wait_for_count(client, "BadTLP", before + 3)
    graded = client.all(PCIE3, LINK)["Grade"]
    assert graded != "clean"
    mark(client)
    assert client.all(PCIE3, LINK)["Grade"] == "clean"
    assert len(marks(client)) == 1  # on the disk, then
    daemon.kill()
    daemon.start()
    assert client.all(PCIE3, LINK)["Grade"] == "clean"
    text, at = undo(client)
    assert text == "redriver fitted" and abs(at - now()) < 120_000_000
    assert client.all(PCIE3, LINK)["Grade"] == graded
    (only,) = marks(client)
    assert only["undone"] and "taken back by uid" in only["by"]
    sums = [line for line in history(client, by="epoch", ports=[PORT]) if line["kind"] == "sum"]
    assert {line["bucket"] for line in sums} == {1}
    with pytest.raises(GLib.Error, match="no mark to take back"):
        undo(client)


def test_a_mark_for_a_time_in_the_past(daemon, connect):
    client = connect()
    begun = client.all(ROOT, MANAGER)["Since"]
    before = client.all(PCIE3, LINK)["Lifetime"]["port"].get("correctable", {}).get("BadTLP", 0)
    daemon.add_errors(PORT, "BadTLP", 3)
    wait_for_count(client, "BadTLP", before + 3)
    changed = now()
    daemon.add_errors(PORT, "BadTLP", 2)
    wait_for_count(client, "BadTLP", before + 5)
    graded = client.all(PCIE3, LINK)["Grade"]
    for at, why in ((now() + 60_000_000, "in the future"), (begun - 60_000_000, "before the history of this slot"),
                    (0, "before the history"), (2**64 - 1, "in the future")):
        with pytest.raises(GLib.Error, match=why):
            mark_at(client, at)
    mark_at(client, changed)
    (only,) = marks(client)
    assert only["text"] == "yesterday's" and only["epoch"] == 2
    sums = [line for line in history(client, by="epoch", ports=[PORT]) if line["kind"] == "sum"]
    counted = {}
    for line in sums:
        counts = line["counts"].get("port", {}).get("correctable", {})
        counted[line["bucket"]] = counted.get(line["bucket"], 0) + counts.get("BadTLP", 0)
    assert counted[2] == 2 and counted[1] >= 3
    assert client.all(PCIE3, LINK)["Grade"] == "trace"
    with pytest.raises(GLib.Error, match="present epoch began later.*yesterday's"):
        mark_at(client, changed - 1000)
    assert undo(client)[0] == "yesterday's"
    assert client.all(PCIE3, LINK)["Grade"] == graded


def test_the_command_says_what_it_did(daemon, programs, bus):
    def run(*arguments):
        done = subprocess.run([programs / "wopr-aer", *arguments], capture_output=True, text=True, timeout=2 * DEADLINE,
                              env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": bus.address, "LC_ALL": "C.UTF-8", "TZ": "UTC"})
        return done.returncode, done.stdout + done.stderr

    assert run("mark", "PCIE9", "x")[0] == 2
    assert run("mark", "PCIE3") == (2, run("mark", "PCIE3")[1]) and "TEXT is missing" in run("mark", "PCIE3")[1]
    assert "--undo takes no TEXT" in run("mark", "PCIE3", "x", "--undo")[1]
    assert run("mark", "PCIE3", "x", "--undo", "--at", "1h")[0] != 0
    code, said = run("mark", "PCIE3", "--undo")
    assert code == 1 and "no mark to take back" in said
    code, said = run("mark", "PCIE3", "x", "--at", "3000-01-01")
    assert code == 1 and "in the future" in said
    code, said = run("mark", "PCIE3", "x", "--at", "tomorrowish")
    assert code == 2 and "is not a time" in said
    code, said = run("mark", "PCIE3", "redriver fitted")
    assert code == 0 and said.startswith('PCIE3: marked "redriver fitted"; a new epoch begins') and "it is now clean" in said
    assert "marked: redriver fitted (uid" in run("history", "PCIE3")[1]
    code, said = run("mark", "PCIE3", "--undo")
    assert code == 0 and said.startswith('PCIE3: taken back: "redriver fitted" of 20')
    shown = " ".join(run("history", "PCIE3")[1].split())  # however it was wrapped
    assert "marked: redriver fitted (uid" in shown and "taken back by uid" in shown and ", undone" in shown
