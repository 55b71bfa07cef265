# SPDX-License-Identifier: MIT
"""What docs/records.md says."""

import re
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


def documented_records(page=TOP / "docs/records.md"):
    """{kind: set of fields}."""
    records = {}
    for kind, fields in re.findall(r"^\| `([a-z-]+)` \| ([^|]*) \|", page.read_text(), re.MULTILINE):
        assert kind not in records, f"{kind} is there twice"
        records[kind] = set(re.findall(r"`(\w+)`", fields))
    return records
