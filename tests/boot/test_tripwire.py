# SPDX-License-Identifier: MIT
"""Firmware that writes to memory it has given up: here the host does, while the machine boots."""

import mmap
import re
import threading

from harness import sound
from records import number


class Writer:
    """Counts in a byte of the guest's RAM for as long as it is used as a context manager."""

    def __init__(self, memory_file, *addresses):
        self._file = open(memory_file, "r+b")
        self._memory = mmap.mmap(self._file.fileno(), 0)
        self._addresses = addresses
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)

    def _write(self):
        while not self._end.wait(0.0002):
            for address in self._addresses:
                self._memory[address] = (self._memory[address] + 1) % 256

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *exception):
        self._end.set()
        self._thread.join()
        self._memory.close()
        self._file.close()


def summary(session):
    found = re.search(r"tripwire: boot services: (\d+) of (\d+) pages watched, (\d+) were written to; "
                      r"low memory: (\d+), (\d+)$", session.text, re.MULTILINE)
    assert found, session.tail()
    return [int(word) for word in found.groups()]


def test_nobody_writes(uboot, ovmf):
    for session in (uboot(), ovmf()):
        watched, of, written, low, low_written = summary(session)
        assert watched == of > 1000 and written == 0 and low > 100 and low_written == 0
        wires = {wire["class"]: wire for wire in sound(session).of("tripwire")}
        assert (wires["bootsvc"]["watched"], wires["bootsvc"]["changed"]) == (watched, 0)
        assert (wires["low"]["watched"], wires["low"]["unwatched"], wires["low"]["changed"]) == (low, 0, 0)


def test_a_page_that_is_written_to_stays_out(uboot, tmp_path):
    dump = sound(uboot())
    largest = max((d for d in dump.efi if d["type"] in (3, 4)), key=lambda d: d["pages"])
    page = number(largest["start"]) + largest["pages"] // 2 * 4096
    address, low = page + 0x7a3, 0x4f0  # of low memory: between the BIOS's variables
    ram = tmp_path / "ram"
    session = uboot(prompt=False, memory_file=ram)
    session.expect(r"strata: direct map at")
    with Writer(ram, address, low):
        session.prompt()
    assert summary(session)[2::2] == [1, 1]
    warning = "memory at {:#x} was written to after boot services had ended: 1 blocks of 512 bytes, the first at {:#x}"
    assert f"warning: boot services {warning.format(page, address & ~0x1ff)}" in session.text
    assert f"warning: low {warning.format(0, low & ~0x1ff)}" in session.text
    assert re.search(r"boot services: .*written to after the exit", session.text)
    assert "region: bootsvc" in session.command(f"whatis {page:#x}")
    assert "not the page allocator's" in session.command(f"whatis {page:#x}")
    assert "region: usable" in session.command(f"whatis {page + 4096:#x}")
    sound(session)


def test_what_is_too_much_is_told(uboot):
    """U-Boot calls all memory above 4 GiB boot services': only a part of it is watched."""
    session = uboot(memory="6G")
    watched, of, written, _, _ = summary(session)
    assert watched == 16384 and of > 2 << 18 and written == 0
    sound(session)
