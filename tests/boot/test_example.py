# SPDX-License-Identifier: MIT
"""The kernel of docs/example, which uses mm/ and nothing else of Strata, started by QEMU's loader and by GRUB."""

import re
import subprocess

import pytest

from harness import BUILD
from machine import QEMU


KERNEL = ("-kernel", BUILD / "docs/example.bin")
DISC = ("-cdrom", BUILD / "docs/example.iso")


def start(memory, loader=KERNEL):
    return subprocess.run([QEMU, "-nodefaults", "-no-reboot", "-accel", "tcg", "-m", memory, "-display", "none",
                           "-serial", "stdio", "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
                           *loader], capture_output=True, text=True, timeout=240, check=False,
                          stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("memory, regions", [("64M", 1), ("256M", 1), ("3G", 1), ("6G", 1)])
@pytest.mark.parametrize("loader", [KERNEL, DISC], ids=["qemu", "grub"])
def test_another_kernel_with_another_loader(loader, memory, regions):
    result = start(memory, loader)
    assert result.returncode == 33, result.stdout
    lines = result.stdout.splitlines()
    assert lines[0] == "A small kernel with Strata's mm"
    assert lines[-1] == "check: ok"
    assert "  unaccounted 0" in lines
    assert len(re.findall(r"^  usable +\[", result.stdout, re.MULTILINE)) == regions
    # Memory above what it maps is named, and left alone.
    assert ("beyond-physical-width: descriptor" in result.stdout)
    account = {name: int(size) for name, size in re.findall(r"^  (free|cached|total RAM) +(\d+) KiB", result.stdout,
                                                            re.MULTILINE)}
    assert 0.9 < (account["free"] + account["cached"]) / account["total RAM"] < 1


def test_it_needs_some_memory():
    result = start("2M")
    assert result.returncode == 35
    assert "panic: " in result.stdout
