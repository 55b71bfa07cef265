# SPDX-License-Identifier: MIT
"""`cpus`: which there are, against QEMU's own list of them, and what the one that runs keeps."""

import re

import pytest

from harness import sound
from records import PAGE


def cpus(session):
    """The answer, and its list as {APIC ID: (node or None, state)}."""
    answer = session.command("cpus")
    return answer, {int(apic): (None if node == "-" else int(node), state) for apic, node, state in
                    re.findall(r"^ +(\d+) +(\d+|-)  ([a-z].*)$", answer, re.MULTILINE)}


def machine_cpus(session):
    """{APIC ID: node} of those that run in QEMU."""
    return {session.qmp("qom-get", path=cpu["qom-path"], property="apic-id"): cpu["props"].get("node-id")
            for cpu in session.qmp("query-cpus-fast")}


@pytest.mark.parametrize("smp, numa", [("1", 0), ("3", 0), ("4,maxcpus=6,sockets=2,cores=3", 2)])
def test_they_are_the_machines(uboot, smp, numa):
    """Three cores to a socket leave holes in the APIC IDs. A CPU that may be plugged in is not there."""
    session = uboot(cpus=smp, numa=numa)
    answer, listed = cpus(session)
    assert max(map(len, answer.splitlines())) <= 80
    there = {apic: node for apic, (node, state) in listed.items() if state != "not there"}
    assert there == machine_cpus(session)
    assert len(listed) == len(session.qmp("query-hotpluggable-cpus"))
    assert f"CPUs: {len(there)} enabled, 0 more can be plugged in; only one runs" in answer
    assert [apic for apic, (_, state) in listed.items() if state.startswith("runs")] == [0]
    assert all("not started" in state for apic, (_, state) in listed.items() if apic in there and apic != 0)


def test_the_one_that_runs(uboot):
    session = uboot(cpu="qemu64,vendor=GenuineIntel,family=6,model=85,stepping=7,+pdpe1gb,model-id=Some long name")
    answer, _ = cpus(session)
    assert "this one: Some long name\n  GenuineIntel family 6 model 85 stepping 7" in answer
    assert "addresses: 40 bits physical, 48 virtual, of which 4 paging levels use 48" in answer
    assert "page sizes: 4 KiB, 2 MiB, 1 GiB\n" in answer
    assert re.search(r"^  has: nx ", answer, re.MULTILINE) and re.search(r"^  lacks: smep ", answer, re.MULTILINE)
    cr3 = int(re.search(r"CR3=([0-9a-f]+)", session.qmp(
        "human-monitor-command", **{"command-line": "info registers"}))[1], 16)
    assert f"  cr3 {cr3:x}  " in answer


def test_without_large_pages(uboot):
    assert "page sizes: 4 KiB, 2 MiB\n" in cpus(uboot(cpu="max,-pdpe1gb"))[0]


def kept(answer):
    """Blocks by order, and objects by cache, with room."""
    rows = {name: [0 if count == "." else int(count) for count in counts.split()] for name, counts in
            re.findall(r"^    (kept|room for) ((?: +[\d.]+)+)$", answer, re.MULTILINE)}
    return rows, {name: (int(count), int(room)) for name, count, room in
                  re.findall(r"^    (\S+) +(\d+) of +(\d+)$", answer, re.MULTILINE)}


def test_what_it_keeps_is_what_the_ledger_calls_cached(uboot):
    session = uboot()
    for line in ("alloc 0", "alloc 3", "alloc 9"):
        begin = re.search(r"\[(0x[0-9a-f]+),", session.command(line))[1]
        session.command(f"free {begin} {line.split()[1]}")
    answer, _ = cpus(session)
    rows, _ = kept(answer)
    assert all(count <= room for count, room in zip(rows["kept"], rows["room for"]))
    assert rows["kept"][3] >= 1 and rows["kept"][9] >= 1
    pages = sum(count << order for order, count in enumerate(rows["kept"]))
    assert f"by order: {pages} pages, " in answer
    assert sound(session).ledger["cached"] == pages * PAGE


def test_magazines_follow_kmalloc(uboot):
    session = uboot()
    assert "kmalloc-1K" not in kept(cpus(session)[0])[1]
    address = re.search(r"0x[0-9a-f]+", session.command("kalloc 1000"))[0]
    before, room = kept(cpus(session)[0])[1]["kmalloc-1K"]
    assert 0 <= before < room
    session.command(f"kfree {address}")
    objects = kept(cpus(session)[0])[1]
    assert objects["kmalloc-1K"] == (before + 1, room)
    total = sum(count for count, _ in objects.values())
    assert f"by cache: {total}, " in cpus(session)[0]
    session.command("shrink")
    assert all(count == 0 for count, _ in kept(cpus(session)[0])[1].values())
