#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every fuzzer has a corpus worth replaying: at least 20 inputs of at most a page, no two the same, and its row in docs/testing.md.

Fails with what is missing, one line each.
"""
import pathlib
import re
import sys

LEAST_SEEDS = 20
MOST_BYTES = 4096

HERE = pathlib.Path(__file__).resolve().parent


def faults(here: pathlib.Path, document: str) -> list[str]:
    """What is wrong with the fuzzers in the folder `here`, of which `document` is to tell."""
    fuzzers = {path.stem.removeprefix("fuzz_") for path in here.glob("fuzz_*.cpp")}
    corpora = {path.name for path in (here / "corpus").iterdir()}
    told = set(re.findall(r"^\| `(\w+)` \|", document, re.MULTILINE))
    found = [f"corpus/{name} belongs to no fuzz_{name}.cpp" for name in sorted(corpora - fuzzers)]
    found += [f"docs/testing.md has no row for the fuzzer {name}" for name in sorted(fuzzers - told)]
    for name in sorted(fuzzers):
        inputs = [path for path in (here / "corpus" / name).rglob("*") if path.is_file()]
        if len(inputs) < LEAST_SEEDS:
            found.append(f"corpus/{name} has {len(inputs)} inputs, expected at least {LEAST_SEEDS}")
        first = {}
        for path in sorted(inputs):
            content = path.read_bytes()
            if len(content) > MOST_BYTES:
                found.append(f"corpus/{name}/{path.name} has {len(content)} bytes, expected at most {MOST_BYTES}")
            if content in first:
                found.append(f"corpus/{name}/{path.name} is the same as {first[content]}")
            first.setdefault(content, path.name)
    return found


def main() -> int:
    found = faults(HERE, (HERE.parents[1] / "docs/testing.md").read_text())
    print("\n".join(found) or "every fuzzer has its corpus")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
