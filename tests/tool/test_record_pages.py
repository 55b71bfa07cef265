# SPDX-License-Identifier: MIT
"""docs/records.md: its kinds are those that the sources write, no more and no less. (Its fields are held against a
boot's in tests/boot/test_record_fields.py.)"""

import re

from documented import TOP, documented_records


def written_kinds():
    """The kinds in the string constants of the sources."""
    kinds = set()
    for path in [*TOP.glob("mm/**/*.c"), *TOP.glob("kernel/**/*.c")]:
        if "mm/host/strata-replay" not in str(path):
            kinds |= set(re.findall(r'\{\\"record\\":\\"([a-z-]+)\\"', path.read_text()))
    return kinds


def test_every_kind_is_documented_and_the_other_way_round():
    assert len(written_kinds()) >= 20
    assert written_kinds() == set(documented_records())


def test_the_header_shows_documented_records_only():
    text = (TOP / "include/mm/report.h").read_text()
    assert set(re.findall(r'"record":"([a-z-]+)"', text)) <= set(documented_records())
