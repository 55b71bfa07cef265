# SPDX-License-Identifier: MIT
"""The boot options: what the loader knows is what the documents and the sample file say, no more and no less."""

import re
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
NAMES = re.findall(r'\.help = \{"(\w+)"', (TOP / "efi/options/options.c").read_text())


def test_there_are_options():
    assert len(NAMES) >= 9 and len(NAMES) == len(set(NAMES))


def test_the_readme_has_them_all():
    section = (TOP / "efi/README.md").read_text().split("## Options")[1].split("\n## ")[0]
    assert sorted(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == sorted(NAMES)


def test_the_sample_file_has_them_all():
    assert sorted(re.findall(r"^#(\w+)=", (TOP / "esp/strata.conf").read_text(), re.MULTILINE)) == sorted(NAMES)
