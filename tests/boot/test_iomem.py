# SPDX-License-Identifier: MIT
"""`iomem`: who claims which physical addresses, against what QEMU and the records say of the machine."""

import re

from harness import sound
from records import number
from test_consoles import acpi_table, spcr

CLAIM = re.compile(r"^( +)\[0x([0-9a-f]+), 0x([0-9a-f]+)\) +[\d.]+ \w+  (.*)$")
RAM = {"usable", "bootsvc", "loader", "acpi", "special", "unaccepted", "low", "metadata", "kernel", "nvs", "runtime"}
KERNEL = {"kernel code", "kernel constants", "kernel data"}


def iomem(session):
    """The claims as (depth, begin, end, name, line below), and the answer."""
    answer = session.command("iomem")
    assert max(map(len, answer.splitlines())) <= 80
    claims, lines = [], answer.splitlines()
    for line, below in zip(lines, [*lines[1:], ""]):
        if match := CLAIM.match(line):
            claims.append((len(match[1]) // 2 - 1, int(match[2], 16), int(match[3], 16), match[4],
                           below.strip() if below.lstrip().startswith("at ") else ""))
    return claims, answer


def check_nesting(claims):
    """Sorted by address, and each in the one that it stands below."""
    around = []
    for depth, begin, end, *_ in claims:
        assert depth <= len(around)
        del around[depth:]
        assert all(first <= begin and end <= last for first, last in around)
        around.append((begin, end))
    assert [begin for _, begin, *_ in claims] == sorted(begin for _, begin, *_ in claims)


def machine_says(session, device):
    """Where QEMU has a device's memory: [begin, end) of all with that name."""
    tree = session.qmp("human-monitor-command", **{"command-line": "info mtree -f"})
    return {(int(first, 16), int(last, 16) + 1) for first, last in
            re.findall(rf"^ +([0-9a-f]{{16}})-([0-9a-f]{{16}}) \(prio .*\): {device}\b", tree, re.MULTILINE)}


def ranges_of(claims, name):
    return {(begin, end) for _, begin, end, claim, _ in claims if claim == name}


def test_devices_are_where_the_machine_has_them(uboot):
    session = uboot()
    claims, answer = iomem(session)
    check_nesting(claims)
    # QEMU's local APIC answers in the whole MiB; a page of it is one.
    assert ranges_of(claims, "I/O APIC 0") == machine_says(session, "ioapic")
    assert ranges_of(claims, "HPET 0") == machine_says(session, "hpet") != set()
    (apic,) = ranges_of(claims, "local APIC")
    assert apic[0] == 0xfee00000 and apic[1] == apic[0] + 4096
    assert "mappings of the kernel: 0, overlaps with RAM: 0" in answer


def test_regions_are_those_of_the_map(uboot):
    session = uboot()
    claims, _ = iomem(session)
    regions = [(number(r["start"]), number(r["end"]), r["class"]) for r in sound(session).regions]
    assert {claim[1:4] for claim in claims if claim[3] in RAM | {"reserved", "mmio"}} == \
        {region for region in regions if region[2] != "usable"}
    ram = sorted(ranges_of(claims, "RAM"))
    assert all(last < first for (_, last), (first, _) in zip(ram, ram[1:]))
    assert sum(end - begin for begin, end in ram) == \
        sum(end - begin for begin, end, name in regions if name in RAM)
    mappings = {m["area"]: number(m["physical"]) for m in sound(session).of("mapping") if m["area"] in KERNEL}
    assert {claim[3]: claim[1] for claim in claims if claim[3] in KERNEL} == mappings


def test_mappings_are_told_with_their_owner(uboot):
    session = uboot()
    for line in ("ioremap 0xfed00000 4096 uc", "ioremap 0xd0000000 64K wc", "ioremap 0x9e000 4096 wb"):
        assert "mapped " in session.command(line)
    claims, answer = iomem(session)
    check_nesting(claims)
    mapped = {(begin, end, name, below) for _, begin, end, name, below in claims if name.startswith("ioremap, ")}
    cache = {"ioremap, uncached": "uncached", "ioremap, write-combining": "write-combining",
             "ioremap, write-back": "write-back"}
    records = [record for record in sound(session).of("vm") if record["window"] == "mmio"]
    assert len(records) == 3
    for record in records:
        begin = number(record["physical"])
        assert (begin, begin + record["pages"] * 4096, f"ioremap, {record['cache']}",
                f"at {record['start']}, by {record['caller']}") in mapped
    assert {cache[name] for _, _, name, _ in mapped} == {"uncached", "write-combining", "write-back"}
    # The HPET has less than its page; below 1 MiB is RAM.
    depth = {name: depth for depth, begin, _, name, _ in claims if begin == 0xfed00000}
    assert depth == {"ioremap, uncached": 0, "HPET 0": 1}
    assert "  [0x9e000, 0x9f000) is mapped, and RAM (low): ioremap, write-back" in answer
    assert "mappings of the kernel: 3, overlaps with RAM: 1" in answer
    for record in records:
        session.command(f"iounmap {record['start']}")
    assert "mappings of the kernel: 0, overlaps with RAM: 0" in iomem(session)[1]


def test_a_serial_port_in_memory(uboot):
    """Nothing answers there; the registers were mapped to find out."""
    session = uboot("serial=memory:0xfea00000")
    claims, _ = iomem(session)
    (port,) = [claim for claim in claims if claim[3] == "serial port, as serial= says"]
    assert port[1:3] == (0xfea00000, 0xfea00020)
    (mapping,) = [claim for claim in claims if claim[3] == "ioremap, uncached"]
    assert mapping[1:3] == (0xfea00000, 0xfea01000) and "by serial_choose_mapped+" in mapping[4]


def test_ecam_screen_and_spcr(ovmf, tmp_path):
    """The configuration window is MCFG's and the machine's, the framebuffer a device's BAR."""
    session = ovmf(extra=["-device", "VGA", *acpi_table(tmp_path, spcr(0, 0xfea00000))])
    claims, _ = iomem(session)
    check_nesting(claims)
    segment, first, last, base = re.search(r"MCFG: segment (\d+), buses (\d+) to (\d+) at (0x[0-9a-f]+)",
                                           session.command("acpi")).groups()
    (ecam,) = ranges_of(claims, f"ECAM, segment {segment}, buses {first} to {last}")
    begin = int(base, 16) + (int(first) << 20)
    assert ecam == (begin, begin + (int(last) - int(first) + 1 << 20))
    assert ecam in machine_says(session, "pcie-mmcfg-mmio")
    (screen,) = [claim for claim in claims if claim[3].startswith("framebuffer, ")]
    width, height = map(int, re.fullmatch(r"framebuffer, (\d+) x (\d+)", screen[3]).groups())
    assert screen[2] - screen[1] >= width * height * 4
    assert any(first <= screen[1] and screen[2] <= last for first, last in machine_says(session, "vga.vram"))
    (mapping,) = [claim for claim in claims if claim[3] == "ioremap, write-combining"]
    assert mapping[1] == screen[1] and mapping[2] >= screen[2] and " by " in mapping[4]
    (port,) = [claim for claim in claims if claim[3] == "serial port, as SPCR says"]
    assert port[1] == 0xfea00000
