# SPDX-License-Identifier: MIT
"""How much work it is to come up: instructions from the kernel's entry to a ready page allocator, nothing printed in
between. QEMU's -icount makes a tick an instruction, so the counts are exact."""

import pytest

from harness import sound

BOUND = 2_000_000


def instructions_to_buddy(uboot, memory):
    session = uboot("kaslr=off", memory=memory, extra=["-icount", "shift=0,sleep=off"], name=memory)
    (phase,) = (record for record in sound(session).of("phase") if record["name"] == "buddy")
    return int(phase["ticks_since_entry"], 16)


@pytest.mark.parametrize("memory", ["256M", "4G"])
def test_the_page_allocator_is_soon_ready(uboot, memory):
    assert 10_000 < instructions_to_buddy(uboot, memory) <= BOUND


def test_a_terabyte_is_no_more_work_than_4_gib(uboot):
    small, large = (instructions_to_buddy(uboot, memory) for memory in ("4G", "1T"))
    assert large <= 1.5 * small <= 1.5 * BOUND
