# SPDX-License-Identifier: MIT
"""`reclaim`: what came back and from whom, against the buddy and the ledger."""

import re

from harness import sound
from records import PAGE


def reclaim(session):
    """The pages of each row, and what was free before and after."""
    answer = session.command("reclaim")
    assert max(map(len, answer.splitlines())) <= 80
    rows = {name.strip(): int(pages) for name, pages in
            re.findall(r"^  (\S.{13}) +(-?\d+)(?:  .*)?$", answer, re.MULTILINE)}
    before, after = map(int, re.search(r"^free: (\d+) pages before, (\d+) after", answer, re.MULTILINE).groups())
    assert sum(rows.values()) - rows["in all"] == rows["in all"] == after - before
    return rows, before, after


def free_pages(session):
    return int(re.search(r"^  free: (\d+) pages", session.command("buddy"), re.MULTILINE)[1])


def account(dump, *names):
    return sum(dump.ledger.get(name, 0) for name in names) // PAGE


def keep_much(session):
    """Objects and places that are in use no more, and that somebody keeps."""
    for size in (100, 1000, 3000, 10000, 40000):
        address = re.search(r"0x[0-9a-f]+", session.command(f"kalloc {size}"))[0]
        session.command(f"kfree {address}")
    for size in ("4K", "40K", "3M"):
        address = re.search(r"0x[0-9a-f]+", session.command(f"vmalloc {size}"))[0]
        session.command(f"vfree {address}")
    device = re.search(r"0x[0-9a-f]+", session.command("ioremap 0xfed00000"))[0]
    session.command(f"iounmap {device}")


def test_rows_are_what_the_accounts_lose(uboot):
    session = uboot()
    keep_much(session)
    before, free = sound(session), free_pages(session)
    rows, said_before, said_after = reclaim(session)
    assert free == said_before
    assert free_pages(session) == said_after
    after = sound(session)
    assert account(after, "free", "cached") - account(before, "free", "cached") == rows["in all"]
    assert after.ledger["cached"] == 0
    assert account(before, "slab") - account(after, "slab") == rows["object caches"] > 0
    windows = sum(rows[name] for name in ("vmalloc", "ioremap", "stacks", "address spaces", "page tables"))
    kept = ("vmalloc", "page-table", "kernel")
    assert account(before, *kept) - account(after, *kept) == windows > 0
    assert rows["vmalloc"] > 0 and rows["ioremap"] > 0
    # What is in use was left alone.
    assert account(after, "stack") == account(before, "stack") > 0
    assert {record["class"]: record["in_use"] for record in after.of("slab")} == \
        {record["class"]: record["in_use"] for record in before.of("slab")}


def test_the_second_time_there_is_nothing(uboot):
    session = uboot()
    keep_much(session)
    _, _, after = reclaim(session)
    rows, before, again = reclaim(session)
    assert not any(rows.values()) and before == again == after
    assert "0 pages went from this CPU's stacks" in session.command("reclaim")


def test_acpi_tables_that_had_no_memory_at_boot(uboot):
    """The first request after the allocator stands is the one for the copies."""
    session = uboot("fail=nth:1")
    (acpi,) = sound(session).of("acpi")
    assert acpi["kept"] == "no memory for the copies" and acpi["reclaimed"] == 0 < acpi["pages"]
    before = sound(session)
    rows, _, _ = reclaim(session)
    after = sound(session)
    (acpi,) = after.of("acpi")
    assert acpi["kept"] is None and acpi["reclaimed"] == acpi["pages"] - acpi["pinned"] > 0
    assert rows["ACPI tables"] == acpi["reclaimed"] - account(after, "acpi")
    assert account(before, "acpi-tables") - account(after, "acpi-tables") == acpi["reclaimed"]
    assert "MADT: 1 CPUs" in session.command("acpi")
    assert not any(reclaim(session)[0].values())


def test_what_somebody_wants_kept_stays(uboot):
    session = uboot("acpi=keep")
    rows, _, _ = reclaim(session)
    assert rows["ACPI tables"] == 0
    (acpi,) = sound(session).of("acpi")
    assert f"{acpi['pages']} pages stay: acpi=keep" in session.command("reclaim")
    assert acpi["reclaimed"] == 0
