# SPDX-License-Identifier: MIT
"""`stress`: nothing spoilt and nothing lost on a sound machine; on one whose RAM changes it is found."""

import array
import mmap
import re
import time

import pytest

from harness import sound
from records import PAGE

STEP = 0x9e3779b97f4a7c15
WORD = (1 << 64) - 1
BIT = 1 << 17
VERDICT = re.compile(r"^stress: (ok|FAILED)(, stopped)?: (\d+) operations, (\d+) spoilt, (\d+) wrong, "
                     r"(-?\d+) pages lost$", re.MULTILINE)


class Answer:
    def __init__(self, text):
        assert max(map(len, text.splitlines())) <= 80, text
        verdict = VERDICT.search(text)
        assert verdict, text
        self.text, self.state, self.stopped = text, verdict[1], bool(verdict[2])
        self.operations, self.spoilt, self.wrong, self.lost = map(int, verdict.groups()[2:])
        self.before, self.after = map(int, re.search(r"^free frames: (\d+) before, (\d+) after$", text,
                                                     re.MULTILINE).groups())
        self.difference = int(re.search(r"^  difference: (-?\d+)$", text, re.MULTILINE)[1])
        self.taken, self.given, self.changed = map(int, re.search(
            r"^(\d+) taken, (\d+) given back, (\d+) changed, \d+ refused; ", text, re.MULTILINE).groups())


def ended(session):
    """The answer of one that was ended by hand."""
    session.prompt(60)
    return Answer(session.text.rpartition("; Ctrl-C ends it\n")[2].rpartition("strata> ")[0])


def free_pages(session):
    session.command("reclaim")
    return int(re.search(r"^  free: (\d+) pages", session.command("buddy"), re.MULTILINE)[1])


def overhead_pages(dump):
    return int(dump.of("slab-heap")[0]["overhead"], 16) // PAGE


@pytest.mark.parametrize("arguments, options", [("4000 seed=1", ""), ("1500 seed=2", "debug=slab,owner"),
                                                ("2000 seed=3", "fail=every:7"), ("2000 seed=4", "clear=alloc,free")])
def test_a_sound_machine_passes(uboot, arguments, options):
    session = uboot(options, timeout=300)
    free, before = free_pages(session), sound(session)
    answer = Answer(session.command(f"stress {arguments}", 200))
    assert (answer.state, answer.spoilt, answer.wrong, answer.lost, answer.difference) == ("ok", 0, 0, 0, 0)
    assert answer.operations == int(arguments.split()[0]) and not answer.stopped
    assert answer.taken == answer.given > answer.operations // 5 and answer.changed > 0
    assert re.findall(r"^stress: +(\d+) %, ", answer.text, re.MULTILINE) == [str(n) for n in range(10, 101, 10)]
    # What it says of the pages is so.
    assert (answer.before, answer.after) == (free, free_pages(session))
    after = sound(session)
    grown = overhead_pages(after) - overhead_pages(before)
    metadata = (after.ledger["page-metadata"] - before.ledger["page-metadata"]) // PAGE
    assert answer.before - answer.after == grown + metadata
    for owner in ("vmalloc", "large", "test", "page-table", "stack"):
        assert after.ledger.get(owner, 0) == before.ledger.get(owner, 0), owner


def test_the_same_seed_does_the_same(uboot):
    """But for the addresses, and so what grows in its place."""
    session = uboot()
    done = [re.findall(r"^stress: .* (\d+) operations, (\d+) objects|^(\d+) taken",
                       session.command(f"stress 1000 seed={seed}"), re.MULTILINE) for seed in (9, 9, 10)]
    assert len(done[0]) == 11
    assert done[0] == done[1] != done[2]


def test_it_takes_every_kind(uboot):
    """The counters of the owners, in the middle of it, by what the recorded trace says was taken."""
    session = uboot()
    session.command("trace on 60000")
    assert Answer(session.command("stress 600 seed=5", 120)).state == "ok"
    trace = session.command("trace dump", 120)
    for operation in ("alloc", "free", "contig", "free-contig"):
        assert f'"operation":"{operation}"' in trace
    assert set(re.findall(r'"owner":"([\w-]+)"', trace)) >= {"test", "slab", "large", "vmalloc", "page-table"}


def test_so_many_seconds(uboot):
    session = uboot()
    answer = Answer(session.command("stress 2s"))
    assert answer.state == "ok" and answer.operations > 0


def test_ctrl_c_ends_it(uboot):
    session = uboot()
    session.unlock()
    session.send("stress 3600s\r")
    session.expect("Ctrl-C ends it")
    session.send("\x03")
    answer = ended(session)
    assert answer.stopped and answer.state == "ok" and answer.taken == answer.given
    sound(session)


def pattern_pages(ram):
    """The pages of the guest that an object fills: words that grow by the step, from the first to the last."""
    for at in range(0, len(ram), PAGE):
        first, second = array.array("Q", ram[at:at + 16])
        if (second - first) & WORD == STEP:
            words = array.array("Q", ram[at:at + PAGE])
            if all((words[i + 1] - words[i]) & WORD == STEP for i in range(len(words) - 1)):
                yield at


def spoil(session, file):
    """Changes a bit in the middle of all pages with a pattern, while the guest stands still; returns how many."""
    session.qmp("stop")
    with open(file, "r+b") as handle, mmap.mmap(handle.fileno(), 0) as ram:
        pages = list(pattern_pages(ram))
        for at in pages:
            word = int.from_bytes(ram[at + 2048:at + 2056], "little")
            ram[at + 2048:at + 2056] = (word ^ BIT).to_bytes(8, "little")
    session.qmp("cont")
    return len(pages)


def test_memory_that_changes_is_found(uboot, tmp_path):
    """The host changes bits of the guest's RAM; where, which and how many is said."""
    file = tmp_path / "ram"
    session = uboot(memory="128M", memory_file=file, timeout=300)
    session.unlock()
    session.send("stress 3600s seed=6\r")
    session.expect("Ctrl-C ends it")
    deadline = time.monotonic() + 60
    while not spoil(session, file):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    session.expect("SPOILT: ", 120)
    session.send("\x03")
    answer = ended(session)
    assert len(set(re.findall(r"^  at byte .*$", answer.text, re.MULTILINE))) == min(answer.spoilt, 8)  # each once
    assert answer.state == "FAILED" and answer.spoilt >= 1 and answer.lost == 0
    reports = re.findall(r"^stress: SPOILT: (\w+) of (\d+) bytes at (0x[0-9a-f]+):\n"
                         r"  at byte (0x[0-9a-f]+) expected (0x[0-9a-f]+), found (0x[0-9a-f]+)$", answer.text,
                         re.MULTILINE)
    assert 1 <= len(reports) <= 8 and len(reports) == min(answer.spoilt, 8)
    for _, size, _, at, expected, found in reports:
        assert int(expected, 16) ^ int(found, 16) == BIT and int(at, 16) < int(size)
    # Where it was done; but for what krealloc was moving just then.
    assert any((int(memory, 16) + int(at, 16)) % PAGE == 2048 for _, _, memory, at, _, _ in reports)
    sound(session)  # nothing of the allocators' own was hit


@pytest.mark.parametrize("arguments", ["0", "0s", "5x", "3 4", "seed=q", "seed=1 seed=2", "s", "99999999999s", "-1"])
def test_wrong_words(uboot, arguments):
    session = uboot()
    free = free_pages(session)
    assert "like this: stress, stress 100000 (operations)" in session.command(f"stress {arguments}")
    assert free_pages(session) == free


def test_a_guarded_class_is_in_the_way(uboot):
    session = uboot("guard=64")
    assert "kmalloc-64 is guarded, and its places are kept: guard off first" in session.command("stress 100")
    session.command("guard off")
    assert Answer(session.command("stress 100")).state == "ok"
