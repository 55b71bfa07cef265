# SPDX-License-Identifier: MIT
"""Kernel addresses in the booted kernel: memory and devices by hand, refusals explained, everything given back."""

import re

from harness import sound

DEVICE = "0xfed00000"  # the HPET's page


def free_bytes(session):
    session.command("vmtrim")
    return int(re.search(r"^  free: (\d+) pages", session.command("buddy"), re.MULTILINE)[1]) * 4096


def address_in(answer):
    return re.search(r"(0xffff[0-9a-f]{12}), physical", answer)[1]


def test_vmalloc_by_hand(uboot):
    session = uboot()
    before = free_bytes(session)
    blocks = []
    for size, pages in (("1", 1), ("16K", 4), ("100K", 25), ("1M", 256), ("5M", 1280)):
        answer = session.command(f"vmalloc {size}")
        assert f"what was written to {pages} of its {pages} pages is in their frames" in answer, answer
        blocks.append(address_in(answer))
    assert int(blocks[-1], 16) % (2 << 20) == 0
    assert "vmalloc: 5 blocks in use, 6.1 MiB" in session.command("vm")
    assert session.command("check").strip() == "check: ok"
    records = sound(session).of("vm")
    assert {record["start"] for record in records if record["kind"] == "vmalloc"} == set(blocks)
    assert "audit: ok" in session.command("audit")
    for block in blocks:
        assert f"freed {block}" in session.command(f"vfree {block}")
        assert "has handed out by hand" in session.command(f"vfree {block}")
    assert "vmalloc: 0 blocks in use" in session.command("vmtrim")
    assert free_bytes(session) == before
    for line, sentence in (("vmalloc 0", "no bytes"), ("vmalloc 900T", "no room"), ("vfree 0", "0x0 is not"),
                           ("vmalloc 512G", "not allocated"), ("vmalloc x", "x")):
        assert sentence in session.command(line)
    assert free_bytes(session) == before
    sound(session)


def test_ioremap_by_hand(uboot):
    session = uboot()
    before = free_bytes(session)
    device = address_in(session.command(f"ioremap {DEVICE}"))
    again = address_in(session.command(f"ioremap {DEVICE} 4K uc"))
    assert device != again
    refusal = session.command(f"ioremap {DEVICE} 4K wc")
    assert f"not mapped: physical {DEVICE} ... 0xfed01000 is mapped uncached already (ioremap, at {device}): " \
           "it cannot be mapped write-combining" in refusal
    assert "is memory of the page allocator" in session.command("ioremap 32M")
    assert "0 cache-alias" in session.command("audit")
    for line in ("ioremap 5 0", "ioremap 0xffffffffffffffff 2"):
        assert "not mapped: no bytes, addresses beyond" in session.command(line)
    assert "a cache type is uc" in session.command(f"ioremap {DEVICE} 4K up")
    for address in (device, again):
        assert f"unmapped {address}" in session.command(f"iounmap {address}")
        assert "has handed out by hand" in session.command(f"iounmap {address}")
    combining = address_in(session.command(f"ioremap {DEVICE} 4K wc"))
    assert "write-combining" in session.command("vm")
    session.command(f"iounmap {combining}")
    session.command("vmtrim")
    assert before - free_bytes(session) <= 4096  # the pool of notes keeps a frame
    sound(session)
