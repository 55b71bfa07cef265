# SPDX-License-Identifier: MIT
"""A person at a terminal: a pseudo-terminal as the serial port, driven as `expect` does it. What stands on the screen
is looked at, not only what was sent."""

import os
import re
import select
import time
import tty

import pexpect
import pexpect.fdpexpect
import pytest

from session import PROMPT, start_from_uboot

UP, DOWN, LEFT, HOME, END, DELETE = "\x1b[A", "\x1b[B", "\x1b[D", "\x1b[H", "\x1b[F", "\x1b[3~"


class Row:
    """The row that a VT100's cursor is in, from the bytes that it was sent."""

    def __init__(self):
        self.cells, self.column, self.begun = [], 0, ""

    def take(self, text):
        text = self.begun + text
        self.begun = re.search(r"(\x1b(\[\d*)?)?\Z", text)[0]  # a sequence that goes on
        text = text.removesuffix(self.begun)
        for piece in re.findall(r"\x1b\[\d*[A-Za-z]|[^\x1b]", text):
            count = int(re.search(r"\d+", piece)[0]) if re.search(r"\d", piece[1:]) else 1
            if piece[0] == "\x1b":
                self.column += {"D": -count, "C": count}.get(piece[-1], 0)
                if piece[-1] == "K":
                    del self.cells[self.column:]
            elif piece == "\r":
                self.column = 0
            elif piece == "\n":
                self.cells, self.column = [], 0
            elif piece >= " ":
                self.cells += [" "] * (self.column + 1 - len(self.cells))
                self.cells[self.column] = piece
                self.column += 1

    def __str__(self):
        return "".join(self.cells)


@pytest.fixture
def terminal(boot):
    """A terminal at the prompt. The loader is started over the usual port, the kernel is told to use the second."""
    session = boot(firmware="uboot", extra=["-chardev", "pty,id=terminal",
                                            "-device", "isa-serial,chardev=terminal,index=1"])
    (name,) = [item["filename"] for item in session.qmp("query-chardev") if item["label"] == "terminal"]
    descriptor = os.open(name.removeprefix("pty:"), os.O_RDWR | os.O_NOCTTY)
    tty.setraw(descriptor)
    start_from_uboot(session, "serial=com2")
    while not select.select([descriptor], [], [], 0)[0]:  # until the kernel speaks, the loader does, elsewhere
        session._receive(0.1)
        assert time.monotonic() < session.deadline, session.tail()
    child = pexpect.fdpexpect.fdspawn(descriptor, timeout=60, encoding="utf-8")
    child.expect_exact("Type help for the commands.\r\n" + PROMPT)
    child.row = ""
    yield child
    child.close()


def shows(terminal, keys, wanted):
    """Types `keys` and asserts that the prompt's row becomes `wanted`."""
    row, seen = Row(), ""
    row.take(PROMPT)
    row.take(terminal.row)
    terminal.send(keys)
    try:
        while str(row).removeprefix(PROMPT) != wanted:
            piece = terminal.read_nonblocking(1, timeout=5)
            seen += piece
            row.take(piece)
    except pexpect.TIMEOUT:
        pytest.fail(f"{keys!r} shows {str(row)!r}, not {wanted!r}")
    terminal.row += seen


def run(terminal, line, answer):
    terminal.send(line + "\r")
    terminal.expect_exact(answer)
    terminal.expect_exact("\r\n" + PROMPT)
    terminal.row = ""


def test_completion_and_history(terminal):
    run(terminal, "check", "check: ok")
    shows(terminal, "findi\t", "findings ")
    run(terminal, "", "findings: ")
    shows(terminal, "he\tbu\t", "help buddy ")
    run(terminal, "", "free blocks")
    shows(terminal, UP, "help buddy ")
    shows(terminal, UP, "findings ")
    shows(terminal, UP, "check")
    shows(terminal, DOWN, "findings ")
    shows(terminal, "\x15", "")
    shows(terminal, "hexk" + LEFT * 2 + DELETE + "c", "heck")
    shows(terminal, HOME + "c" + END + "!\x7f", "check")
    run(terminal, "", "check: ok")
    shows(terminal, "whatis 1M\x17", "whatis ")
    run(terminal, "1M", "physical 0x100000,")


def test_several_fit(terminal):
    terminal.send("re\t")
    terminal.expect(r"reg?\w*  .*\r\n")
    assert {"reboot", "regions", "release", "reserve"} <= set(terminal.after.split())
    terminal.expect_exact(PROMPT + "re")
    terminal.row = "re"
    shows(terminal, "g\t", "regions ")


def test_what_is_wrong_is_told(terminal):
    run(terminal, "chekc", "did you mean check?")
    run(terminal, "whatis", "whatis takes more than that:")
    run(terminal, "dump xml", "dump")
    run(terminal, "alloc 0", "alloc is locked")
    terminal.send("dump json\r")
    terminal.expect_exact("--- strata json ---")
    terminal.send("\x03")
    terminal.expect_exact("(the rest is left out)")
    terminal.expect_exact(PROMPT)
    run(terminal, "check", "check: ok")
