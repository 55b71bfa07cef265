# SPDX-License-Identifier: MIT
"""A slice of the exhaustive test of the buddy (tests/exhaustive; `make test-exhaustive` runs all of it)."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUDDY = Path(os.environ.get("STRATA_BUILD", ROOT / "build")) / "host/tests/exhaustive/buddy"


def explore(*arguments):
    """Runs it and returns how many states it saw, of how many."""
    ran = subprocess.run([BUDDY, *arguments], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return tuple(map(int, re.search(r": (\d+) states of (\d+), .* 0 violations", ran.stdout).groups()))


def test_every_state_of_8_frames_over_every_pattern_of_holes():
    assert explore("--frames", "8") == (10202, 10202)


@pytest.mark.parametrize("mask", ["0x7bef", "0x0ff0", "0xfe7f", "0x5555"])
def test_every_state_of_16_frames_over_some_patterns(mask):
    seen, all_of_them = explore("--frames", "16", "--masks", mask, mask)
    assert seen == all_of_them > 0
