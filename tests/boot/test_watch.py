# SPDX-License-Identifier: MIT
"""Watching the page allocator of a booted machine: requests made to fail, callers, and recordings that strata-replay
does again."""

import re
import subprocess

import pytest

from harness import BUILD, sound

REPLAY = BUILD / "host/strata-replay"


def replay(text, *arguments):
    return subprocess.run([REPLAY, *arguments], input=text, capture_output=True, text=True, timeout=120, check=False)


def allocated(session, line):
    """The address that a command gave out."""
    answer = session.command(line)
    match = re.match(r"allocated \[(0x[0-9a-f]+)", answer)
    assert match, answer
    return match[1]


def test_a_recording_is_done_again(uboot):
    session = uboot("debug=owner kaslr=off")
    assert "nothing is recorded" in session.command("trace")
    assert "recording; the last" in session.command("trace on 500")
    first = allocated(session, "alloc 0")
    second = allocated(session, "alloc 3 below 16M")
    third = allocated(session, "alloc 9")
    session.command(f"free {second} 3")
    session.command("reserve 24M 25M")
    session.command("release 24M 25M")
    session.command("inject every 2")
    assert "allocated" in session.command("alloc 1")
    assert "not allocated: no memory" in session.command("alloc 1")
    assert "1 of 2 requests so far" in session.command("inject")
    session.command("inject off")
    session.command(f"free {first} 0")
    assert re.search(r"^recording: \d+ events", session.command("trace"))
    assert "recorded: " in session.command("trace off")
    session.command(f"free {third} 9")  # not recorded any more
    dump = session.command("trace dump")
    assert '"injected":true' in dump
    assert re.search(r'"operation":"alloc".*"owner":"monitor".*"caller":"alloc\+0x', dump)
    result = replay(session.text)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "events done again, every check held" in result.stdout
    # The same frame freed twice in the log: found there.
    lines = [line for line in dump.splitlines() if '"operation":"free"' in line]
    twice = dump.replace(lines[-1], lines[-1].replace(first, second))
    result = replay(twice)
    assert result.returncode == 1
    assert f"free [{second}" in result.stdout and "found: " in result.stdout
    assert "nothing is recorded" in session.command("trace forget")
    assert "nothing is recorded: trace on begins it" in session.command("trace dump")
    sound(session)


def test_a_recording_that_wraps(uboot):
    session = uboot()
    session.command("trace on 1")
    kept = int(re.search(r"room for (\d+)", session.command("trace"))[1])
    for _ in range(kept // 2 + 5):
        session.command(f"free {allocated(session, 'alloc 2')} 2")
    result = replay(session.command("trace dump"))
    assert result.returncode == 0, result.stdout + result.stderr
    assert "events were lost" in result.stdout
    sound(session)


def test_callers_are_named(uboot):
    session = uboot("debug=owner")
    assert "who allocated is kept: yes" in session.command("options")
    session.command("alloc 4")
    block = allocated(session, "alloc 4")
    assert re.search(r"allocated, in a block of order 4 .* asked for by alloc\+0x", session.command(f"whatis {block}"))
    answer = session.command("leaks monitor")
    assert re.search(r"^ +32 pages in +2 blocks  monitor +alloc\+0x[0-9a-f]+$", answer, re.MULTILINE), answer
    assert "callers are not kept" not in session.command("leaks")
    assert "an owner is one of kernel page-table" in session.command("leaks nobody")
    sound(session)


def test_callers_from_now_on(uboot):
    session = uboot()
    assert "callers are not kept" in session.command("leaks")
    session.command("alloc 0")
    assert "callers are kept from now on" in session.command("leaks on")
    session.command("alloc 1")
    answer = session.command("leaks monitor")
    assert re.search(r"2 pages in +1 blocks  monitor +alloc\+0x", answer), answer
    assert re.search(r"1 pages in +1 blocks  monitor +unknown", answer), answer
    sound(session)


@pytest.mark.parametrize("fail, memory", [("every:1", "256M"), ("every:1", "5G"), ("nth:1", "256M"),
                                          ("random:1:0x7", "256M")])
def test_the_boot_copes_without_memory(uboot, fail, memory):
    """Requests for memory fail from the first on: the boot goes through, and everything adds up."""
    session = uboot(f"fail={fail}", memory=memory)
    answer = session.command("inject")
    assert re.search(rf"made to fail: {fail}; [1-9]\d* of [1-9]\d* requests so far", answer), answer
    if fail == "every:1":
        assert "16 kept (no memory for the copies)" in session.text
        assert re.search(r"not allocated: no memory", session.command("alloc 0"))
    session.command("inject off")
    session.command("alloc 0")
    sound(session)


def test_a_random_seed_is_said(uboot):
    session = uboot("fail=random:1000")
    seed = re.search(r"one request in 1000 fails at random, seed (0x[0-9a-f]+)", session.text)[1]
    assert f"made to fail: random:1000:{seed}; " in session.command("inject")
    assert "n counts from 1" in session.command("inject every 0")
    assert "like this: inject" in session.command("inject sometimes 3")
    assert "like this: inject" in session.command("inject nth 3 4")
    assert "random:9:0x5;" in session.command("inject random 9 5")
    assert "no request is made to fail" in session.command("inject off")
