# SPDX-License-Identifier: MIT
"""Brings the C tests to pytest: each cmocka program of tests/unit, those with threads (test_*_threads.c) under
ThreadSanitizer too, and a slice of each fuzz target of tests/fuzz."""

import os
import re
import subprocess
from pathlib import Path

import pytest

BUILD = Path(os.environ.get("STRATA_BUILD", "build"))
FUZZ_SECONDS = 3
# A sanitized program under load needs its time.
UNIT_TIMEOUT = 600


def pytest_collect_file(parent, file_path):
    if file_path.suffix == ".c" and file_path.match("unit/test_*.c"):
        return UnitFile.from_parent(parent, path=file_path)
    if file_path.suffix == ".c" and file_path.match("fuzz/fuzz_*.c"):
        return FuzzFile.from_parent(parent, path=file_path)
    return None


class Reported(Exception):
    """A failure that has a log to show."""


class ProgramItem(pytest.Item):
    def repr_failure(self, excinfo):
        if isinstance(excinfo.value, Reported):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self):
        return self.path, None, self.name

    def run_program(self, command, timeout, **environment):
        try:
            return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout,
                                  errors="replace", env={**os.environ, **environment})
        except FileNotFoundError:
            raise Reported(f"{command[0]} is not built: run `make test`") from None
        except subprocess.TimeoutExpired as late:
            raise Reported(f"{command[0]} still ran after {timeout} s:\n{late.stdout or ''}") from None


class UnitFile(pytest.File):
    def collect(self):
        name = self.path.stem
        yield UnitItem.from_parent(self, name=name, program=BUILD / "test/unit" / name)
        if name.endswith("_threads"):
            yield UnitItem.from_parent(self, name=f"{name}[tsan]", program=BUILD / "tsan" / name)


class UnitItem(ProgramItem):
    def __init__(self, *, program, **more):
        super().__init__(**more)
        self.program = program

    def runtest(self):
        counts = BUILD / "coverage/counts" / f"{self.program.name}.raw"  # ThreadSanitizer's programs count nothing
        result = self.run_program([str(self.program)], UNIT_TIMEOUT, LLVM_PROFILE_FILE=str(counts))
        passed = len(re.findall(r"^\[       OK \]", result.stdout, re.MULTILINE))
        failed = len(set(re.findall(r"^\[  FAILED  \] (\w+)$", result.stdout, re.MULTILINE)))
        skipped = len(set(re.findall(r"^\[  SKIPPED \] (\w+)$", result.stdout, re.MULTILINE)))
        self.user_properties += [("passed", passed), ("failed", failed), ("skipped", skipped)]
        if result.returncode or failed or not passed:
            raise Reported(f"{self.name} ended with status {result.returncode}:\n{result.stdout}")


class FuzzFile(pytest.File):
    def collect(self):
        yield FuzzItem.from_parent(self, name=self.path.stem)


class FuzzItem(ProgramItem):
    def runtest(self):
        target = self.name.removeprefix("fuzz_")
        here = self.path.parent
        result = self.run_program([str(here / "run"), str(BUILD / "fuzz" / self.name), str(here / "corpus" / target),
                                   str(BUILD / "fuzz" / target), str(FUZZ_SECONDS)], 120)
        if result.returncode:
            raise Reported(result.stdout)
