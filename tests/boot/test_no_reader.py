# SPDX-License-Identifier: MIT
"""A serial port that nobody reads, or that is not there: the kernel goes on."""

import re
import time

import pytest

from harness import sound
from screen import Screenshot
from session import PROMPT
from test_screen import type_keys

LOST = re.compile(r"\[serial: (\d+) bytes lost: nobody takes them\]")


def shown_unread(session, holds):
    """The rows of a screenshot for which `holds` is true, the serial line being left alone."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        rows = Screenshot(session).text()
        if holds(rows):
            return rows
        time.sleep(0.5)
    pytest.fail("the screen shows:\n" + "\n".join(rows))


def test_a_reader_that_stalls(ovmf):
    """More is said than all buffers on the way hold. The screen says how much of it was lost, the keyboard works, and
    once somebody reads again the serial line says the same."""
    session = ovmf(extra=["-device", "VGA"], timeout=300)
    session.send("dump json\r" * 40)
    shown_unread(session, lambda rows: any(map(LOST.fullmatch, rows)) and rows.count(PROMPT.strip()) > 0)
    for key in ("c", "h", "e", "c", "k", "ret"):
        session.qmp("send-key", keys=[{"type": "qcode", "data": key}])
        time.sleep(0.2)
    shot = shown_unread(session, lambda rows: "check: ok" in rows)
    told = sum(int(LOST.fullmatch(row)[1]) for row in shot if LOST.fullmatch(row))
    assert told > 0
    said = int(session.expect(r"^\[serial: (\d+) bytes lost\]$")[1])
    assert said >= told
    while session._pending_input():
        pass
    session.position = len(session.text)
    assert "lost" not in session.command("check")
    sound(session)


def test_no_serial_port(ovmf):
    session = ovmf(prompt=False, uart=False, extra=["-device", "VGA"], timeout=240)
    shown_unread(session, lambda rows: PROMPT.strip() in rows)
    type_keys(session, "c", "h", "e", "c", "k", "ret")
    shown_unread(session, lambda rows: "check: ok" in rows)
    assert session.text == ""


def test_no_serial_port_and_no_screen(ovmf):
    """Nothing to be seen at all: the status that QEMU ends with tells that every check held."""
    session = ovmf(prompt=False, uart=False, options='exit=qemu run="check; poweroff"')
    assert session.wait(100) == 33
    assert session.text == ""
