# SPDX-License-Identifier: MIT
"""The rules of tests/lint that are its own: what they find, and what they leave alone."""

import importlib.machinery
import importlib.util
from pathlib import Path

import pytest

FILE = Path(__file__).resolve().parents[1] / "lint"


@pytest.fixture(scope="module")
def lint():
    loader = importlib.machinery.SourceFileLoader("lint", str(FILE))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("lint", loader))
    loader.exec_module(module)
    return module


KNOWN = {"tests/unit/test_x.c", "test_x.c", "blocks_merge", "sums_hold"}


@pytest.mark.parametrize("text", [
    "// Invariants (tests/unit/test_x.c):\n//   B1  blocks merge   blocks_merge\n",
    "//   B1  a long one that goes on\n//       blocks_merge, sums_hold\n",
    "//   B1  blocks merge   blocks_merge (in every test), sums_hold\n",
    "//   B1  blocks merge   checked at every boot (ASSERT)\n",
    "//   B1  blocks merge\n//   B2  sums hold, whatever_is_asked\n",
    "// see test_x.c; a latest_thing is no test\n",
    "//   a table   of words\n",
])
def test_names_that_are_there(lint, text):
    assert list(lint.names(text, KNOWN)) == []


@pytest.mark.parametrize("text, findings", [
    ("// a\n// Invariants (tests/unit/test_y.c):\n", [(2, "there is no tests/unit/test_y.c")]),
    ("// see tests/fuzz/fuzz_y.c\n", [(1, "there is no tests/fuzz/fuzz_y.c")]),
    ("//   B1  blocks merge   blocks_split\n", [(1, "there is no test blocks_split")]),
    ("//   B1  blocks merge   merged\n", [(1, "there is no test merged")]),
    ("//   B1  blocks merge   blocks_merge, sums\n", [(1, "there is no test sums")]),
    ("//   B1  a long one\n//                      blocks_split\n", [(2, "there is no test blocks_split")]),
    ("//   B1  a long one\n//       blocks_merge, blocks_split\n", [(2, "there is no test blocks_split")]),
])
def test_names_that_are_not_there(lint, text, findings):
    assert list(lint.names(text, KNOWN)) == findings


def test_tests_are_known_by_file_and_function(lint):
    known = lint.tests_of([Path("tests/unit/test_page.c"), Path("tests/tool/test_lint.py"), Path("mm/dma.c")])
    assert {"tests/unit/test_page.c", "test_page.c", "summaries_are_exact"} <= known
    assert "test_tests_are_known_by_file_and_function" in known
    assert "dma.c" not in known
