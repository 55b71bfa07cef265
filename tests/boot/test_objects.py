# SPDX-License-Identifier: MIT
"""kmalloc and object caches in the booted kernel: the defect matrix's part, interrupts, guards, clearing."""

import re

import pytest

from harness import KERNEL, sound

# The defect matrix of all classes, with and without the option debug and guarded (tests/unit/test_object_defects.c has
# the same), and what is checked with interrupts.
DEFECTS, INTERRUPTS = 31078, 8


def counts(answer):
    """How many parts of the self-test passed, and how many failed."""
    found = re.search(r"^(\d+) passed, (\d+) failed$", answer, re.MULTILINE)
    assert found, answer
    return int(found[1]), int(found[2])


def passed(answer):
    """Whether all of it passed, and all of it was played."""
    return counts(answer) == (DEFECTS + INTERRUPTS, 0) or answer[-2000:]


def test_selftest(uboot):
    session = uboot()
    answer = session.command("selftest", 100)
    assert passed(answer) is True
    assert f"{DEFECTS} of {DEFECTS} defects caught" in answer
    interrupts, held = re.search(r"(\d+) timer interrupts in \d+ operations, (\d+) found a gate held", answer).groups()
    assert int(interrupts) >= 3000 and int(held) > 0
    pool = re.search(r"^  interrupts +256 +16 +16 +16 +0 +(\d+) +0  guaranteed$", session.command("pools"),
                     re.MULTILINE)
    assert 1 < int(pool[1]) <= 16
    sound(session)


@pytest.mark.parametrize("word, instead, missed", [
    (b", allocated by \0", b", allocated at \0", "double free"),
    (b"%s: 0x%lx, to %s: %s: object %lu", b"%s: 0x%ld, to %s: %s: object %lu", "interior"),
    (b"kmalloc_size\0", b"kmalloc_free\0", "the size of a freed one"),
], ids=["site", "address", "call"])
def test_a_report_that_is_wrong_fails(uboot, word, instead, missed):
    """The self-test reads the reports: a kernel whose report is short of one thing does not pass."""
    kernel = KERNEL.read_bytes()
    assert word in kernel
    session = uboot("kernel=wrong.elf", files=[("wrong.elf", kernel.replace(word, instead))])
    answer = session.command("selftest", 100)
    good, bad = counts(answer)
    assert good + bad == DEFECTS + INTERRUPTS and bad >= 100, answer[-2000:]
    assert re.search(rf"^  not caught: {missed}, \d+ bytes: \w+: 0x", answer, re.MULTILINE), answer[-2000:]


@pytest.mark.parametrize("memory", ["80M", "6G"])
def test_selftest_with_other_memory(uboot, memory):
    """Little of it, and sections that nobody has cut yet."""
    session = uboot(memory=memory)
    assert passed(session.command("selftest", 100)) is True
    sound(session)


@pytest.mark.matrix
def test_selftest_on_ovmf(ovmf):
    session = ovmf()
    assert passed(session.command("selftest", 100)) is True
    sound(session)


def test_guards_and_call_sites(uboot):
    session = uboot("debug=slab init=alloc,free")
    assert "objects are guarded: yes" in session.command("options")
    address = re.search(r"allocated (0x[0-9a-f]+)", session.command("kalloc 100"))[1]
    assert re.search(r"1 objects\s+100 bytes\s+kmalloc-112\s+kalloc\+0x", session.command("kleaks"))
    assert "as it has to be" in session.command("defects")
    assert "freed" in session.command(f"kfree {address}")
    assert "kalloc" not in session.command("kleaks")
    assert passed(session.command("selftest", 100)) is True
    sound(session)


def test_without_guards_it_is_said_how(uboot):
    session = uboot()
    assert "debug=slab" in session.command("kleaks")
    assert "debug=slab" in session.command("defects")


def test_a_guarded_class(uboot):
    """Chosen at boot and at the prompt; what its objects are is known by their addresses, and everything else works."""
    session = uboot("guard=100:begin")
    assert "with pages of their own: 100, at the begin" in session.command("options")
    assert "kmalloc-112 is guarded, at the begin of its pages: 0 objects in use" in session.command("guard")
    answer = session.command("kalloc 100")
    address = int(re.search(r"allocated (0x[0-9a-f]+): ", answer)[1], 16)
    assert address % 4096 == 0 and f"0x{address:x} of kmalloc-112, 100 bytes, in use, with pages of its own" in answer
    assert re.search(r"1 objects\s+100 bytes\s+kmalloc-112\s+kalloc\+0x", session.command("kleaks"))
    assert f"0x{address:x} of kmalloc-112, 100 bytes, in use" in session.command(f"whatis 0x{address + 4096:x}")
    assert "freed" in session.command(f"kfree 0x{address:x}")
    answer = session.command(f"whatis 0x{address + 5:x}")
    assert re.search(r"100 bytes, freed, allocated by kalloc\+0x\w+, freed by kfree_by_hand\+0x\w+; the address is its "
                     r"byte 0x5", answer), answer
    answer = session.command("guard")
    window = int(re.search(r"0 objects in use, 1 freed and out of reach, of (\d+) that can be", answer)[1])
    assert 25000 < window < 34000  # with 256 MiB
    assert "kmalloc-4K is guarded, at the end" in session.command("guard 4K")
    assert "there is no object cache 'nothing'" in session.command("guard nothing")
    assert "large is guarded, at the end" in session.command("guard 100000")
    answer = session.command("kalloc 100000")
    assert "of large, 100000 bytes, in use, with pages of its own" in answer
    address = int(re.search(r"allocated (0x[0-9a-f]+): ", answer)[1], 16)
    assert address % 4096 == -100000 % 4096  # it ends with its pages
    session.command(f"kfree 0x{address:x}")
    assert "large is guarded, at the begin" in session.command("guard large begin")
    assert passed(session.command("selftest", 100)) is True
    assert "no class is guarded" in session.command("guard off")
    assert "places where nothing may be" in session.command("vm")
    sound(session)


def test_a_guard_for_what_there_is_not(uboot):
    session = uboot("guard=nobody")
    assert "guard=nobody: there is no object cache of this name yet" in session.text
    assert "debug=slab" in uboot().command("guard")
