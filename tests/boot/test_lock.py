# SPDX-License-Identifier: MIT
"""What a line of text can do to the machine: look, and no more, until somebody who reads the console unlocks it."""

import random
import re
import time

import pytest

from harness import sound
from session import PROMPT, Session

LOCKED = ["alloc 0", "free 0x1000 0", "reserve 32M 33M", "release 32M 33M", "badram 32M", "memtest", "inject nth 1",
          "leaks on", "trace on", "trace forget", "fault panic", "kalloc 8", "kfree 0x1000", "shrink", "selftest",
          "vmalloc 4096", "vfree 0x1000", "ioremap 0xfee00000", "iounmap 0x1000", "vmtrim", "user", "bench",
          "plant user-bit", "runtime break", "guard 64", "reclaim", "stress"]
# What only looks, whatever follows; and what ends or sets up the session.
OPEN = {"map", "diff", "regions", "findings", "buddy", "iomem", "ledger", "view", "qr", "acpi", "whatis", "check",
        "dump", "slabs", "pools", "kleaks", "defects", "layout", "pt", "audit", "wx", "vm", "time", "efivars", "cpus",
        "phases", "options", "loglevel", "reboot", "poweroff", "help", "unlock", "lock"}


def typed(session, line):
    """What a line prints, without the harness's help."""
    return Session.command(session, line)


def test_what_does_more_than_look_is_locked(uboot):
    session = uboot()
    ledger = sound(session).ledger
    for line in LOCKED:
        assert f"{line.split()[0]} is locked: " in typed(session, line), line
        assert "unlock comes first" in typed(session, f"help {line.split()[0]}")
    assert sound(session).ledger == ledger


def test_every_command_is_one_or_the_other(uboot):
    session = uboot()
    commands = set(re.findall(r"^  (\w+)\b", typed(session, "help"), re.MULTILINE))
    locked = {line.split()[0] for line in LOCKED}
    assert commands == OPEN | locked and not OPEN & locked
    for command in OPEN:
        assert "unlock comes first" not in typed(session, f"help {command}")


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


SAID_BY_LOCKED = r"^(allocated|reserved|released|freed|unlocked|panic|exception|going wrong)"
PIECE = 4096


def noise(count):
    """`count` random bytes in pieces, each of which ends in a line that would be a locked command, or guesses the word
    that unlocks: such a line is as clean as if somebody had typed it."""
    random_bytes = random.Random(1)
    lines = [*LOCKED, "unlock", "unlock abcdef"]
    for index in range(count // PIECE):
        line = b"\r" + lines[index % len(lines)].encode() + b"\r"
        yield random_bytes.randbytes(PIECE - len(line)) + line
    yield random_bytes.randbytes(count % PIECE)


def flood(session, count):
    """Sends `count` bytes of noise, taking in what comes back, until it is said that it is over. Returns how many
    milliseconds after the last byte that was, by the machine's own clock."""
    session.serial.setblocking(False)
    for piece in noise(count):
        while piece:
            try:
                piece = piece[session.serial.send(piece):]
            except BlockingIOError:
                pass
            session._receive(0.001)
    session.serial.setblocking(True)
    session.send("\xff")  # whatever it ended in: this is noise
    over = r"^\(the last of it came (\d+) ms ago\)\n" + PROMPT
    milliseconds = session.expect(over + r"[^\n]*\Z", 600)[1]
    session.send("\x03whatis 0x1234567\r")
    session.expect("^physical 0x1234567,")
    session.prompt()
    return int(milliseconds)


def outlived(session, count):
    """The prompt outlives it, no locked command has run, and nothing has changed."""
    dump = sound(session)
    begin, before = time.monotonic(), len(session.text)
    milliseconds = flood(session, count)
    said = session.text[before:]
    print(f"{count} bytes in {time.monotonic() - begin:.1f} s; the prompt was back after {milliseconds} ms")
    assert not re.search(SAID_BY_LOCKED, said, re.MULTILINE)
    # Noise may end in the middle of a key's sequence, and ^C in it stops an answer: most of the lines arrive.
    arrived = re.findall(rf"^{PROMPT}({'|'.join(LOCKED)})$", said, re.MULTILINE)
    assert len(arrived) >= count // PIECE // 2
    assert "is locked" in typed(session, "alloc 0")
    assert sound(session).ledger == dump.ledger
    return milliseconds


@pytest.mark.parametrize("count", [100_000, pytest.param(10_000_000, marks=pytest.mark.matrix)])
def test_a_flood_of_noise(uboot, count):
    outlived(uboot(timeout=3000), count)


def test_a_flood_ends_within_a_second(uboot):
    """Instructions are the clock here, so the host's speed does not count."""
    session = uboot(extra=["-icount", "shift=4,sleep=off"], timeout=300)
    assert 200 <= outlived(session, 20_000) <= 1000
