# SPDX-License-Identifier: MIT
"""The monitor: every command does what its help says, and says what is right when it is typed wrong."""

import re

import pytest

from harness import sound
from session import PROMPT


def free_bytes(session):
    return int(re.search(r"^  free: (\d+) pages", session.command("buddy"), re.MULTILINE)[1]) * 4096


def commands_of(listing):
    """The names in what `help` prints."""
    return re.findall(r"^  (\w+)\b", listing, re.MULTILINE)


def test_help_lists_every_command_with_a_line(uboot):
    session = uboot()
    listing = session.command("help")
    commands = commands_of(listing)
    # What the documents promise is there; what else is there is held against itself.
    assert {"map", "regions", "findings", "buddy", "ledger", "acpi", "check", "alloc", "free", "reserve", "release",
            "whatis", "dump", "options", "reboot", "poweroff", "help"} <= set(commands)
    assert len(commands) == len(set(commands))
    for command in commands:
        # What it does stands in a column of its own, on the next line when there is no room.
        line = re.search(rf"^(  {command}\b.*)\n(.*)", listing, re.MULTILINE)
        column = line[1][35:] if len(line[1]) > 35 and line[1][34] == " " else line[2][35:]
        assert re.match(r"\S.*\S$", column), line[0]
        assert session.command(f"help {command}").split()[0] == command


@pytest.mark.parametrize("command, word", [
    ("map", "mem00: "), ("map raw", "in steps of 40"), ("regions", "usable"), ("findings", "findings: "),
    ("buddy", "free: "), ("slabs", "directory and descriptors"), ("ledger", "unaccounted 0"),
    ("acpi", "reclaimed"), ("check", "check: ok"),
    ("options", "kaslr"), ("phases", "buddy"), ("cpus", "paging levels"), ("whatis 1M", "region: "),
    ("dump", "unaccounted 0"), ("dump json", "--- end ---"), ("vm", "stacks: 4 blocks"),
    ("wx", "breaches: none"), ("iomem", "local APIC"),
])
def test_looking_changes_nothing(uboot, command, word):
    session = uboot()
    before = free_bytes(session)
    assert word in session.command(command)
    assert free_bytes(session) == before
    sound(session)


def test_alloc_and_free_by_hand(uboot):
    session = uboot()
    before = free_bytes(session)
    blocks = []
    for order in (0, 3, 9, 12):
        begin, end = re.search(r"\[(0x[0-9a-f]+), (0x[0-9a-f]+)\)", session.command(f"alloc {order}")).groups()
        assert int(end, 16) - int(begin, 16) == 4096 << order
        assert int(begin, 16) % (4096 << order) == 0
        blocks.append((begin, order))
    low = re.search(r"\[(0x[0-9a-f]+),", session.command("alloc 0 below 16M"))[1]
    assert int(low, 16) < 16 << 20
    blocks.append((low, 0))
    assert free_bytes(session) == before - sum(4096 << order for _, order in blocks)
    assert session.command("check").strip() == "check: ok"
    for begin, order in blocks:
        session.command(f"free {begin} {order}")
    assert free_bytes(session) == before
    sound(session)


def test_kalloc_and_kfree_by_hand(uboot):
    session = uboot()
    free = free_bytes(session)
    for size, cache in ((100, "kmalloc-112"), (3000, "kmalloc-3K"), (200000, "large")):
        answer = session.command(f"kalloc {size}")
        address, physical = re.search(r"allocated (0x[0-9a-f]+), physical (0x[0-9a-f]+)", answer).groups()
        assert cache in answer
        assert "object: " in session.command(f"whatis {physical}")
        assert "not freed" in session.command(f"kfree {int(address, 16) + 8:#x}")
        assert session.command("check").strip() == "check: ok"
        assert "freed" in session.command(f"kfree {address if size != 3000 else physical}")
        assert "not freed" in session.command(f"kfree {address}")
    aligned = session.command("kalloc 100 align 4096")
    assert re.search(r"allocated 0x[0-9a-f]+000,", aligned), aligned
    assert "no power of two" in session.command("kalloc 100 align 3")
    assert "not allocated: no memory" in session.command("kalloc 0x4000000000")
    session.command("kfree " + re.search(r"0x[0-9a-f]+", aligned)[0])
    session.command("shrink")
    assert free - free_bytes(session) <= 64 << 10  # the directory
    records = sound(session)
    assert {record["class"] for record in records.of("slab")} >= {"112", "3K", "4K"}
    pool, = records.of("pool")  # which keeps its objects
    held = {pool["name"]: pool["available"]}
    assert all(record["in_use"] == held.get(record["class"], 0) for record in records.of("slab"))


def test_reserve_and_release_by_hand(uboot):
    session = uboot()
    before = free_bytes(session)
    session.command("reserve 32M 33M")
    assert free_bytes(session) == before - (1 << 20)
    assert "reserved" in session.command("whatis 32M")
    refusal = session.command("reserve 0x2080000 34M")
    assert free_bytes(session) == before - (1 << 20), refusal
    session.command("release 32M 33M")
    assert free_bytes(session) == before
    sound(session)


@pytest.mark.parametrize("line, sentence", [
    ("fre 3", 'no command is called "fre"; did you mean free?'),
    ("HLEP", 'no command is called "hlep"; did you mean help?'),
    ("CHECK", "check: ok"),
    ("?", "look at memory"),
    ("? QR", "map and findings as QR codes"),
    ("whatis", "whatis takes more than that:\n  whatis ADDRESS"),
    ("check now", "check takes no arguments:\n  check"),
    ("ALLOC 19", "order"),
    ("xyzzy", "help lists them all"),
    ("alloc", "alloc ORDER"),
    ("alloc many", '"many"'),
    ("alloc 19", "order"),
    ("alloc 1 2 3 4 5 6 7 8 9", "takes other arguments"),
    ("free 0x1001 0", "0x1001"),
    ("free 0x100000 0 pages", "there must be one at least"),
    ("alloc 0 bytes", "there must be one at least"),
    ("reserve 2M 1M", "the range is empty"),
    ("whatis nothing", '"nothing"'),
    ("whatis 0xfffffffffffffffff", "0xfffffffffffffffff"),
    ("dump xml", "json"),
    ("fault gently", "the ways are"),
])
def test_wrong_input_says_what_is_right(uboot, line, sentence):
    session = uboot()
    before = free_bytes(session)
    assert sentence in session.command(line)
    assert free_bytes(session) == before
    sound(session)


def test_too_much_or_too_little_shows_the_usage(uboot):
    session = uboot()
    session.unlock()
    listing = session.command("help")
    for command in commands_of(listing):
        usage = session.command(f"help {command}").partition("  It does more")[0].partition("  With ")[0]
        answer, _, shown = session.command(f"{command} 1 2 3 4 5 6 7 8 9").partition("\n")
        assert answer in (f"{command} takes other arguments:", f"{command} takes no arguments:")
        assert shown == usage
        if re.match(rf"  {command} [A-Z]", usage):  # something is needed
            assert usage in session.command(command)
        # A word that is none of those it knows is not taken for one of them, nor for nothing.
        answer = session.command(f"{command} zzz")
        assert re.search(r"zzz|takes (other|no|more)|like this|ways are|is one of|a level is|rules are|raw|json|break|"
                         r"debug=|already", answer), answer
    sound(session)


@pytest.mark.parametrize("line", ["dump json", "bench", "selftest", "help"])
def test_control_c_ends_an_answer(uboot, line):
    session = uboot()
    session.unlock()
    session.send(f"{line}\r\x03check\r")
    session.expect(rf"{line}\n")
    begin = session.position
    session.expect(r"\(the rest is left out\)$")
    assert session.position - begin < 400
    session.expect("^check: ok$")  # and what was typed behind it is executed
    session.prompt()
    sound(session)


def test_what_is_typed_ahead_waits(uboot):
    session = uboot()
    session.send("dump json\rphases\rcheck\r")
    session.expect("^--- end ---$")
    session.expect(r"^  exit ")
    session.expect("^check: ok$")


def test_the_line_can_be_edited(uboot):
    session = uboot()
    session.send("chekk\b\x7fck\r")  # both keys that terminals send to delete
    session.expect("^check: ok")
    session.prompt()
    session.send("ledger\x15check\r")  # Ctrl-U
    session.expect("^check: ok")
    session.prompt()
    session.send("poweroff\x03check\r")  # Ctrl-C
    session.expect("^check: ok")


def test_an_overlong_line_is_refused_whole(uboot):
    session = uboot()
    answer = session.command("check " + "x" * 2000)
    assert "longer than" in answer and "check: ok" not in answer
    sound(session)


def test_line_noise_does_no_harm(uboot):
    session = uboot()
    session.serial.sendall(bytes(byte for byte in range(256) if byte not in b"\r\n") * 4 + b"\r")
    session.send("still there?\r")
    session.expect('no command is called "still"')
    session.expect("^not executed: 1 lines with bytes lost, or with bytes that no key sends$")
    session.expect(r"^\(the last of it came \d+ ms ago\)$")
    session.prompt()
    sound(session)


@pytest.mark.parametrize("typed, becomes", [
    ("findi\t", "findings "), ("re\tle\tx", "release x"), ("map \t", "map raw "), ("help who\t", "help who"),
    ("help wha\t", "help whatis "), ("trace o\tn", "trace on"),
])
def test_the_tabulator_completes(uboot, typed, becomes):
    session = uboot()
    session.send(typed)
    session.expect(re.escape(becomes) + "$", 10)


def test_the_tabulator_lists_what_fits(uboot):
    session = uboot()
    session.send("re\t")
    session.expect(r"^(?=.*\breboot\b)(?=.*\breclaim\b)(?=.*\bregions\b)(?=.*\brelease\b)(?=.*\breserve\b)", 10)
    session.expect(rf"^{PROMPT}re$", 10)


def test_a_freed_page_that_was_never_allocated(uboot):
    session = uboot("exit=qemu")
    session.unlock()
    session.send("fault free\r")
    assert session.wait() == 35
    assert re.search(r"^panic: .*page_free", session.text, re.MULTILINE), session.tail()


def test_a_panic_stops_without_exit_option(uboot):
    session = uboot()
    session.unlock()
    session.send("fault panic\r")
    session.expect("(?i)panic")
    session.expect("(?i)halted|stopped")
