# SPDX-License-Identifier: MIT
"""build/host/strata-replay as a person uses it: good recordings, planted mistakes, damaged lines, exit status. (Long
recordings of random work are in tests/unit/test_replay.c, one of a real boot in tests/boot/test_watch.py.)"""

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOL = Path(os.environ.get("STRATA_BUILD", ROOT / "build")) / "host/strata-replay"
PAGE = 4096
SAMPLE = ROOT / "tests/fuzz/corpus/replay/good.json"
ANYWHERE = hex((1 << 64) - 1)


def run(text, *arguments):
    return subprocess.run([TOOL, *map(str, arguments)], input=text, capture_output=True, text=True, timeout=60,
                          check=False)


def head(events, **changed):
    return {"record": "trace", "sections": 1, "recorded": events, "kept": events, "below_16m": 0, "below_4g": 0,
            "atomic": 0, **changed}


def event(sequence, operation, start, pages=1, **more):
    record = {"record": "trace-event", "sequence": sequence, "operation": operation, "status": "ok",
              "start": hex(start), "pages": pages}
    if operation in ("alloc", "free"):
        record["order"] = pages.bit_length() - 1
        record["owner"] = "slab"
    if operation == "alloc":
        record["ceiling"] = ANYWHERE
    return {**record, "cpu": 0, "caller": "somebody+0x1c", **more}


def recording(events, **changed):
    """One section of which the first 4 MiB are free but for an allocated page."""
    lines = [head(len(events), **changed),
             {"record": "trace-section", "index": 0, "state": "split", "span": 262144, "own_metadata": False},
             {"record": "trace-run", "start": "0x0", "blocks": 1, "state": "allocated", "order": 0, "owner": "test"},
             {"record": "trace-run", "start": "0x1000", "blocks": 1023, "state": "free"},
             *events, {"record": "trace-end", "events": len(events)}]
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


# The pages of 4 MiB from 0x1000 on: the smallest block that will do, and of these the highest.
GOOD = [event(1, "alloc", 0x1000), event(2, "alloc", 0x3000), event(3, "alloc", 0x2000),
        event(4, "alloc", 0x6000, 2), event(5, "free", 0x3000), event(6, "free", 0x0, owner="test"),
        event(7, "reserve", 0x100000, 16), event(8, "release", 0x100000, 16),
        event(9, "alloc", 0, 1024, status="no memory"), event(10, "alloc", 0, 1, status="no memory", injected=True),
        event(11, "contig", 0xC000, 3, owner="dma", ceiling="0x10000", align="0x1000", boundary="0x8000"),
        event(12, "free-contig", 0xC000, 3)]


def planted(at, record):
    """GOOD with another event in the place of the one with number `at`."""
    return recording([*GOOD[:at - 1], record, *GOOD[at:]])


def test_a_good_recording():
    result = run(recording(GOOD))
    assert result.returncode == 0, result.stdout + result.stderr
    assert "standard input:1: 12 events done again, every check held" in result.stdout
    assert run(recording(GOOD), "--quiet").stdout == ""


def test_a_serial_log(tmp_path):
    log = tmp_path / "log"
    text = ("strata> trace dump\r\n--- strata json ---\n" + recording(GOOD[:2]) + "--- end ---\nstrata> \x1b[K\n" +
            recording(GOOD) + "--- end ---\n")
    log.write_text(text.replace("\n", "\r\n"))
    result = run("", log, "--check-every", 5)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{log}:12: 12 events done again" in result.stdout
    assert "the last of 2 recordings" in result.stdout


BAD = {
    "double-free": (6, event(6, "free", 0x3000),
                    r"expected: a block that can be freed", "double free: it lies in a free block of order 0"),
    "wrong-order": (5, event(5, "free", 0x6000, 1, order=0), "can be freed",
                    "wrong order 0: it was allocated with order 1 for slab"),
    "inside-a-block": (5, event(5, "free", 0x7000), "can be freed", "it is inside a block, frame 0x6 of order 1"),
    "huge-order": (5, event(5, "free", 0x6000, 2, order=40), "can be freed", "order 40 is beyond the largest"),
    "nobody's": (5, event(5, "free", 0x10000000), "can be freed", "it is not the allocator's memory"),
    "given-out-twice": (4, event(4, "alloc", 0x2000, 2), "free memory at the place", "0x2000 is allocated"),
    "unaligned": (4, event(4, "alloc", 0x7000, 2), "a place that the request allows", "one that it does not"),
    "elsewhere": (4, event(4, "alloc", 0x8000, 2), "the place that was given out", "0x6000, where this code places it"),
    "beyond-memory": (4, event(4, "alloc", 0x1 << 40, 2), "a place that the request allows", "one that it does not"),
    "above-ceiling": (4, event(4, "alloc", 0x6000, 2, ceiling="0x7000"), "a place that the request allows", "not"),
    "crossing": (11, event(11, "contig", 0x7000, 3, owner="dma", ceiling="0x10000", align="0x1000",
                           boundary="0x8000"), "a place that the request allows", "not"),
    "refused-for-nothing": (4, event(4, "alloc", 0, 2, status="no memory"), "no memory", "memory for it"),
    "reserved-though-taken": (7, event(7, "reserve", 0x1000, 16), "expected: ok", "0x1000 is allocated"),
    "refused-to-reserve": (7, event(7, "reserve", 0x200000, 16, status="not free"), "expected: not free", "found: ok"),
    "released-twice": (8, event(8, "release", 0x200000, 16), "expected: ok", "0x200000 is free"),
    "order-and-pages": (4, event(4, "alloc", 0x6000, 2, order=3), "as many pages as its order says", "another"),
    "failed-but-given": (10, event(10, "alloc", 0x9000, injected=True), "no memory, for it was made to fail", "ok"),
    "contig-twice": (12, event(12, "free-contig", 0xC000, 4), "can be freed", "wrong order 2"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_planted_mistake_is_found_at_its_event(name):
    at, record, expected, found = BAD[name]
    result = run(planted(at, record))
    assert result.returncode == 1, result.stdout + result.stderr
    first, caller, wanted, was = result.stdout.splitlines()
    assert first.startswith(f"standard input:{4 + at}: event {at}: {record['operation']} ")
    assert caller == "  by somebody+0x1c on CPU 0"
    assert expected in wanted
    assert found in was


DAMAGED = {
    "a number": ('"order":1,', '"order":x,', '"order" is x: expected a number up to 18'),
    "a name": ('"owner":"slab","ceiling"', '"owner":"slob","ceiling"', '"owner" is slob: expected one of the names'),
    "a field": ('"pages":2,', "", 'it has no "pages"'),
    "cut": (',"cpu":0,"caller":"somebody+0x1c"}', "", "expected ',' or '}'"),
    "an address": ('"start":"0x6000"', '"start":"0x6001"', "0x6001 is not the address of a page"),
    "a number too large": ('"sequence":4', '"sequence":99999999999999999999', '"sequence" is 9999'),
    "an operation": ('"operation":"alloc"', '"operation":"allot"', '"operation" is allot'),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_line_is_found_at_its_event(name):
    was, becomes, said = DAMAGED[name]
    lines = recording(GOOD).splitlines(keepends=True)
    assert was in lines[7]
    lines[7] = lines[7].replace(was, becomes)
    result = run("".join(lines))
    assert result.returncode == 1, result.stdout + result.stderr
    assert result.stdout.startswith("standard input:8: event 4: damaged\n  found: ")
    assert said in result.stdout


def test_a_lost_line_is_found():
    lines = recording(GOOD).splitlines(keepends=True)
    result = run("".join(lines[:7] + lines[8:]))
    assert result.returncode == 1
    assert "standard input:8: event 4: damaged" in result.stdout
    assert "event 5 stands where event 4 belongs: lines are missing" in result.stdout


def test_a_mistake_before_the_damage_comes_first():
    lines = planted(5, event(5, "free", 0x2000, 2)).splitlines(keepends=True)
    lines[12] = lines[12].replace("}", "")
    result = run("".join(lines))
    assert result.returncode == 1
    assert result.stdout.startswith("standard input:9: event 5: free")


def test_a_recording_that_breaks_off():
    result = run("".join(recording(GOOD).splitlines(keepends=True)[:9]))
    assert result.returncode == 0
    assert "5 events done again" in result.stdout
    assert "the recording breaks off" in result.stdout


def test_places_matter_only_where_they_can():
    elsewhere = [event(1, "alloc", 0x2000), event(2, "free", 0x2000)]
    assert run(recording(elsewhere)).returncode == 1
    two_cpus = [elsewhere[0], {**elsewhere[1], "cpu": 1}]
    for result in (run(recording(elsewhere), "--anywhere"), run(recording(two_cpus))):
        assert result.returncode == 0, result.stdout + result.stderr
        assert "1 allocations would be placed elsewhere" in result.stdout


def test_a_recording_without_its_first_events():
    late = [event(8, "free", 0x3000), event(9, "alloc", 0x3000), event(10, "free", 0x3000),
            event(11, "free", 0x10000, 16), event(12, "reserve", 0x0, 1)]
    result = run(recording(late, recorded=12))
    assert result.returncode == 0, result.stdout + result.stderr
    assert "the first 7 events were lost" in result.stdout
    late[4] = event(12, "free", 0x3000)
    result = run(recording(late, recorded=12))
    assert result.returncode == 1
    assert "event 12: free" in result.stdout and "double free" in result.stdout


WRONG = {
    "nothing": ("", "no line is a record"),
    "a map": ('{"record":"efi","index":0}\n', "no line is a record"),
    "a head": (json.dumps(head(0)).replace(" ", "").replace('"kept":0', '"kept":-1') + "\n", '"kept" is -1'),
    "overlapping runs": (recording([]).replace('"start":"0x1000"', '"start":"0x0"'), "it overlaps another run"),
    "a run outside": (recording([]).replace('"start":"0x1000"', '"start":"0x3ffff000"'), "not in a split section"),
    "a run of nothing": (recording([]).replace('"blocks":1023', '"blocks":0'), "there cannot be such blocks"),
    "a section beyond": (recording([]).replace('"index":0', '"index":1'), '"index" is 1'),
    "no sections": (json.dumps(head(0, sections=0)).replace(" ", "") + "\n", "it has no sections"),
    "a span": (recording([]).replace('"span":262144', '"span":100'), "cannot have that span"),
}


@pytest.mark.parametrize("name", WRONG)
def test_input_that_is_no_recording(name):
    text, said = WRONG[name]
    result = run(text)
    assert result.returncode == 2, result.stdout + result.stderr
    assert said in result.stderr
    assert result.stdout == ""


def test_options():
    assert "usage: strata-replay" in run("", "--help").stdout
    assert run("", "--version").stdout.startswith("strata-replay ")
    for arguments in (["--check-every", "often"], ["--nonsense"], ["one", "two"], ["/nowhere/at/all"]):
        result = run("", *arguments)
        assert result.returncode == 2
        assert result.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], [SAMPLE]])
def test_a_full_disk_is_noticed(arguments):
    with open("/dev/full", "w") as full:
        result = subprocess.run([TOOL, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
                                check=False)
    assert result.returncode == 3
    assert result.stderr.startswith("strata-replay: the output could not be written") and result.stderr.count("\n") == 1
