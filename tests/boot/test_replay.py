# SPDX-License-Identifier: MIT
"""replay=FILE: a boot on the map that another machine had, laid over the memory that is really free here."""

from pathlib import Path

import pytest

from harness import sound
from records import number

MAPS = Path(__file__).resolve().parents[1] / "maps"


def free_pages(descriptors):
    return {number(d["start"]) // 4096 + page for d in descriptors if d["type"] == 7 for page in range(d["pages"])}


@pytest.mark.parametrize("name", ["qemu-ovmf-q35-256m", "qemu-ovmf-pc-256m", "made-bootsvc-above-4g"])
def test_the_map_of_another_machine(uboot, name):
    text = (MAPS / f"{name}.txt").read_bytes()
    asked = [line.split() for line in text.decode().splitlines() if line and not line.startswith("#")]
    asked_free = {int(start, 16) // 4096 + page for kind, start, pages, _ in asked if kind == "7"
                  for page in range(min(int(pages), 1 << 16))}
    own = free_pages(sound(uboot(name="own")).efi)
    session = uboot(options="replay=other.txt", files=[("other.txt", text)], name="replay")
    dump = sound(session)
    assert f"REPLAY: this is not this machine's map, but {len(asked)} descriptors" in session.text
    assert dump.records[0]["replayed"] == len(asked)
    free = free_pages(dump.efi)
    assert free <= asked_free
    # What is free is free without the replay, but for some pages that one boot takes and the other does not.
    assert len(free - own) < 200
    types = {d["type"] for d in dump.efi}
    assert {int(kind) for kind, start, *_ in asked if int(start, 16) < 0x8000000} & {9, 10} <= types
