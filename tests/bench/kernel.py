#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Counts instructions of the page allocator's operations in the booted kernel: `make bench-kernel`.

Boots twice under QEMU with one instruction a clock tick, asks the monitor for `bench json`, makes sure that a tick is
an instruction and that both boots counted the same, and prints the counts beside those of Linux 6.1 taken in the same
way. Writes BUILD/bench-kernel.json. Never fails because something is slow; a bound is met when the count, to the tenth
that is shown, is no more (the one refill of a stack in a thousand pairs is not an instruction a pair).

Linux's figures: a module that runs the same loops, a loop of known length counted exactly; "lean" is a small
configuration (SMP, no memory cgroups, no hardening), "Debian" the distribution's kernel, mitigations off and pages not
cleared. FIRMWARE= and MEM= choose another machine.
"""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "ovmf"))
from machine import Machine, Unusable  # noqa: E402
from session import Failure, Session, start_from_uboot  # noqa: E402
from volume import image_volume  # noqa: E402

TIMEOUT = 300  # seconds; EDK2 takes most of them

# row: (title, Linux lean, Linux Debian, what Strata must not exceed)
ROWS = {
    "frame-pair": ("a frame, alloc + free", 412, 705, 60),
    "pair-0": ("order 0 as an argument, alloc + free", 412, 705, None),
    "pair-1": ("order 1, alloc + free", 500, 789, None),
    "pair-3": ("order 3, alloc + free", 608, 889, None),
    "pair-5": ("order 5, alloc + free", 1639, 2397, None),
    "pair-8": ("order 8, alloc + free", 8817, 9121, None),
    "pair-9": ("order 9, alloc + free", 16981, 9978, 250),
    "pair-10": ("order 10, alloc + free", 19920, 33659, None),
    "pair-9-below-4g": ("order 9 below 4 GiB, alloc + free", None, None, None),
    "contig-2m-below-4g": ("contiguous 2 MiB below 4 GiB, pair", None, None, 400),
    "bulk-alloc": ("bulk of 65,536 frames, alloc", None, 636, None),
    "bulk-free": ("bulk of 65,536 frames, free", None, 550, None),
    "map-1": ("tables: map + unmap, a page", 1916, 2520, 400),
    "map-16": ("tables: map + unmap, 16 pages", 2912, 3699, 900),
    "map-2m": ("tables: a page of 2 MiB", None, None, None),
    "map-2m-small": ("tables: 2 MiB in pages of 4 KiB", None, None, None),
    "map-1g": ("tables: 1 GiB", None, None, None),
    "vmalloc-4k": ("vmalloc + vfree, 4 KiB", 2792, 3835, None),
    "vmalloc-16k": ("vmalloc + vfree, 16 KiB", 3597, 5084, 1500),
    "vmalloc-64k": ("vmalloc + vfree, 64 KiB", 7407, 10503, None),
    "vmalloc-1m": ("vmalloc + vfree, 1 MiB", 83891, 120918, 20000),
    "vmap-1": ("vmap + vunmap, 1 page", 1916, 2520, 400),
    "vmap-16": ("vmap + vunmap, 16 pages", 2912, 3699, 900),
    "ioremap-4k": ("ioremap + iounmap, 4 KiB", 3958, 4936, 1000),
    "fault-in": ("fault-in and unmap of a page", None, None, None),
    "clone-break": ("clone of 64 pages, break of 1, destroy", None, None, None),
    "kmalloc-8": ("kmalloc + kfree, 8 bytes", 138, 242, None),
    "kmalloc-64": ("kmalloc + kfree, 64 bytes", 138, 242, 70),
    "kmalloc-1024": ("kmalloc + kfree, 1 KiB", 138, 242, None),
    "kmalloc-8192": ("kmalloc + kfree, 8 KiB", 164, 269, None),
    "kmalloc-65536": ("kmalloc + kfree, 64 KiB", 1435, 1799, None),
    "kmalloc-131072": ("kmalloc + kfree, 128 KiB", None, None, None),
    "object-pair": ("object cache of 64 bytes, pair", 111, 224, 60),
    "kmalloc-bulk-alloc": ("bulk of 10,000 x 64 bytes, alloc", None, 381, None),
    "kmalloc-bulk-free": ("bulk of 10,000 x 64 bytes, free", None, 188, None),
    "kmalloc-bulk": ("bulk of 10,000 x 64 bytes, pair", None, 569, 120),
    "kmalloc-churn": ("churn of 10,000, 8-2,048 bytes, pair", 353, 551, 150),
}


def machine_for_counting(build, folder):
    firmware = os.environ.get("FIRMWARE") or "uboot"
    return Machine(memory=os.environ.get("MEM") or "1G", firmware=firmware,
                   machine="pc" if firmware == "uboot" else "q35", disk="virtio",
                   volume=image_volume(build / "strata.img", folder / "strata.img", "kaslr=off"),
                   extra=["-icount", "shift=0,sleep=off"])


def boot_and_count(machine, log):
    """The records that `bench json` prints, as a list of objects."""
    with Session(machine, log, TIMEOUT) as session:
        if machine.firmware == "uboot":
            start_from_uboot(session, "kaslr=off")
        session.prompt(TIMEOUT)
        session.unlock()
        answer = session.command("bench json", 120)
        session.send("poweroff\r")
        session.wait(30)
    lines = [line for line in answer.splitlines() if line.startswith('{"record":"bench')]
    if not lines:
        raise Failure(f"bench json printed no records:\n{answer}")
    return [json.loads(line) for line in lines]


def counts_of(records):
    """{row: instructions for one operation}. Refuses when ticks are not instructions."""
    unit = records[0]
    if unit["unit"] != "instructions":
        raise Failure(f"a tick is not an instruction: {unit['loop']} instructions took {unit['ticks']} ticks")
    counts = {record["row"]: record["ticks"] / record["operations"] for record in records[1:]}
    counts["kmalloc-bulk"] = counts["kmalloc-bulk-alloc"] + counts["kmalloc-bulk-free"]
    return counts


def judged(counts):
    """Rows as bench-kernel.json has them."""
    rows = []
    for row, (title, lean, debian, limit) in ROWS.items():
        if row in counts:
            rows.append({"id": row, "title": title, "strata": round(counts[row], 2), "linux_lean": lean,
                         "linux_debian": debian, "limit": limit,
                         "met": None if limit is None else round(counts[row], 1) <= limit})
    return rows


def show(rows):
    print(f"{'instructions for one operation':<38} {'Strata':>9} {'Linux lean':>11} {'Debian':>8} {'bound':>7}")
    for row in rows:
        cells = [f"{row['strata']:9.1f}", f"{row['linux_lean'] or '-':>11}", f"{row['linux_debian'] or '-':>8}",
                 f"{row['limit'] or '-':>7}"]
        verdict = {None: "", True: "  met", False: "  MISSED"}[row["met"]]
        print(f"{row['title']:<38} {' '.join(cells)}{verdict}")


def main(build):
    folder = build / "bench-kernel"
    folder.mkdir(parents=True, exist_ok=True)
    machine = machine_for_counting(build, folder)
    runs = [boot_and_count(machine, folder / f"boot-{number}.serial") for number in (1, 2)]
    counts = counts_of(runs[0])
    rows = judged(counts)
    show(rows)
    identical = runs[0] == runs[1]
    print(f"two boots ({machine.firmware}, {machine.memory}): {'identical' if identical else 'DIFFERENT'}")
    result = {"program": "strata bench-kernel", "firmware": machine.firmware, "memory": machine.memory,
              "identical": identical, "calibration": runs[0][0], "rows": rows}
    (build / "bench-kernel.json").write_text(json.dumps(result, indent=2) + "\n")
    if not identical:
        for first, second in zip(*runs):
            if first != second:
                print(f"bench-kernel: first {first}, then {second}", file=sys.stderr)
    return 0 if identical else 1


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1])))
    except (Unusable, Failure) as why:
        sys.exit(f"bench-kernel: {why}")
