# SPDX-License-Identifier: MIT
"""Bad memory: found by the memory test while the host breaks the guest's RAM, or named by a person."""

import mmap
import re
import threading
import time

import pytest

from harness import sound


class StuckBit:
    """A bit of the guest's RAM that does not stay 0 for longer than a millisecond; use as a context manager."""

    def __init__(self, memory_file, address, bit):
        self._file = open(memory_file, "r+b")
        self._memory = mmap.mmap(self._file.fileno(), 0)
        self._at, self._mask = address + bit // 8, 1 << bit % 8
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._break, daemon=True)

    def _break(self):
        while not self._end.is_set():
            self._memory[self._at] |= self._mask
            time.sleep(0.0005)

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *exception):
        self._end.set()
        self._thread.join()
        self._memory.close()
        self._file.close()


def account(session, name):
    """An account of the ledger, in bytes."""
    match = re.search(rf"^  {name} +(\d+) KiB", session.command("ledger"), re.MULTILINE)
    return int(match[1]) * 1024 if match else 0


def is_named(session, address, bit):
    """Asserts that the test has named the bit: the word, what was expected in it and what was found."""
    named = re.search(rf"error: memtest: {address:#x}: expected (0x[0-9a-f]+), found (0x[0-9a-f]+)", session.text)
    assert named, session.tail()
    expected, found = int(named[1], 16), int(named[2], 16)
    assert expected ^ found == 1 << bit and found >> bit & 1


def is_out(session, address):
    """Asserts that the page is out for good."""
    page = address & ~0xfff
    assert f"[{page:#x}, {page + 0x1000:#x}), 1 pages, retired" in session.command("badram")
    assert "bad, taken out for good" in session.command(f"whatis {address:#x}")
    assert "not reserved" in session.command(f"release {page:#x} {page + 0x1000:#x}")
    refusal = session.command(f"reserve {page:#x} {page + 0x1000:#x}")
    assert "not free" in refusal and "bad, taken out for good" in refusal


def test_the_memory_test_finds_a_stuck_bit(uboot, tmp_path):
    ram, address, bit = tmp_path / "ram", 0x2100238, 44
    session = uboot(memory="64M", memory_file=ram)
    before = account(session, "bad")
    with StuckBit(ram, address, bit):
        answer = session.command("memtest 1 32M 34M", timeout=60)
    assert re.search(r"memtest: done: 512 pages tested, 1 bad and out for good", answer)
    is_named(session, address, bit)
    is_out(session, address)
    assert account(session, "bad") == before + 4096
    sound(session)
    # The rest of it is good.
    assert "511 pages tested, 0 bad" in session.command("memtest 1 32M 34M", timeout=60)
    sound(session)


def test_bad_memory_from_the_first_byte_on(uboot):
    """Where the firmware's first piece of free memory begins at 0: page 0 cannot be had, the rest is taken."""
    session = uboot("badram=0-64M,60M-100M", memory="256M")
    assert re.search(r"badram: 26624 pages named, 25\d\d\d of them taken while free", session.text)
    assert account(session, "bad") > 99 << 20
    sound(session)


@pytest.mark.parametrize("ranges, named", [("0-256M", 262144), ("0-218M,219M-256M", 261120)])
def test_all_of_it_is_bad(uboot, ranges, named):
    session = uboot(f"badram={ranges}", memory="256M", prompt=False)
    session.expect(rf"strata: error: not enough memory for .*; badram= names {named} KiB", 30)


def test_the_memory_test_at_boot(uboot, tmp_path):
    """What badram= names is neither tested nor used; the bit is found in what remains, before anything is given out."""
    ram, address, bit = tmp_path / "ram", 0x3480ff8, 7
    session = uboot("memtest=1 badram=2M-14M,34M-44M", prompt=False, memory="64M", memory_file=ram, timeout=200)
    session.expect(r"memtest: passes: 1, over \d+ pages")
    with StuckBit(ram, address, bit):
        session.prompt(150)
    assert re.search(r"memtest: done: \d+ pages tested, 1 bad and out for good", session.text)
    assert session.text.index("memtest: done") < session.text.index("\nledger: ")
    is_named(session, address, bit)
    is_out(session, address)
    assert account(session, "bad") == (22 << 20) + 4096
    sound(session)


def test_the_memory_test_can_be_stopped(uboot):
    session = uboot(memory="128M")
    session.unlock()
    session.send("memtest 1000\r")
    session.expect(r"memtest: passes: 1000")
    session.send("\x03")
    session.expect(r"memtest: stopped: \d+ pages tested, 0 bad", 30)
    session.prompt()
    sound(session)


@pytest.mark.parametrize("line, sentence", [
    ("memtest 0", "1 to 1000 passes"),
    ("memtest 1 32M", "like this: memtest"),
    ("memtest 1 32M 32M", "the range is empty"),
    ("memtest x", '"x"'),
    ("badram 32M 31M", "the range is empty"),
    ("badram 0x10000000000000", "beyond all memory"),
])
def test_wrong_words(uboot, line, sentence):
    session = uboot()
    assert sentence in session.command(line)
    sound(session)


def direct_map(session):
    return int(re.search(r"\[(0x[0-9a-f]+), 0x[0-9a-f]+\)  direct map", session.command("layout"))[1], 16)


def test_retiring_by_hand(uboot):
    session = uboot()
    block = re.search(r"\[(0x[0-9a-f]+),", session.command("alloc 1"))[1]
    left = lambda: sum(account(session, name) for name in ("free", "cached", "page-table"))
    before = left()
    assert "pages retired for good: 3, not retired: 0" in session.command("badram 0x2000800 0x2003000")
    assert left() == before - 3 * 4096
    assert "empty" in session.command(f"pt {direct_map(session) + 0x2001000:#x}")  # nobody can reach it
    refusal = session.command(f"badram {block} {int(block, 16) + 0x1000:#x}")
    assert "not retired" in refusal and "owner monitor" in refusal and "retired for good: 0" in refusal
    assert "taken out for good" in session.command("badram 0x2001000")
    assert "low memory" in session.command("badram 0x8000")
    assert "no memory" in session.command("badram 0xf0000000000")
    assert "[0x2000000, 0x2003000), 3 pages, retired" in session.command("badram")
    sound(session)


def bad_regions(session):
    return re.findall(r"^  bad +\[0x0*([0-9a-f]+), 0x0*([0-9a-f]+)\)", session.command("regions"), re.MULTILINE)


@pytest.mark.parametrize("value, regions", [
    ("64K$0x2000000", [("2000000", "2010000")]),
    ("0x2000000-0x2010000", [("2000000", "2010000")]),
    ("0x2000000,0xffff0000", [("2000000", "2010000")]),
    ("0x2000123,0xffeff000", [("2000000", "2001000"), ("2100000", "2101000")]),
    ("4K$32M,0x2080000-0x2081000,0x2100000,0xffeff000",
     [("2000000", "2001000"), ("2080000", "2081000"), ("2100000", "2101000")]),
])
@pytest.mark.parametrize("firmware", ["uboot", pytest.param("ovmf", marks=pytest.mark.matrix)])
def test_named_bad_memory_is_never_used(request, firmware, value, regions):
    start = request.getfixturevalue(firmware)
    session = start(f"badram={value}") if firmware == "uboot" else start(options=f"badram={value}")
    found = bad_regions(session)
    assert set(regions) <= set(found)
    if "0xffeff000" not in value:
        assert found == regions
    for begin, end in regions:
        assert "not free" in session.command(f"reserve 0x{begin} 0x{end}")
        assert "not retired" in session.command(f"badram 0x{begin}")
    assert account(session, "bad") == sum(int(end, 16) - int(begin, 16) for begin, end in found)
    assert "named by the firmware or by badram=" in session.command("badram")
    sound(session)


def test_more_bad_memory_than_there_is_room_for(uboot):
    session = uboot("badram=0x2001000,0xfff01000")
    assert re.search(r"error: badram: .* names 64 more, 64 pages, from 0x2081000 on: there is room for 64 ranges "
                     "in all, SO THESE STAY IN USE", session.text)
    assert account(session, "bad") == 64 * 4096
    sound(session)
