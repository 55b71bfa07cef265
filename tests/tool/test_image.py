# SPDX-License-Identifier: MIT
"""What is built: the loader, the kernel, the disk image; and that it is built the same twice."""

import filecmp
import os
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from binary import PE_DYNAMIC_BASE, PE_EXECUTE, PE_NX_COMPAT, PE_WRITE, PF_W, PF_X, PT_DYNAMIC, Elf, Pe

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("STRATA_BUILD", TOP / "build"))
LOADER = BUILD / "esp/EFI/BOOT/BOOTX64.EFI"
KERNEL = BUILD / "kernel/strata.elf"
IMAGE = BUILD / "strata.img"
SECTOR = 512


@pytest.fixture(scope="module")
def loader():
    return Pe(LOADER.read_bytes())


@pytest.fixture(scope="module")
def kernel():
    return Elf(KERNEL.read_bytes())


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, **more)


def test_loader_is_an_efi_application_for_x86_64(loader):
    assert loader.machine == 0x8664
    assert loader.magic == 0x20B
    assert loader.subsystem == 10


def test_loader_says_that_it_runs_with_no_execute_memory(loader):
    assert loader.characteristics & PE_NX_COMPAT
    assert loader.section_alignment == 4096  # or permissions cannot be set by section


def test_loader_can_be_put_anywhere(loader):
    assert loader.characteristics & PE_DYNAMIC_BASE
    assert ".reloc" in loader.sections


def test_loader_has_no_section_that_is_writable_and_executable(loader):
    for name, (_, _, flags) in loader.sections.items():
        assert not (flags & PE_WRITE and flags & PE_EXECUTE), name


def test_loader_carries_the_kernel():
    assert KERNEL.read_bytes() in LOADER.read_bytes()


def test_kernel_is_a_static_pie_for_x86_64(kernel):
    assert (kernel.machine, kernel.type) == (62, 3)
    assert not any(segment.type == 3 for segment in kernel.segments)  # no interpreter


def test_kernel_has_no_segment_that_is_writable_and_executable(kernel):
    assert kernel.loads
    for segment in kernel.loads:
        assert not (segment.flags & PF_W and segment.flags & PF_X)


def test_kernel_entry_is_executable(kernel):
    assert any(s.flags & PF_X and s.virtual <= kernel.entry < s.virtual + s.file_bytes for s in kernel.loads)


def test_kernel_has_only_relative_relocations():
    listing = run("llvm-readelf", "-r", KERNEL).stdout
    kinds = {line.split()[2] for line in listing.splitlines() if "R_X86_64" in line}
    assert kinds <= {"R_X86_64_RELATIVE"}


def test_kernel_uses_no_vector_registers():
    """Nothing saves them: an interrupt would spoil them."""
    listing = run("llvm-objdump", "-d", "--no-show-raw-insn", KERNEL).stdout
    assert "%xmm" not in listing and "%ymm" not in listing and "%st(" not in listing


# The disk image.

def gpt_header(data, sector):
    header = data[sector * SECTOR:sector * SECTOR + 92]
    assert header[:8] == b"EFI PART"
    crc = struct.unpack_from("<I", header, 16)[0]
    assert crc == zlib.crc32(header[:16] + bytes(4) + header[20:])
    return struct.unpack_from("<QQQQ", header, 24)


def test_image_has_a_protective_mbr_and_two_partition_tables():
    data = IMAGE.read_bytes()
    sectors = len(data) // SECTOR
    assert data[510:512] == b"\x55\xaa"
    assert data[446 + 4] == 0xEE
    assert struct.unpack_from("<II", data, 446 + 8) == (1, sectors - 1)
    assert gpt_header(data, 1)[:2] == (1, sectors - 1)
    assert gpt_header(data, sectors - 1)[:2] == (sectors - 1, 1)


def test_sgdisk_finds_no_problem():
    result = run("sgdisk", "-v", IMAGE)
    assert "No problems found" in result.stdout, result.stdout
    listing = run("sgdisk", "-i", "1", IMAGE).stdout
    assert "EFI system partition" in listing and "First sector: 2048" in listing


def test_fsck_finds_no_problem(tmp_path):
    partition = tmp_path / "partition"
    with open(IMAGE, "rb") as image:
        image.seek(2048 * SECTOR)
        partition.write_bytes(image.read(126976 * SECTOR))
    result = run("fsck.fat", "-n", "-v", partition)
    assert result.returncode == 0, result.stdout
    assert "32 bit entries" in result.stdout, result.stdout


def test_image_holds_the_esp_tree(tmp_path):
    environment = {**os.environ, "MTOOLS_SKIP_CHECK": "1"}
    assert run("mcopy", "-s", "-Q", "-i", f"{IMAGE}@@1M", "::/", tmp_path, env=environment).returncode == 0
    tree = BUILD / "esp"
    for path in tree.rglob("*"):
        if path.is_file():
            assert (tmp_path / path.relative_to(tree)).read_bytes() == path.read_bytes()


# Two builds.

def test_two_builds_are_identical(tmp_path):
    again = tmp_path / "again"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    revision = (BUILD / "kernel/version").read_text().split(maxsplit=1)[1].strip()  # somebody may be editing
    result = run("make", "-s", f"BUILD={again}", f"STRATA_BUILD={revision}", f"{again}/strata.img", cwd=TOP,
                 env=environment)
    assert result.returncode == 0, result.stderr
    for name in ("kernel/strata.elf", "esp/EFI/BOOT/BOOTX64.EFI", "strata.img"):
        assert filecmp.cmp(BUILD / name, again / name, shallow=False), f"{name} differs between two builds"
    shutil.rmtree(again)
