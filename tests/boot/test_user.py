# SPDX-License-Identifier: MIT
"""Programs in user mode: what they may do works, and what they may not stops them, with an explanation."""

import re

import pytest

from harness import sound

STOPS = {
    "reads the kernel's code": r"read of 0xffffffff[0-9a-f]{8} by user code: the page's permissions forbid it; "
                               r"not user memory; nearest region \[0x600000, 0x610000\) rw-",
    "writes to the direct map": r"write to 0xffff[0-9a-f]{12} by user code: the page's permissions forbid it; "
                                r"not user memory; nearest region \[0x600000, 0x610000\) rw-",
    "jumps into the kernel": r"instruction fetch from 0xffffffff[0-9a-f]{8} by user code: the page's permissions "
                             r"forbid it; not user memory; nearest region \[0x600000, 0x610000\) rw-",
    "touches the guard": r"write to 0x0000000000610000 by user code: nothing is mapped there; a guard page; "
                         r"nearest region \[0x600000, 0x610000\) rw-",
    "reads a null pointer": r"read of 0x0000000000000000 by user code: nothing is mapped there \(a null pointer\); "
                            r"not user memory; nearest region \[0x400000, 0x401000\) r-x",
    "reads where nothing is": r"read of 0x00007f0000000000 by user code: nothing is mapped there; "
                              r"nearest region \[0x600000, 0x610000\) rw-",
    "writes to its code": r"write to 0x0000000000400000 by user code: the page's permissions forbid it; "
                          r"it is read-only; region \[0x400000, 0x401000\) r-x",
    "executes data": r"instruction fetch from 0x0000000000600008 by user code: the page's permissions forbid it; "
                     r"it is not executable; region \[0x600000, 0x610000\) rw-",
}
VALUES = {
    "touches new memory": (16, 16), "parent writes": (0, 0), "clone reads what the parent wrote": (1, 0),
    "clone writes": (0, 1), "clone reads its own": (2, 0), "parent does not see it": (1, 0),
    "parent writes again": (0, 1), "clone does not see it": (2, 0),
}


@pytest.mark.parametrize("cpu", ["max", "qemu64", "max,-nx", "max,-smep,-smap", "max,-pge", "max,-pdpe1gb"])
def test_isolation(uboot, cpu):
    session = uboot(cpu=cpu)
    for _ in range(2):
        lines = dict(re.findall(r"^user: ([^:\d]+): (.*)$", session.command("user"), re.MULTILINE))
        for name, (value, faults) in VALUES.items():
            assert lines.pop(name) == f"ok: ended with {value}, {faults} page faults resolved"
        for name, reason in STOPS.items():
            line = lines.pop(name)
            if name == "executes data" and cpu == "max,-nx":
                assert line == "not tried: this CPU lacks NX"
            else:
                assert re.fullmatch(rf"ok: stopped by exception 14 \(page fault\) at 0x[0-9a-f]+: {reason}", line), line
        for name in ("loads page tables", "reads an address that is not canonical"):
            assert lines.pop(name).startswith("ok: stopped by exception 13 (general protection) at 0x4000")
        assert not lines
    summary = re.findall(r"^user: (\d+) ok, 0 failed; (\d+) pages in use before, (\d+) after; check: ok$",
                         session.text, re.MULTILINE)
    assert len(summary) == 2 and all(before == after for _, before, after in summary)
    sound(session)


def test_on_ovmf(ovmf):
    session = ovmf(options="kaslr=off")
    assert "user: 18 ok, 0 failed" in session.command("user")
    sound(session)


@pytest.mark.parametrize("every", [2, 3, 5, 7, 20])
def test_without_memory(uboot, every):
    """Requests for memory fail: programs are stopped, nothing is lost."""
    session = uboot()
    session.command(f"inject every {every}")
    session.command("user")
    session.command("inject off")
    assert "user: 18 ok, 0 failed" in session.command("user")
    sound(session)
