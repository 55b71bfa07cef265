# SPDX-License-Identifier: MIT
"""Kernels that the loader must refuse: each names what is wrong and hands back to the firmware, which goes on."""

import pytest

from binary import PF_R, PF_W, PF_X, Elf
from harness import KERNEL

FILE = "test.elf"


def changed(change):
    """The real kernel with its headers changed."""
    elf = Elf(KERNEL.read_bytes())
    change(elf)
    return elf.bytes()


def set_header(**fields):
    return lambda elf: [setattr(elf, name, value) for name, value in fields.items()]


def set_segment(index, **fields):
    return lambda elf: [setattr(elf.loads[index], name, value) for name, value in fields.items()]


def overlap(elf):
    elf.loads[1].virtual = elf.loads[0].virtual


BAD = {
    "empty": (lambda: b"", r"it is truncated: 0 bytes"),
    "text": (lambda: b"Not a kernel at all.\n" * 10, r"it is not an ELF file: it begins with 4e 6f 74 20"),
    "half": (lambda: KERNEL.read_bytes()[:KERNEL.stat().st_size // 2], r"truncated"),
    "a-header": (lambda: KERNEL.read_bytes()[:70], r"it is truncated: \d+ program headers"),
    "for-arm": (lambda: changed(set_header(machine=183)), r"wrong machine: it is for machine 183"),
    "32-bit": (lambda: changed(set_header(ident=b"\x7fELF\1\1\1" + bytes(9))), r"wrong machine: it is not a 64-bit"),
    "not-pie": (lambda: changed(set_header(type=2)), r"its type is 2"),
    "writable-text": (lambda: changed(set_segment(0, flags=PF_R | PF_W | PF_X)), r"both writable and executable"),
    "out-of-bounds": (lambda: changed(set_segment(1, offset=1 << 40)), r"segment \d is out of bounds"),
    "wraps": (lambda: changed(set_segment(-1, virtual=(1 << 64) - 4096)), r"segment \d wraps"),
    "huge": (lambda: changed(set_segment(-1, bytes=1 << 45)), r"more than the"),
    "overlap": (lambda: changed(overlap), r"overlaps the one before"),
    "no-entry": (lambda: changed(set_header(entry=0x7FFF0000)), r"its entry 0x7fff0000 is not in an executable"),
    "interpreter": (lambda: changed(lambda elf: setattr(elf.segments[-1], "type", 3)), r"a dynamic linker"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_kernel_is_refused(uboot, name):
    make, sentence = BAD[name]
    session = uboot(f"kernel={FILE}", prompt=False, files=[(FILE, make())])
    session.expect(rf"strata: error: kernel \\{FILE}\S* .*{sentence}")
    session.expect(r"^=> ")  # U-Boot has the machine again


def test_missing_kernel_is_refused(uboot):
    session = uboot("kernel=nowhere.elf", prompt=False)
    session.expect(r"strata: error: kernel \\nowhere.elf: there is no such file")
    session.expect(r"^=> ")


def test_bad_kernel_leaves_ovmf_running(ovmf):
    session = ovmf(prompt=False, options=f"kernel={FILE}", files=[(FILE, b"Not a kernel")])
    session.expect(r"strata: error: kernel")
    session.expect(r"UEFI Interactive Shell|Shell>|BdsDxe: (failed|No bootable)", 60)


