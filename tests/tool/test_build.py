# SPDX-License-Identifier: MIT
"""The makefiles: what a killed make leaves, what is made again, what the messages say."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAKEFILES = sorted([ROOT / "Makefile", *ROOT.glob("*/build.mk"), *ROOT.glob("tests/*/*.mk")])


def make(*arguments, **more):
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS")}
    return subprocess.run(["make", "--no-print-directory", *map(str, arguments)], cwd=ROOT, capture_output=True,
                          text=True, timeout=120, check=False, env={**environment, **more})


def test_no_recipe_writes_its_target_bit_by_bit():
    """A shell that is killed leaves the file that it writes into, newer than all that it depends on. So a recipe writes
    another one, which becomes the target in one step: `$(into)`."""
    for makefile in MAKEFILES:
        for number, line in enumerate(makefile.read_text().splitlines(), 1):
            if line.startswith("\t"):
                direct = re.search(r"(>\s*|\bcp \S+ |truncate .*|\btee )\$@($|\s)", line)
                assert not direct, f"{makefile}:{number}: {line}"


def test_a_note_changes_with_its_text_only(tmp_path):
    version = tmp_path / "kernel/version"
    assert make(f"BUILD={tmp_path}", "STRATA_BUILD=one", version).returncode == 0
    assert version.read_text() == "0.1 one\n"
    first = version.stat().st_mtime_ns
    assert make(f"BUILD={tmp_path}", "STRATA_BUILD=one", version).returncode == 0
    assert version.stat().st_mtime_ns == first
    assert make(f"BUILD={tmp_path}", "STRATA_BUILD=two", version).returncode == 0
    assert version.read_text() == "0.1 two\n"
    assert [path.name for path in version.parent.iterdir()] == ["version"]


def test_objects_are_made_again_for_other_flags(tmp_path):
    source = next(path for path in sorted(ROOT.glob("mm/*/*.c")) if "host" not in path.parts).relative_to(ROOT)
    target = tmp_path / "host" / source.with_suffix(".o")
    assert make(f"BUILD={tmp_path}", target).returncode == 0
    first = target.stat().st_mtime_ns
    assert make(f"BUILD={tmp_path}", target).returncode == 0
    assert target.stat().st_mtime_ns == first
    assert make(f"BUILD={tmp_path}", "WARNINGS=-Wall", target).returncode == 0
    assert target.stat().st_mtime_ns > first


@pytest.mark.parametrize("words, expected", [
    (["fuzz", "TARGET=nope"], "TARGET=nope: expected one of acpi "),
    (["test-long", "LONG=nope"], "LONG=nope: expected page_random or page_tables_random"),
])
def test_a_wrong_word_is_answered(words, expected):
    result = make(*words)
    assert result.returncode == 2
    assert expected in result.stderr


@pytest.mark.parametrize("seconds", ["", "0", "abc", "-1", "1.5"])
def test_fuzzing_for_no_time_is_refused(seconds, tmp_path):
    result = subprocess.run([ROOT / "tests/fuzz/run", "/bin/false", tmp_path, tmp_path / "found", seconds],
                            capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stderr) == (2, f"TIME={seconds}: expected a number of seconds\n")
