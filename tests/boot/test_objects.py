# SPDX-License-Identifier: MIT
"""kmalloc and object caches in the booted kernel: the defect matrix's part, interrupts, guards, clearing."""

import re

import pytest

from harness import sound


def passed(answer):
    """How many parts of the self-test passed; none failed."""
    counts = re.search(r"^(\d+) passed, (\d+) failed$", answer, re.MULTILINE)
    assert counts and counts[2] == "0", answer
    return int(counts[1])


def test_selftest(uboot):
    session = uboot()
    answer = session.command("selftest", 100)
    assert passed(answer) > 1000
    interrupts, held = re.search(r"(\d+) timer interrupts in \d+ operations, (\d+) found a gate held", answer).groups()
    assert int(interrupts) >= 3000 and int(held) > 0
    sound(session)


@pytest.mark.matrix
def test_selftest_on_ovmf(ovmf):
    session = ovmf()
    assert passed(session.command("selftest", 100)) > 1000
    sound(session)


def test_guards_and_call_sites(uboot):
    session = uboot("debug=slab init=alloc,free")
    assert "objects are guarded: yes" in session.command("options")
    address = re.search(r"allocated (0x[0-9a-f]+)", session.command("kalloc 100"))[1]
    assert re.search(r"1 objects\s+100 bytes\s+kmalloc-112\s+kalloc\+0x", session.command("kleaks"))
    assert "as it has to be" in session.command("defects")
    assert "freed" in session.command(f"kfree {address}")
    assert "kalloc" not in session.command("kleaks")
    assert passed(session.command("selftest", 100)) > 1000
    sound(session)


def test_without_guards_it_is_said_how(uboot):
    session = uboot()
    assert "debug=slab" in session.command("kleaks")
    assert "debug=slab" in session.command("defects")
