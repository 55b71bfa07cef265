# SPDX-License-Identifier: MIT
"""Which serial port is talked over, the menu before the exit, and the map as the loader found it."""

import re
import struct

import pytest

from harness import sound


def spcr(space, address, baud=7, width=8):
    """The body of an SPCR table: a 16550 there. Space 0 is memory, 1 I/O ports."""
    return (struct.pack("<B3x", 0) + struct.pack("<BBBBQ", space, width, 0, 1, address) +
            struct.pack("<BBIBBBBBBHH4BI", 0, 0, 0, baud, 0, 1, 3, 0, 0, 0xffff, 0xffff, 0, 0, 0, 0, 0))


def acpi_table(tmp_path, body):
    (tmp_path / "spcr").write_bytes(body)
    return ["-acpitable", f"sig=SPCR,rev=2,oem_id=STRATA,oem_table_id=TESTTEST,data={tmp_path}/spcr"]


def test_a_port_by_option(ovmf):
    """COM1 leads nowhere; the test listens at COM2."""
    session = ovmf(options="serial=com2", extra=["-serial", "null"])
    assert "serial: at port 0x2f8, as serial= says" in session.text
    sound(session)


def test_the_port_that_spcr_names(ovmf, tmp_path):
    session = ovmf(extra=["-serial", "null", *acpi_table(tmp_path, spcr(1, 0x2f8))])
    assert "serial: at port 0x2f8, as SPCR says" in session.text
    sound(session)


@pytest.mark.parametrize("space, address, where", [
    (1, 0x2e8, "port 0x2e8"), (0, 0xfea00000, "address 0xfea00000"),
])
def test_a_port_that_does_not_answer(ovmf, tmp_path, space, address, where):
    session = ovmf(extra=acpi_table(tmp_path, spcr(space, address)))
    assert f"serial: SPCR names one at {where}, where nothing answers: COM1 is used" in session.text
    sound(session)


def test_the_menu_takes_options_and_saves_the_report(uboot):
    session = uboot("menu=30", prompt=False, writable=True)
    session.expect(r"press a key for the menu \(30 s\)")
    session.send("x")
    session.expect("choose: ")
    session.send("9")
    session.expect("that is none of 1 to 4")
    session.send("2")
    session.expect("in effect: menu=30")
    session.expect("more, for this boot: ")
    session.send("acpi=keep kasx\x08lr=off\r")
    session.expect("unknown option 'kaslr'|taken")
    session.send("3")
    session.expect("map.txt has the memory map")
    session.send("1")
    session.prompt()
    assert re.search(r"^acpi: keep$", session.command("options"), re.MULTILINE)
    assert re.search(r"^kaslr: off$", session.command("options"), re.MULTILINE)
    sound(session)
    session.close()
    assert "format: type phys_start" in session.volume_file("strata/map.txt").decode()


@pytest.mark.parametrize("firmware", ["uboot", "ovmf"])
def test_what_the_menu_saves_has_the_findings(request, firmware):
    """With record=off the file is the one that the menu wrote; nothing has been placed yet."""
    session = request.getfixturevalue(firmware)(options="menu=30 record=off", prompt=False, writable=True)
    session.expect(r"press a key for the menu \(30 s\)", 90)
    session.send("x")
    session.expect("choose: ")
    session.send("3")
    session.expect("map.txt has the memory map, the findings and what was said")
    session.send("1")
    session.prompt()
    sound(session)
    session.close()
    text = session.volume_file("strata/map.txt").decode()
    assert re.search(r"^# findings: \d+\n", text, re.MULTILINE) and text.endswith("\n# end\n")
    assert re.search(r"^#   kernel     \[0x", text, re.MULTILINE)
    assert "strata: direct map" not in text


def test_the_menu_goes_back_to_the_firmware(uboot):
    session = uboot("menu=30", prompt=False)
    session.expect("press a key for the menu")
    session.send("x")
    session.expect("choose: ")
    session.send("4")
    session.expect("^=> ", 20)  # U-Boot's prompt


def test_nobody_is_waited_for(uboot):
    session = uboot("menu=1")
    assert "choose" not in session.text
    session = uboot()
    assert "for the menu" not in session.text


@pytest.mark.parametrize("firmware", ["uboot", "ovmf"])
def test_what_the_loader_took_is_in_the_difference(request, firmware):
    session = request.getfixturevalue(firmware)()
    answer = session.command("diff")
    assert re.search(r"^  \[0x[0-9a-f]{16}, 0x[0-9a-f]{16}\) .*: \w.* -> Loader data$", answer, re.MULTILINE)
    changed = re.search(r"^(\d+) ranges differ, ", answer, re.MULTILINE)
    assert int(changed[1]) == answer.count(" -> ") - 1  # the heading has one
    sound(session)
