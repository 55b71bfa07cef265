# SPDX-License-Identifier: MIT
"""The boot options: what the loader knows is what the documents and the sample file say, no more and no less."""

import re
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
NAMES = re.findall(r'\.help = \{"(\w+)"', (TOP / "efi/options/options.c").read_text())


def test_there_are_options():
    assert len(NAMES) >= 9 and len(NAMES) == len(set(NAMES))


def test_the_page_has_them_all():
    section = (TOP / "docs/options.md").read_text().split("## All of them")[1].split("\n## ")[0]
    assert sorted(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == sorted(NAMES)


def test_the_sample_file_has_them_all():
    assert sorted(re.findall(r"^#(\w+)=", (TOP / "esp/strata.conf").read_text(), re.MULTILINE)) == sorted(NAMES)


def test_the_page_uses_only_those_that_there_are():
    said = set(re.findall(r"`(?:[^`\n]*\s)?(\w+)=", (TOP / "docs/options.md").read_text()))
    assert said - {"name", "ARGS", "root", "EMBEDDED_OPTIONS", "OPTIONS"} <= set(NAMES)
