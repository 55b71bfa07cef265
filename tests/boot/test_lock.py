# SPDX-License-Identifier: MIT
"""What a line of text can do to the machine: look, and no more, until somebody who reads the console unlocks it."""

import random
import re
import time

import pytest

from harness import sound
from session import PROMPT, Session

LOCKED = ["alloc 0", "free 0x1000 0", "reserve 32M 33M", "release 32M 33M", "badram 32M", "memtest", "inject nth 1",
          "leaks on", "trace on", "fault panic", "kalloc 8", "kfree 0x1000"]


def typed(session, line):
    """What a line prints, without the harness's help."""
    return Session.command(session, line)


@pytest.mark.parametrize("line", LOCKED)
def test_what_does_more_than_look_is_locked(uboot, line):
    session = uboot()
    assert "is locked" in typed(session, line)
    assert "unlock comes first" in typed(session, f"help {line.split()[0]}") or line in ("leaks on", "trace on")
    sound(session)


def test_the_word_unlocks_and_noise_locks_again(uboot):
    session = uboot()
    assert "was not the word" not in typed(session, "unlock")
    assert "was not the word" in typed(session, "unlock please")
    assert "is locked" in typed(session, "alloc 0")
    session.unlock()
    assert "allocated" in typed(session, "alloc 0")
    typed(session, "lock")
    assert "is locked" in typed(session, "alloc 0")
    session.unlock()
    session.serial.sendall(b"\xff\r")
    session.prompt()
    assert "is locked" in typed(session, "alloc 0")


def test_options_need_no_word(uboot):
    session = uboot('run="alloc 0"')
    assert re.search(rf"^{PROMPT}alloc 0\nallocated ", session.text, re.MULTILINE)
    assert "is locked" in typed(session, "alloc 0")  # that was for them alone


def flood(session, count):
    """Sends `count` random bytes, taking in what comes back. Returns how long after the last of them a command was
    answered, in seconds."""
    noise = random.Random(1)
    session.serial.setblocking(False)
    sent = 0
    while sent < count:
        piece = noise.randbytes(min(4096, count - sent))
        while piece:
            try:
                taken = session.serial.send(piece)
                sent, piece = sent + taken, piece[taken:]
            except BlockingIOError:
                pass
            session._receive(0.001)
    session.serial.setblocking(True)
    begin = time.monotonic()
    session.send("\x03\r")
    session.send("whatis 0x1234567\r")
    session.expect("^physical 0x1234567,")
    return time.monotonic() - begin


@pytest.mark.parametrize("count", [200_000, pytest.param(10_000_000, marks=pytest.mark.matrix)])
def test_a_flood_of_noise(uboot, count):
    """The prompt outlives it, no locked command has run, and nothing has changed."""
    session = uboot(timeout=400)
    dump = sound(session)
    waited = flood(session, count)
    print(f"answered {waited:.2f} s after the last of {count} bytes")
    done = r"^(allocated|reserved|released|freed|panic|exception|going wrong)"
    assert not re.search(done, session.text, re.MULTILINE)
    session.expect(rf"^{PROMPT}")
    assert "is locked" in typed(session, "alloc 0")
    assert sound(session).ledger == dump.ledger
