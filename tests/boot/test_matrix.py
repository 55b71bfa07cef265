# SPDX-License-Identifier: MIT
"""Boots on many machines, each judged by its own checks and by what its records let us recompute: memory sizes,
processors, firmwares, disks."""

import pytest

from harness import sound
from machine import parse_size

LEAST = "64M"  # OVMF does not come up with 32M, and with 48M it leaves no room for the kernel

# What `make test` boots, and what `make test-boot` adds.
MEMORY = [LEAST, "256M", "1G", "4G", "64G", "1T"]
MORE_MEMORY = ["128M", "3G", "3073M", "5G", "16G", "256G"]
matrix = pytest.mark.matrix


def memory_is_there(dump, memory):
    """The firmware keeps a little for itself, and Strata next to nothing."""
    asked = parse_size(memory)
    ram = dump.ram_bytes()
    assert asked - (8 << 20) <= ram <= asked
    share = dump.ledger["free"] / ram
    least = 0.993 if asked >= 1 << 30 else 0.985 if asked >= 256 << 20 else 0.95
    assert share >= least, f"{100 * share:.2f} % of RAM is free"
    last = 81 << 12 if asked % (1 << 30) else 0  # a GiB of which little is there has the metadata of a whole one
    metadata = (dump.ledger["page-metadata"] - last) / ram
    most = 0.0004 if asked >= 1 << 30 else 0.0015 if asked >= 256 << 20 else 0.006
    assert metadata <= most, f"{100 * metadata:.3f} % of RAM is the page allocator's metadata"
    if asked <= 256 << 20:
        own = dump.ledger["strata-itself"]
        assert own <= 2 << 20, f"Strata itself uses {own >> 10} KiB"


@pytest.mark.parametrize("memory", [*MEMORY, *(pytest.param(size, marks=matrix) for size in MORE_MEMORY)])
def test_memory_on_ovmf(ovmf, memory):
    session = ovmf(memory=memory, timeout=240)
    memory_is_there(sound(session), memory)


@pytest.mark.parametrize("memory", [*MEMORY[:-1], *MORE_MEMORY])
def test_memory_on_uboot(uboot, memory):
    dump = sound(uboot(memory=memory))
    assert dump.ledger["free"] > 0


@pytest.mark.parametrize("cpus", ["1", "2", "4", "4,sockets=2", pytest.param("16", marks=matrix)])
def test_processors_on_uboot(uboot, cpus):
    sound(uboot(cpus=cpus))


@pytest.mark.parametrize("machine", ["q35", "pc"])
@pytest.mark.parametrize("cpus", ["1", "2", pytest.param("4", marks=matrix)])
def test_processors_on_ovmf(ovmf, machine, cpus):
    sound(ovmf(machine=machine, cpus=cpus))


@pytest.mark.parametrize("cpu", ["qemu64", "max,-nx", "max,-pdpe1gb", "max,+la57", "max,-rdrand,-rdseed",
                                 "Skylake-Server", "EPYC"])
def test_kinds_of_processor(uboot, cpu):
    sound(uboot(cpu=cpu, memory="3G"))


@pytest.mark.parametrize("nodes, memory", [(2, "512M"), pytest.param(4, "8G", marks=matrix)])
def test_numa(ovmf, nodes, memory):
    sound(ovmf(numa=nodes, cpus=str(nodes), memory=memory))


@pytest.mark.parametrize("firmware, machine", [
    ("ovmf2m", "q35"),
    pytest.param("ovmf2m", "pc", marks=matrix),
    ("secboot", "q35"),
])
def test_firmwares(ovmf, firmware, machine):
    sound(ovmf(firmware=firmware, machine=machine))


@pytest.mark.parametrize("machine, disk", [
    ("q35", "usb"), ("q35", "sata"), ("q35", "nvme"), ("pc", "ide"),
    *(pytest.param(*which, marks=matrix) for which in (
        ("q35", "usb2"), ("pc", "usb"), ("pc", "usb2"), ("pc", "sata"), ("pc", "nvme"), ("pc", "virtio"))),
])
def test_disks(ovmf, machine, disk):
    sound(ovmf(machine=machine, disk=disk))


def test_without_a_fake_tpm(ovmf):
    """The machine as people have it; every other boot on OVMF carries the fake TPM."""
    sound(ovmf(fake_tpm=False))


@matrix
def test_memory_above_the_hyper_transport_hole(ovmf):
    """An AMD processor moves RAM above 4 GiB of a 1 TiB machine to 1 TiB: two islands far apart."""
    sound(ovmf(memory="1T", cpu="max,phys-bits=42", timeout=240))


@matrix
@pytest.mark.parametrize("below", ["1G", "2G", "3G"])
def test_low_memory_that_ends_early(ovmf, below):
    sound(ovmf(memory="4G", extra=["-machine", f"max-ram-below-4g={below}"]))
