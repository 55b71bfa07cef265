# SPDX-License-Identifier: MIT
"""A slice of the exhaustive tests (tests/exhaustive; `make test-exhaustive` runs all of them)."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(os.environ.get("STRATA_BUILD", ROOT / "build")) / "host/tests/exhaustive"


def run(program, *arguments):
    ran = subprocess.run([PROGRAMS / program, *arguments], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def explore(*arguments):
    """How many states of the buddy it saw, of how many."""
    return tuple(map(int, re.search(r": (\d+) states of (\d+), .* 0 violations", run("buddy", *arguments)).groups()))


def test_every_state_of_8_frames_over_every_pattern_of_holes():
    assert explore("--frames", "8") == (10202, 10202)


@pytest.mark.parametrize("mask", ["0x7bef", "0x0ff0", "0xfe7f", "0x5555"])
def test_every_state_of_16_frames_over_some_patterns(mask):
    seen, all_of_them = explore("--frames", "16", "--masks", mask, mask)
    assert seen == all_of_them > 0


@pytest.mark.parametrize("place", [[], ["--border"]], ids=["in-a-section", "across-two"])
def test_every_contiguous_request_over_some_patterns(place):
    said = run("contig", "--step", "37", *place)
    masks, requests, granted, explained = map(int, re.search(
        r", (\d+) masks: (\d+) requests, (\d+) granted, (\d+) refusals explained, 0 wrong", said).groups())
    # 17 counts, 6 alignments, 7 boundaries, 18 ceilings
    assert masks == len(range(0, 1 << 16, 37)) and requests == masks * 17 * 6 * 7 * 18
    assert granted > masks * 100 and explained > masks * 100
