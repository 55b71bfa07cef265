# SPDX-License-Identifier: MIT
"""replay=FILE: a boot on the map that another machine had, laid over the memory that is really free here."""

import re
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


@pytest.mark.parametrize("text, more, sentence", [
    ("10 0x4000000 16 0xf\n", "",
     r"the firmware left no memory to work with: nothing of the map is usable, 0 KiB are bad"),
    ("7 0x4000000 16 0xf\n", "", r"too little memory: \d+ KiB are usable, no piece of them has room for the page "
                                 r"allocator's own structures; 0 KiB are bad"),
    ("7 0x4000000 16 0xf\n", " badram=0x4000000-0x4007fff",
     r"too little memory: \d+ KiB are usable, .*; 32 KiB are bad \(badram= is given\)"),
    ("7 0x4000000 16 0xf\n", " badram=0x4000000-0x400ffff",
     r"the firmware left no memory .*, 64 KiB are bad \(badram= is given\)"),
], ids=["acpi", "little", "half-bad", "bad"])
def test_next_to_nothing_ends_in_a_sentence(uboot, text, more, sentence):
    """On the map of a machine without memory the kernel ends in a sentence, with the map and what is wrong with it."""
    session = uboot(options=f"exit=qemu replay=little.txt{more}", files=[("little.txt", text.encode())], prompt=False)
    assert session.wait(60) == 35
    assert re.search(rf"^panic: {sentence}$", session.text, re.MULTILINE), session.tail()
    assert re.search(r"^regions: \d+, described ", session.text, re.MULTILINE)
    assert re.search(r"^findings: ", session.text, re.MULTILINE)
