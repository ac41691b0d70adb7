#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What whole outputs cannot show of wopr-aer: options, exit statuses, streams, watching, signals.

Run by ctest; each method is one promise of wopr-aer(1).
"""
import argparse
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from golden import DEADLINE, make_machine
from program import end, read_options

OPTIONS: argparse.Namespace
PCIE3 = "0000:c0:01.1"


class Behaviour(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = Path(tempfile.mkdtemp(prefix="wopr-behaviour-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        make_machine("wopr", cls.folder)
        cls.machine = cls.folder / "wopr"

    def command(self, *arguments: str) -> list[str]:
        return [str(OPTIONS.program), "--sysroot", str(self.machine), "--data-dir", str(OPTIONS.boards), *arguments]

    def run_it(self, *arguments: str, **more) -> subprocess.CompletedProcess:
        return subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=DEADLINE, **more)

    def start(self, *arguments: str, **more) -> subprocess.Popen:
        process = subprocess.Popen(self.command(*arguments), **({"stdout": subprocess.PIPE} | more))
        self.addCleanup(end, process)
        return process

    def counters(self, function: str) -> Path:
        return (self.machine / "sys/bus/pci/devices" / function).resolve() / "aer_dev_correctable"

    def add_errors(self, function: str, token: str, count: int) -> None:
        """In place, as the kernel does: the program holds the file open."""
        file = self.counters(function)
        rows = [row.rsplit(" ", 1) for row in file.read_text().splitlines()]
        text = "".join(f"{name} {int(value) + (count if name == token else 0)}\n" for name, value in rows)
        with file.open("r+") as out:
            out.write(text)
            out.truncate()

    # -- explaining, recording, replaying

    def test_explain_needs_a_slot_and_says_why(self) -> None:
        self.assertEqual(self.run_it("explain").returncode, 2)
        self.assertIn("did you mean PCIE3?", self.run_it("explain", "PICE3").stderr)
        done = self.run_it("explain", "PCIE3")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, "1[0-9] signal errors counted before monitoring began")
        self.assertLessEqual(max(map(len, done.stdout.splitlines())), 80)
        slot, = json.loads(self.run_it("explain", "--json", "PCIE3").stdout)["slots"]
        self.assertEqual((slot["slot"], slot["grade"], slot["figures"]), ("PCIE3", "trace", {}))

    def test_what_was_recorded_can_be_replayed(self) -> None:
        trace = self.folder / "trace.jsonl"
        record = self.start("record", str(trace))
        deadline = time.monotonic() + DEADLINE
        while not (trace.exists() and trace.read_bytes().count(b"\n") > 5):
            self.assertLess(time.monotonic(), deadline, "nothing was recorded")
            self.assertIsNone(record.poll())
            select.select([], [], [], 0.05)
        self.add_errors("0000:c0:01.1", "BadTLP", 3)
        while b'"BadTLP":3' not in trace.read_bytes():
            self.assertLess(time.monotonic(), deadline, "the errors were not recorded")
            select.select([], [], [], 0.05)
        record.send_signal(signal.SIGINT)
        self.assertEqual(record.wait(DEADLINE), 0)
        self.assertIn('"end"', trace.read_text().splitlines()[-1])
        replay = json.loads(self.run_it("replay", "--json", str(trace)).stdout)
        slot, = (each for each in replay["slots"] if each["port"] == PCIE3)
        self.assertEqual((slot["grade"], slot["direction"], slot["to_host"]["errors"]), ("trace", "to-host", 3))
        self.assertIn("PCIE3: trace, to-host", self.run_it("replay", str(trace)).stdout)
        again = self.run_it("record", str(trace))
        self.assertEqual(again.returncode, 1)
        self.assertIn("File exists", again.stderr)

    def replay(self, *lines: str, **more) -> subprocess.CompletedProcess:
        return self.run_it("replay", "-", *more.pop("options", ()), input="".join(f"{line}\n" for line in lines), **more)

    def test_a_damaged_trace_is_refused_with_the_line(self) -> None:
        header = '{"trace":1,"period":1,"start":"2026-03-01T20:15:07Z","host":"wopr","colour":"grey"}'
        link = ('{"t":0,"event":"link","link":"PCIE3","port":"0000:c0:01.1","speed":16,"width":16,"max_speed":16,'
                '"max_width":16,"humidity":40}')
        self.assertEqual(self.replay(header, link, '{"t":9,"event":"end"}').returncode, 0, "unknown fields are kept")
        for lines, row, complaint in (
                ((header, link, '{"t":9,"ev'), 3, ""),
                ((header, link, "", '{"t":9,"event":"count","link":"PCIE9","side":"port","added":{"RxErr":1}}'), 4,
                 "PCIE9"),
                ((header, link, '{"t":9,"event":"link","link":"PCIE3","speed":"fast"}'), 3, "speed"),
                ((link,), 1, "header")):
            done = self.replay(*lines)
            self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
            self.assertIn(f"standard input:{row}", done.stderr)
            self.assertIn(complaint, done.stderr)
        self.assertIn("is empty", self.replay().stderr)
        self.assertIn("cannot be opened", self.run_it("replay", "/no/such/trace").stderr)

    def test_replay_takes_the_rule_from_the_configuration(self) -> None:
        header = '{"trace":1,"period":1,"start":"2026-03-01T20:15:07Z"}'
        link = ('{"t":0,"event":"link","link":"PCIE3","port":"0000:c0:01.1","speed":16,"width":16,"max_speed":16,'
                '"max_width":16}')
        lines = [header, link] + [f'{{"t":{t},"event":"count","link":"PCIE3","side":"port","added":{{"BadTLP":1}}}}'
                                  for t in (100, 300)] + ['{"t":400,"event":"end"}']
        config = self.folder / "own-rule"
        config.mkdir()
        (config / "wopr-aer.toml").write_text("[verdict]\nmarginal_episodes = 2\n")
        for options, grade in (((), "trace"), (("--config", str(config)), "marginal")):
            done = self.replay(*lines, options=("--json", *options))
            self.assertEqual(json.loads(done.stdout)["slots"][0]["grade"], grade, done.stderr)
        (config / "wopr-aer.toml").write_text("[verdict]\n\nmarginal_episodes = -2\n")
        done = self.replay(*lines, options=("--config", str(config)))
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("wopr-aer.toml:3", done.stderr)
        self.assertIn("marginal_episodes", done.stderr)

    # -- exporting

    def test_an_export_that_cannot_be_had_says_why_and_leaves_nothing_behind(self) -> None:
        nobody = os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self.folder}/no-bus"}
        file = self.folder / "export.jsonl"
        done = self.run_it("export", "--output", str(file), env=nobody)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(done.stderr, "wopr-aer: org.wopr.Aer1: history is kept by the service, and it is not running (start it "
                         "with 'systemctl enable --now wopr-aerd'; 'wopr-aer record' needs none)\n")
        self.assertFalse(file.exists())
        for arguments, complaint in ((("--since", "soon"), "'soon' is not a time"),
                                     (("--since", "2026-03-02T00:00:00Z", "--until", "2026-03-01T00:00:00Z"),
                                      "the period ends at 2026-03-01T00:00:00Z, before it begins at 2026-03-02T00:00:00Z")):
            done = self.run_it("export", *arguments, env=nobody)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn(complaint, done.stderr)
        done = self.run_it("history", "--by", "record", env=nobody)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("wopr-aer export", done.stderr)

    # -- options and exit statuses

    def test_common_options_stand_before_or_after_the_subcommand(self) -> None:
        before = self.run_it("status", "PCIE3")
        after = subprocess.run([str(OPTIONS.program), "status", "PCIE3", "--sysroot", str(self.machine), "--data-dir",
                                str(OPTIONS.boards)], capture_output=True, text=True, timeout=DEADLINE)
        self.assertEqual((before.returncode, after.returncode), (0, 0), before.stderr + after.stderr)
        self.assertEqual(before.stdout, after.stdout)

    def test_data_directory_from_the_environment(self) -> None:
        done = subprocess.run([str(OPTIONS.program), "--sysroot", str(self.machine), "status", "PCIE3"],
                              capture_output=True, text=True, timeout=DEADLINE,
                              env=os.environ | {"WOPR_AER_DATADIR": str(OPTIONS.boards)})
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_slots_are_chosen_by_name_and_address(self) -> None:
        for word in ("pcie3", PCIE3, "c1:00.1"):
            slots = json.loads(self.run_it("status", "--json", word).stdout)["slots"]
            self.assertEqual([slot["port"] for slot in slots], [PCIE3], word)

    def test_an_unknown_slot_is_a_usage_error_that_helps(self) -> None:
        done = self.run_it("status", "PICE3")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("did you mean PCIE3?", done.stderr)
        self.assertIn("known slots:", done.stderr)

    def test_usage_errors(self) -> None:
        for arguments in ([], ["status", "--jsn"], ["status", "--count", "2"], ["dance"],
                          ["status", "--watch", "--interval", "0.01"], ["status", "--watch", "--count", "0"]):
            done = self.run_it(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""), arguments)
            self.assertTrue(done.stderr, arguments)

    def test_a_broken_configuration_is_named(self) -> None:
        with tempfile.TemporaryDirectory() as config:
            Path(config, "wopr-aer.toml").write_text("[monitor]\nsample_intervall = 1\n")
            done = self.run_it("--config", config, "status")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("wopr-aer.toml:2", done.stderr)
        self.assertIn("sample_interval", done.stderr)

    def test_configured_names_win(self) -> None:
        with tempfile.TemporaryDirectory() as config:
            Path(config, "wopr-aer.toml").write_text(f'[slots]\n"{PCIE3}" = "leftmost"\n')
            slot = json.loads(self.run_it("--config", config, "status", "--json", "LEFTMOST").stdout)["slots"][0]
        self.assertEqual((slot["slot"], slot["slot_source"], slot["port"]), ("leftmost", "config", PCIE3))

    # -- streams

    def test_a_full_disk_is_an_error(self) -> None:
        with open("/dev/full", "w") as full:
            done = subprocess.run(self.command("status"), stdout=full, stderr=subprocess.PIPE, text=True,
                                  timeout=DEADLINE)
        self.assertEqual(done.returncode, 1)
        self.assertIn("No space left", done.stderr)

    def test_a_reader_that_has_gone_is_no_error(self) -> None:
        for arguments in (["status", "--json"], ["status", "--watch", "--interval", "0.1"]):
            reader, writer = os.pipe()
            os.close(reader)
            done = subprocess.run(self.command(*arguments), stdout=writer, stderr=subprocess.PIPE, timeout=DEADLINE)
            os.close(writer)
            self.assertEqual((done.returncode, done.stderr), (0, b""), arguments)

    def test_a_reader_that_goes_ends_the_watch(self) -> None:
        watch = self.start("status", "--watch", "--json", "--interval", "3600")
        watch.stdout.readline()
        watch.stdout.close()
        watch.stdout = None
        self.assertEqual(watch.wait(DEADLINE), 0)

    # -- watching

    def test_watch_counts_what_is_added(self) -> None:
        watch = self.start("status", "--watch", "--json", "--interval", "0.1", "PCIE3", text=True)
        first = json.loads(watch.stdout.readline())["slots"][0]
        self.assertEqual(first["watch"]["added"]["total"], 0)
        self.add_errors("0000:c1:00.0", "BadTLP", 4)
        for line in watch.stdout:
            slot = json.loads(line)["slots"][0]
            if slot["watch"]["added"]["total"]:
                break
        self.assertEqual(slot["watch"]["added"]["device"], {"BadTLP": 4})
        self.assertEqual(slot["watch"]["added"]["port"], {})
        self.assertEqual(slot["correctable"]["device"]["BadTLP"], first["correctable"]["device"]["BadTLP"] + 4)
        self.assertEqual(slot["before_monitoring"]["device"].get("BadTLP", 0),
                         first["correctable"]["device"]["BadTLP"])

    def test_a_signal_brings_the_final_state(self) -> None:
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            watch = self.start("status", "--watch", "--json", "--interval", "3600", "PCIE3", text=True)
            watch.stdout.readline()
            self.add_errors("0000:c1:00.0", "RxErr", 2)
            watch.send_signal(signal_number)
            rest = watch.stdout.read().splitlines()
            self.assertEqual(watch.wait(DEADLINE), 0)
            self.assertEqual(len(rest), 1)
            self.assertEqual(json.loads(rest[0])["slots"][0]["watch"]["added"]["device"], {"RxErr": 2})

    def test_a_count_ends_the_watch(self) -> None:
        done = self.run_it("status", "--watch", "--json", "--interval", "0.1", "--count", "3")
        self.assertEqual(done.returncode, 0)
        self.assertEqual(len(done.stdout.splitlines()), 3)

    def test_a_card_that_leaves_and_comes_back(self) -> None:
        link = self.machine / "sys/bus/pci/devices/0000:c1:00.0"
        others = [self.machine / f"sys/bus/pci/devices/0000:c1:00.{n}" for n in (0, 1)]
        watch = self.start("status", "--watch", "--json", "--interval", "0.1", "PCIE3", text=True)
        before = json.loads(watch.stdout.readline())["slots"][0]
        counted = before["correctable"]["device"]
        parked = {}
        for entry in others:
            parked[entry] = (entry.resolve(), os.readlink(entry))
        moved = {entry: real.with_name("parked-" + real.name) for entry, (real, _) in parked.items()}
        for entry, (real, _) in parked.items():
            real.rename(self.folder / moved[entry].name)
            entry.unlink()
        slot = self.next_slot(watch, lambda slot: slot["device"] is None)
        self.assertEqual({t: n for t, n in slot["correctable"]["device"].items() if n},
                         {t: n for t, n in counted.items() if n}, "counts stay in this boot's totals")
        for entry, (real, target) in parked.items():
            shutil.copytree(self.folder / moved[entry].name, real, symlinks=True)
            entry.symlink_to(target)
        slot = self.next_slot(watch, lambda slot: slot["device"] == link.name)
        self.assertIsNotNone(slot["gpu"])

    def next_slot(self, watch: subprocess.Popen, wanted) -> dict:
        deadline = time.monotonic() + DEADLINE
        for line in watch.stdout:
            slot = json.loads(line)["slots"][0]
            if wanted(slot):
                return slot
            self.assertLess(time.monotonic(), deadline, slot)
        self.fail("the watch ended")

    # -- terminals

    def on_terminal(self, *arguments: str, **environment: str) -> tuple[subprocess.Popen, int]:
        terminal, inner = pty.openpty()
        self.addCleanup(os.close, terminal)
        base = {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "PATH": os.environ.get("PATH", "/usr/bin:/bin")}
        process = self.start(*arguments, stdin=inner, stdout=inner, stderr=inner, env=base | environment,
                             start_new_session=True)
        os.close(inner)
        return process, terminal

    def read_until(self, terminal: int, part: bytes | None) -> bytes:
        """Until `part` has come, or, without one, until the program has closed its side."""
        seen = b""
        deadline = time.monotonic() + DEADLINE
        while part is None or part not in seen:
            self.assertTrue(select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0], seen)
            try:
                seen += os.read(terminal, 65536)
            except OSError:  # EIO: nobody holds the other side any more
                self.assertIsNone(part, seen)
                return seen
        return seen

    def test_colour_on_a_terminal_and_never_with_no_color(self) -> None:
        for environment, coloured in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
            process, terminal = self.on_terminal("status", **environment)
            seen = self.read_until(terminal, None)
            self.assertEqual(process.wait(DEADLINE), 0)
            self.assertEqual(b"\x1b[" in seen, coloured, environment)
        self.assertNotIn("\x1b", self.run_it("status").stdout)

    def test_the_terminal_is_given_back(self) -> None:
        for signal_number in (signal.SIGINT, signal.SIGTERM):
            process, terminal = self.on_terminal("status", "--watch", "--interval", "3600")
            seen = self.read_until(terminal, b"\x1b[J")
            self.assertIn(b"\x1b[?1049h", seen)
            process.send_signal(signal_number)
            seen = self.read_until(terminal, None)
            self.assertEqual(process.wait(DEADLINE), 0)
            self.assertIn(b"\x1b[?25h\x1b[?1049l", seen)
            self.assertIn(b"Watching since", seen.split(b"\x1b[?1049l")[1], "the last view stays on the screen")


if __name__ == "__main__":
    OPTIONS = read_options(__doc__, "program")
    unittest.main()
