# SPDX-License-Identifier: MIT
"""The page of a boot against the monitor of the same boot: of objects, it says what `whatis` says, in the same words.
(The page by itself: tests/tool/test_view.py.)"""

import re
import subprocess

import pytest

import browser
from harness import BUILD, sound
from records import extract, number

CHROMIUM = browser.find()
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium-headless-shell (`make deps`)")


@pytest.fixture(name="page")
def fixture_page(tmp_path):
    """Opens the page of what a session has dumped last."""
    with browser.Browser(CHROMIUM) as window:
        def page(session):
            (tmp_path / "dump.jsonl").write_text("".join(f"{line}\n" for line, _ in extract(session.text)))
            made = subprocess.run([BUILD / "host/strata-map", "--html", tmp_path / "dump.jsonl"], capture_output=True,
                                  check=True)
            (tmp_path / "view.html").write_bytes(made.stdout)
            window.open(tmp_path / "view.html")
            return window
        yield page
        assert window.problems == []


def kalloc(session, size):
    """Where `size` bytes are now: (virtual, physical or None)."""
    answer = session.command(f"kalloc {size}")
    found = re.search(r"allocated (0x[0-9a-f]+)(?:, physical (0x[0-9a-f]+))?: ", answer)
    return [place and int(place, 16) for place in found.groups()]


def compare(session, window, addresses):
    """Asks both of each address; returns what they say of objects, None where that is nothing."""
    said = []
    for address in addresses:
        kernel = re.findall(r"^ *object: (.*)$", session.command(f"whatis {address:#x}"), re.MULTILINE)
        shown = window.run(
            f"document.getElementById('address').value = '{address:#x}';"
            "document.getElementById('ask').requestSubmit();"
            "[...document.querySelectorAll('#answer dt')].filter((layer) => layer.textContent === 'object')"
            ".map((layer) => layer.nextSibling.textContent)")
        assert window.run("document.querySelector('#answer h3').textContent").endswith(f" {address:#x}")
        assert shown == kernel and len(kernel) <= 1, (hex(address), kernel, shown)
        said += kernel or [None]
    return said


def edges(slab):
    """The first and the last byte of each of a slab's objects, and of what lies before and behind them."""
    start, size = number(slab["start"]), number(slab["bytes"])
    places = [start + slab["first"] + index * slab["stride"] for index in range(slab["objects"] + 1)]
    return sorted({start, *places, *(place - 1 for place in places), start + size - 1} - {start - 1, start + size})


def test_objects_are_told_as_whatis_tells_them(uboot, page):
    session = uboot()
    kept, small = kalloc(session, 600)
    freed, free = kalloc(session, 600)
    virtual, large = kalloc(session, 100000)
    session.command(f"kfree {freed:#x}")
    dump = sound(session)
    window = page(session)
    said = compare(session, window, [small, small + 5, free + 7, large, large + 99999, large + 102399, virtual + 4096,
                                     kept + 599])
    slot = rf"\d+ of kmalloc-640 at {kept:#x}, 640 bytes, in use; the address is its byte 0x5; slab at 0x\w+, \d+ bytes"
    assert re.fullmatch(slot + ", of CPU 0", said[1])
    assert re.match(rf"\d+ of kmalloc-640 at {freed:#x}, 640 bytes, free; the address is its byte 0x7;", said[2])
    one = f"a large one at {virtual:#x}, 102400 bytes, 100000 asked for, in use; the address is "
    assert said[3:7] == [one + "its byte 0x0", one + "its byte 0x1869f", one + "0x95f bytes behind it",
                         one + "its byte 0x1000"]
    slab = next(slab for slab in dump.of("slab-block") if slab["cache"] == "kmalloc-640")
    around = compare(session, window, edges(slab))
    assert "none, it lies behind the last; " in around[-1] and around[0].startswith("0 of kmalloc-640")
    # Neither frames of the allocator's own nor free ones hold objects.
    begin, end = number(slab["start"]), number(slab["start"]) + number(slab["bytes"])
    runs = [number(run["start"]) for run in dump.frames if run.get("owner") == "slab" or run["state"] == "free"]
    others = compare(session, window, [at for at in runs if not begin <= at < end][:8])
    assert None in others


def test_what_is_left_of_slabs(uboot, page):
    """Pages of a slab that none of its objects needs go one by one: every piece is told of."""
    session = uboot()
    objects = {physical: virtual for virtual, physical in (kalloc(session, 3000) for _ in range(40))}
    slabs = [slab for slab in sound(session).of("slab-block") if slab["cache"] == "kmalloc-3K"]
    slab = max(slabs, key=lambda one: number(one["bytes"]))
    bits = number(slab["in_use"])
    low, high = (bits & -bits).bit_length() - 1, bits.bit_length() - 1
    assert high - low >= 8
    kept = [number(slab["start"]) + 3072 * index for index in (low, high)]
    for physical, virtual in objects.items():
        if physical not in kept:
            session.command(f"kfree {virtual:#x}")
    session.command("shrink")
    pieces = [piece for piece in sound(session).of("slab-block") if piece["cache"] == "kmalloc-3K"]
    assert len(pieces) == 2 and all(number(piece["start"]) <= at < number(piece["start"]) + number(piece["bytes"])
                                    for piece, at in zip(pieces, kept))
    window = page(session)
    for piece in pieces:
        said = compare(session, window, edges(piece))
        assert any(" of kmalloc-3K at " in one and ", in use; " in one for one in said)
    assert compare(session, window, [kept[0] + 3 * 4096]) == [None]


def test_with_the_option_debug(uboot, page):
    """What waits in quarantine is free; in front of a slab's first object lies a red zone; guarded objects."""
    session = uboot("guard=100:begin")
    kept, _ = kalloc(session, 100)
    freed, _ = kalloc(session, 100)
    virtual, large = kalloc(session, 100000)
    waits, gone = kalloc(session, 70000)
    _, small = kalloc(session, 200)
    session.command(f"kfree {freed:#x}")
    session.command(f"kfree {waits:#x}")
    dump = sound(session)
    window = page(session)
    said = compare(session, window, [kept, kept + 99, kept + 100, kept - 1, kept + 4096 + 5, freed + 50, freed - 4097,
                                     large + 9, gone + 9, small, virtual - 1])
    by = r"allocated by kalloc\+0x\w+"
    assert re.fullmatch(rf"{kept:#x} of kmalloc-112, 100 bytes, in use, {by}; the address is its byte 0x63", said[1])
    assert re.fullmatch(rf"{freed:#x} of kmalloc-112, 100 bytes, freed, {by}, freed by kfree_by_hand\+0x\w+; the "
                        "address is its byte 0x32", said[5])
    assert re.search(rf", 100000 asked for, in use, {by}; the address is its byte 0x9", said[7])
    assert re.search(rf", 70000 asked for, freed, {by}, freed by kfree_by_hand\+0x\w+; the address", said[8])
    for slab in dump.of("slab-block"):
        around = compare(session, window, edges(slab)[:4])
        assert around[0].startswith("none, it lies before the first; "), around
