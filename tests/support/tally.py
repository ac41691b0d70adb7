#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Adds up JUnit files and prints "N passed, N failed" as the last line. Exit 1 when a test failed or none ran."""

import sys
import xml.etree.ElementTree as ElementTree


def tally(path):
    passed, failed = 0, []
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        bad = any(case.find(tag) is not None for tag in ("failure", "error"))
        skipped = case.find("skipped") is not None or case.get("status") in ("notrun", "disabled")
        if bad or skipped:  # a test that did not run has not passed
            failed.append(f'{case.get("classname", "")}.{case.get("name", "")}' + (" (skipped)" if skipped else ""))
        else:
            passed += 1
    return passed, failed


def main(paths):
    passed, failed = 0, []
    for path in paths:
        here_passed, here_failed = tally(path)
        print(f"{path}: {here_passed} passed, {len(here_failed)} failed")
        passed += here_passed
        failed += here_failed
    for name in failed:
        print(f"failed: {name}")
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
