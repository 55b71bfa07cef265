# SPDX-License-Identifier: MIT
"""docs/records.md against what a boot writes: every field is documented, and every documented one is written by
somebody."""

import json
import os
import re
import subprocess
from pathlib import Path

from documented import TOP, documented_records
from harness import sound

TOOL = Path(os.environ["STRATA_BUILD"]) / "host/strata-map"


def seen_fields(records, fields):
    for record in records:
        kind = record.pop("record")
        fields.setdefault(kind, set()).update(record)


def test_fields(uboot):
    session = uboot(options="debug=owner")
    for size in (24, 4000, 100000):
        session.command(f"kalloc {size}")
    session.command("trace on")
    session.command("alloc 3")
    session.command("trace off")
    fields = {}
    dump = sound(session)
    seen_fields(dump.records, fields)
    trace = session.command("trace dump")
    seen_fields((json.loads(line) for line in trace.splitlines() if line.startswith('{"record"')), fields)
    hosted = subprocess.run([TOOL, "--json", TOP / "tests/maps/made-overlap.txt"], capture_output=True, text=True,
                            check=True).stdout
    seen_fields(map(json.loads, hosted.splitlines()), fields)
    documented = documented_records()
    assert {"slab", "frames", "mapping", "phase", "trace-event"} <= fields.keys()
    for kind, names in fields.items():
        assert names <= documented[kind], f"record {kind}: {sorted(names - documented[kind])} is not documented"
    # In a boot everything is seen but what only happens to some.
    sources = "".join(path.read_text() for folder in ("mm", "kernel") for path in (TOP / folder).rglob("*.c"))
    for kind, names in documented.items():
        for name in names - fields.get(kind, set()):
            assert re.search(rf'\\"{name}\\":', sources), f"record {kind}: nobody writes {name!r}"
