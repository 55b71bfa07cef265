# SPDX-License-Identifier: MIT
"""The rules of tests/coverage: which lines are findings, what a mark excuses, how far it reaches."""

import importlib.machinery
import importlib.util
from pathlib import Path

import pytest

FILE = Path(__file__).resolve().parents[1] / "coverage"


@pytest.fixture(scope="module")
def coverage():
    loader = importlib.machinery.SourceFileLoader("coverage", str(FILE))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("coverage", loader))
    loader.exec_module(module)
    return module


SOURCE = """int f(int a) {
    if (a == 1) {
        // uncovered: no hosted CPU does that
        stop();

        stop_again();
    }
    if (a == 2) { return 7; } // uncovered: nor that
    return a;
}
"""


def judged(coverage, **executions):
    counts = {"mm/f.c": {int(line[1:]): count for line, count in executions.items()}}
    return coverage.judged(counts, lambda name: SOURCE)


def test_lines_that_no_test_executes_are_named(coverage):
    wrong, passed = judged(coverage, _1=3, _2=3, _4=0, _6=0, _7=0, _8=0, _9=0)
    assert wrong == ["mm/f.c:9: return a;"]
    assert passed == ["mm/f.c:3: 3 lines, no hosted CPU does that", "mm/f.c:8: 1 line, nor that"]


def test_a_mark_reaches_to_the_end_of_its_block(coverage):
    assert sorted(coverage.marked(SOURCE.splitlines())) == [4, 5, 6, 7, 8]


def test_a_mark_beside_what_is_executed_is_wrong(coverage):
    wrong, passed = judged(coverage, _1=3, _2=3, _4=1, _6=0, _7=0, _8=0, _9=3)
    assert wrong == ["mm/f.c:3: marked as uncovered, but executed"]
    assert len(passed) == 1


def test_only_the_memory_manager_is_judged(coverage):
    root = coverage.ROOT
    lcov = "".join(f"SF:{root}/{name}\nDA:1,0\nDA:2,5\nend_of_record\n" for name in (
        "mm/page/page.c", "include/mm/lock.h", "mm/host/host.c", "kernel/main.c", "tests/unit/world.c"))
    assert coverage.read(lcov) == {"mm/page/page.c": {1: 0, 2: 5}, "include/mm/lock.h": {1: 0, 2: 5}}
