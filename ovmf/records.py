# SPDX-License-Identifier: MIT
"""Strata's records, and what has to hold in them: the judgement of a boot, made from what it said alone."""

import json
import re

BEGIN, END = "--- strata json ---", "--- end ---"
PAGE = 4096
LOADERS_TABLES = "the kernel stays on the loader's page tables"  # it has said why
ORDERS = 19
# Types of the UEFI memory map: the loader's, boot services', conventional, ACPI reclaim.
LEFT_BY_FIRMWARE = (1, 2, 3, 4, 7, 9)


class Defect(Exception):
    """The output is not what it has to be; the message says where."""


def extract(text):
    """The records of the last dump in `text`: a list of (line, object)."""
    begin = text.rfind(BEGIN)
    end = text.find(END, begin)
    if begin < 0 or end < 0:
        raise Defect(f"no records between {BEGIN!r} and {END!r}")
    records = []
    for line in text[begin + len(BEGIN):end].splitlines():
        if line.strip():
            try:
                records.append((line, json.loads(line)))
            except json.JSONDecodeError as why:
                raise Defect(f"not a JSON object: {line!r}: {why}") from None
    return records


def number(value):
    return int(value, 16) if isinstance(value, str) else value


def union_bytes(spans):
    """How many bytes (start, pages) spans cover, overlaps counted once."""
    total = reached = 0
    for begin, pages in sorted(spans):
        end = begin + pages * PAGE
        total += max(0, end - max(begin, reached))
        reached = max(reached, end)
    return total


class Dump:
    """The records, sorted by kind."""

    def __init__(self, records):
        self.records = [record for _, record in records]
        self.efi = self.of("efi")
        self.regions = self.of("region")
        self.findings = self.of("finding")
        self.sections = self.of("section")
        self.frames = self.of("frames")
        self.ledger = {record["account"]: number(record["bytes"]) for record in self.of("ledger")}

    def of(self, kind):
        return [record for record in self.records if record["record"] == kind]

    def described_bytes(self):
        """What the firmware described: the union of its descriptors."""
        return union_bytes((number(d["start"]), d["pages"]) for d in self.efi)

    def ram_bytes(self):
        """RAM that the firmware leaves to an operating system: all but what it keeps for itself at run time."""
        return sum(d["pages"] * PAGE for d in self.efi if d["type"] in LEFT_BY_FIRMWARE)

    def buddy_free_bytes(self):
        return sum(count * (PAGE << order) for section in self.sections for order, count in enumerate(section["free"]))

    def defects(self):
        """Every sentence that does not hold."""
        return [*self._region_defects(), *self._ledger_defects(), *self._buddy_defects(), *self._frames_defects(),
                *self._acpi_defects(), *self._audit_defects(), *self._object_defects()]

    def _region_defects(self):
        reached, total = 0, 0
        for region in self.regions:
            begin, end = number(region["start"]), number(region["end"])
            if begin % PAGE or end % PAGE or begin >= end:
                yield f"region {region} is empty or not page-aligned"
            if begin < reached:
                yield f"region {region} is not above the one before it"
            reached, total = end, total + end - begin
        if total != self.described_bytes():
            yield f"the regions have {total} bytes, the firmware described {self.described_bytes()}"

    def _ledger_defects(self):
        accounts = {name: size for name, size in self.ledger.items()
                    if name not in ("total", "unaccounted", "left-by-firmware", "not-ram", "described",
                                    "strata-itself")}
        for name in ("total", "unaccounted", "not-ram", "described", "free"):
            if name not in self.ledger:
                yield f"the ledger has no account {name!r}"
                return
        if self.ledger["unaccounted"] != 0:
            yield f"the ledger leaves {self.ledger['unaccounted']} bytes unaccounted"
        if sum(accounts.values()) != self.ledger["total"]:
            yield f"the accounts add up to {sum(accounts.values())}, the ledger's total is {self.ledger['total']}"
        if self.ledger["total"] + self.ledger["not-ram"] != self.ledger["described"]:
            yield "RAM and what is not RAM do not add up to what was described"
        if self.ledger["described"] != self.described_bytes():
            yield (f"the ledger says that {self.ledger['described']} bytes were described, "
                   f"the descriptors say {self.described_bytes()}")

    def _buddy_defects(self):
        for section in self.sections:
            if len(section["free"]) != ORDERS:
                yield f"section {section['index']} has {len(section['free'])} orders"
        if self.buddy_free_bytes() != self.ledger.get("free"):
            yield (f"the buddy's free blocks have {self.buddy_free_bytes()} bytes, "
                   f"the ledger's account {self.ledger.get('free')}")

    def _frames_defects(self):
        reached, sums = 0, {}
        for run in self.frames:
            begin, end = number(run["start"]), number(run["end"])
            if begin % PAGE or end % PAGE or begin >= end or begin < reached:
                yield f"the run of frames {run} is empty, not page-aligned, or not above the one before it"
            reached = end
            account = run.get("owner", run["state"])
            sums[account] = sums.get(account, 0) + end - begin
        if "not-listed" in sums:
            return
        for account in ("free", "cached", "slab", "vmalloc", "page-table", "stack", "user"):
            if self.frames and sums.get(account, 0) != self.ledger.get(account, 0):
                yield (f"the frames of account {account!r} are {sums.get(account, 0)} bytes, "
                       f"the ledger says {self.ledger.get(account, 0)}")

    def _acpi_defects(self):
        if not list(self.of("acpi")):
            yield "no record says what became of the ACPI memory"
        for acpi in self.of("acpi"):
            runs = [(run["reclaimed"], (number(run["end"]) - number(run["start"])) // PAGE)
                    for run in self.of("acpi-run")]
            reclaimed = sum(pages for given_back, pages in runs if given_back)
            if (acpi["pages"], acpi["reclaimed"]) != (sum(pages for _, pages in runs), reclaimed):
                yield f"ACPI: {acpi} is not what its runs of pages add up to"
            described = sum(d["pages"] - self._bad_pages(d) for d in self.efi if d["type"] == 9)
            if acpi["pages"] != described:
                yield f"ACPI: {acpi['pages']} pages audited, the firmware described {described} that are not bad"

    def _audit_defects(self):
        for audit in self.of("audit"):
            if audit["broken"] != 0:
                yield f"the page tables break a rule: {audit}"

    def _object_defects(self):
        reached = 0
        for block in sorted(self.of("slab-block") + self.of("large-object"), key=lambda one: number(one["start"])):
            yield from self._block_defects(block)
            if number(block["start"]) < reached:
                yield f"{block} overlaps the one before it"
            reached = number(block["start"]) + number(block["bytes"])
        if self.of("objects-not-listed"):
            return
        sums = {}
        for slab in self.of("slab-block"):
            name = slab["cache"].removeprefix("kmalloc-")
            one = (1, slab["objects"], number(slab["in_use"]).bit_count(), number(slab["bytes"]))
            sums[name] = tuple(map(sum, zip(sums.get(name, (0, 0, 0, 0)), one)))
        for cache in self.of("slab"):
            says = (cache["slabs"], cache["objects"], cache["in_use"], number(cache["bytes"]))
            pieces, *rest = sums.pop(cache["class"], (0, 0, 0, 0))
            if says[1:] != tuple(rest) or pieces < says[0]:  # a slab may be in several pieces
                yield f"the slabs of {cache} do not add up to it"
        for name in sums:
            yield f"slabs of {name!r}, which no record names"
        large = [number(one["bytes"]) for one in self.of("large-object")]
        for heap in self.of("slab-heap"):
            if (heap["large"], number(heap["large_bytes"])) != (len(large), sum(large)):
                yield f"{len(large)} large objects have {sum(large)} bytes, the heap says {heap}"

    def _block_defects(self, block):
        begin, size = number(block["start"]), number(block["bytes"])
        owner = {"slab-block": "slab", "large-object": "large"}[block["record"]]
        if begin % PAGE or size % PAGE or size == 0:
            yield f"{block} is empty or not page-aligned"
        listed = all(run["state"] != "not-listed" for run in self.frames)
        if listed and sum(max(0, min(begin + size, number(run["end"])) - max(begin, number(run["start"])))
                          for run in self.frames if run.get("owner") == owner) != size:
            yield f"{block} lies in frames that are not of the owner {owner!r}"
        if owner == "slab":
            digits = max((block["objects"] + 3) // 4, 1)
            if block["first"] + block["stride"] * block["objects"] > size:
                yield f"the objects of {block} do not fit into it"
            if len(block["in_use"]) != 2 + digits or number(block["in_use"]) >> block["objects"]:
                yield f"which objects of {block} are in use are not as many as it has"
        elif number(block["wanted"]) > size:
            yield f"{block} is too small for what was asked for"

    def _bad_pages(self, descriptor):
        begin = number(descriptor["start"])
        end = begin + descriptor["pages"] * PAGE
        return sum(max(0, min(end, number(r["end"])) - max(begin, number(r["start"]))) // PAGE
                   for r in self.regions if r["class"] == "bad")


def judge(text):
    """What is wrong with a boot that said `text` (the output of `check` and `dump json` in it): a list of sentences,
    empty when all is well."""
    defects = []
    for line in re.findall(r"^(?:panic: |exception \d+ ).*$", text, re.MULTILINE):
        defects.append(f"it stopped: {line}")
    if not re.search(r"^strata> ", text, re.MULTILINE):
        defects.append("it did not reach the prompt")
    checks = re.findall(r"^check: (.*)$", text, re.MULTILINE)
    if not checks:
        defects.append("it never ran its checks")
    defects += [f"a check failed: {result}" for result in checks if result != "ok"]
    audits = re.findall(r"^audit: (.*)$", text, re.MULTILINE)
    if not audits:
        defects.append("the page tables were not audited")
    defects += [f"the audit says: {verdict}" for verdict in audits
                if not verdict.startswith("ok, ") and not (verdict.startswith("none, ") and LOADERS_TABLES in text)]
    unaccounted = re.findall(r"^\s*unaccounted\s+(.*)$", text, re.MULTILINE)
    if not unaccounted:
        defects.append("it printed no ledger")
    defects += [f"the ledger says: unaccounted {left}" for left in unaccounted if not re.match(r"0\b", left)]
    try:
        defects += Dump(extract(text)).defects()
    except Defect as why:
        defects.append(str(why))
    return defects
