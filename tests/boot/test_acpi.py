# SPDX-License-Identifier: MIT
"""ACPI on real firmware: what the audit counts, where the tables are read from then on, power off and reset."""

import re

from harness import sound
from records import PAGE, number

LINE = r"acpi: (\d+) pages: (\d+) reclaimed, (\d+) pinned(?: \((.*)\))?, tables copied (\d+) \((.*)\)"


def audited(session):
    """Asserts that line, records and the firmware's map tell the same; returns the summary record and the dump."""
    session.command("acpi")
    dump = sound(session)
    (summary,) = dump.of("acpi")
    line = re.search(LINE, session.text)
    assert line, "no line about ACPI memory"
    assert [int(line[i]) for i in (1, 2, 3, 5)] == [summary[k] for k in ("pages", "reclaimed", "pinned", "copied")]
    assert summary["kept"] is None
    assert summary["pages"] == summary["reclaimed"] + summary["pinned"]
    assert summary["pages"] == sum(d["pages"] for d in dump.efi if d["type"] == 9)
    runs = dump.of("acpi-run")
    reclaimed = sum(number(r["end"]) - number(r["start"]) for r in runs if r["reclaimed"])
    assert reclaimed == summary["reclaimed"] * PAGE
    assert dump.ledger["acpi-tables"] == summary["pinned"] * PAGE
    return summary, dump


def tables(dump):
    return {table["signature"]: table for table in dump.of("acpi-table")}


def test_uboot(uboot):
    """An RSDP of revision 0, tables in boot services' memory, the FACS among them."""
    session = uboot()
    summary, dump = audited(session)
    found = tables(dump)
    assert {"RSDP", "RSDT", "FACP", "APIC", "DSDT"} <= found.keys()
    assert all(table["state"] == "good" and table["copy"] for table in found.values())
    assert summary["copied"] == len(found)
    assert re.search(r"boot services: .* pinned \(.*FACS", session.text)
    session.send("poweroff\r")
    assert session.wait() == 0  # through the FADT and _S5_: QEMU ends by itself


def test_ovmf_with_a_screen(ovmf):
    """A BGRT, whose image in boot services' memory is pinned; every table in ACPI memory."""
    session = ovmf(cpus="2", numa=2, extra=["-device", "VGA"])
    summary, dump = audited(session)
    found = tables(dump)
    assert {"RSDP", "XSDT", "FACP", "APIC", "DSDT", "SRAT", "MCFG", "BGRT"} <= found.keys()
    assert all(table["state"] == "good" and table["class"] == "acpi" for table in found.values())
    assert [signature for signature, table in found.items() if not table["copy"]] == ["RSDT"]
    assert summary["reclaimed"] > 0
    (image,) = [data for data in dump.of("acpi-data") if data["name"] == "BGRT image"]
    assert image["pinned"]
    if image["class"] == "bootsvc":
        kept = [r for r in dump.regions if r["class"] == "bootsvc"]
        begin, end = number(image["address"]), number(image["address"]) + number(image["bytes"])
        assert any(number(r["start"]) <= begin and end <= number(r["end"]) for r in kept)
    assert re.search(r"MADT: 2 CPUs", session.text)
    assert len(re.findall(r"SRAT: node \d", session.text)) >= 2
    session.send("reboot\r")
    assert session.wait() == 0  # through the reset register; -no-reboot makes it an end
    assert "trying the keyboard controller" not in session.text


def test_ovmf_powers_off(ovmf):
    session = ovmf()
    session.send("poweroff\r")
    assert session.wait() == 0
    assert "ACPI:" not in session.text.partition("power off\n")[2]
