# SPDX-License-Identifier: MIT
"""The map against what the firmware's other tables say of memory: SRAT's ranges, SMBIOS' sizes. What QEMU says agrees;
what is planted does not."""

import re
import struct

import pytest

from harness import sound

COMPARED = {"ram-outside-nodes", "node-outside-ram", "memory-size"}


def compared(dump):
    return [record["text"] for record in dump.of("finding") if record["kind"] in COMPARED]


@pytest.mark.parametrize("machine", [
    {"memory": "256M"},
    {"memory": "512M", "numa": 2, "cpus": "2"},
    {"memory": "1G", "extra": ["-m", "1G,slots=2,maxmem=4G"]},
    pytest.param({"machine": "pc", "memory": "5G", "numa": 2, "cpus": "2"}, marks=pytest.mark.matrix),
    pytest.param({"memory": "16G", "numa": 4, "cpus": "4"}, marks=pytest.mark.matrix),
    pytest.param({"memory": "1T"}, marks=pytest.mark.matrix),
    pytest.param({"memory": "2G", "firmware": "secboot"}, marks=pytest.mark.matrix),
], ids=lambda machine: "-".join(str(value) for value in machine.values() if not isinstance(value, list)))
def test_qemu_agrees_with_itself(ovmf, machine):
    session = ovmf(**machine)
    assert compared(sound(session)) == []
    installed = re.search(r"SMBIOS: memory in \d+ of \d+ slots, (\d+ \w+), addresses for (\d+ \w+)$",
                          session.command("acpi"), re.MULTILINE)
    assert installed[1] == installed[2]


def test_uboot_agrees_with_itself(uboot):
    session = uboot(memory="512M", numa=2, cpus="2")
    assert compared(sound(session)) == []
    assert "SRAT: node 1 has [0x10000000, 0x20000000)" in session.command("acpi")


def device(handle, mebibytes):
    """A structure of type 17: a memory device, whose array QEMU calls 0x1000."""
    ddr4 = 0x1a
    body = struct.pack("<HHHHHBBBBBHH4BBIH", 0x1000, 0xfffe, 64, 64, mebibytes, 9, 0, 0, 0, ddr4, *[0] * 9)
    return struct.pack("<BBH", 17, 4 + len(body), handle) + body + b"\0\0"


@pytest.mark.parametrize("mebibytes, sentence", [
    (128, r"SMBIOS: 128 MiB of memory are installed, but the map describes 25\d\.\d MiB of RAM: the map is believed"),
    (4096, r"SMBIOS: 4 GiB of memory are installed, of which the map describes no more than \d+\.\d MiB: "
           r"the rest is not used"),
])
def test_a_wrong_size_is_named(ovmf, tmp_path, mebibytes, sentence):
    (tmp_path / "device").write_bytes(device(0x1100, mebibytes))
    session = ovmf(extra=["-smbios", f"file={tmp_path}/device"])
    found = compared(sound(session))
    assert any(re.fullmatch(sentence, text) for text in found), found


def srat(*ranges):
    """The body of an SRAT table with these ranges of memory: node, begin, bytes."""
    return struct.pack("<IQ", 1, 0) + b"".join(
        struct.pack("<BBIHQQIIQ", 1, 40, node, 0, begin, size, 0, 1, 0) for node, begin, size in ranges)


def test_nodes_that_do_not_fit_the_map_are_named(ovmf, tmp_path):
    (tmp_path / "srat").write_bytes(srat((0, 0, 128 << 20), (1, 64 << 30, 1 << 30)))
    session = ovmf(extra=["-acpitable", f"sig=SRAT,rev=3,oem_id=STRATA,oem_table_id=TESTTEST,data={tmp_path}/srat"])
    found = compared(sound(session))
    assert ("table SRAT: node 1 has [0x1000000000, 0x1040000000) (1 GiB), of which the map says nothing: not used"
            in found)
    assert any(re.fullmatch(r"\[0x8000000, 0x\w+\) \(\d+\.\d MiB\) is RAM that the table SRAT gives to no node: "
                            r"used all the same", text) for text in found), found
