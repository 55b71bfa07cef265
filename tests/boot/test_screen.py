# SPDX-License-Identifier: MIT
"""The screen, read from its pixels: it says what the serial line says, whatever kind it is and however large."""

import re
import tempfile
import time
from pathlib import Path

import pytest

from harness import BUILD, LOADER, sound
from screen import Screenshot, wrapped
from session import PROMPT

SCREENS = {
    "std": "VGA",
    "640x480": "VGA,xres=640,yres=480",
    "800x600": "VGA,xres=800,yres=600",
    "1440x900": "VGA,xres=1440,yres=900",
    "1920x1080": "VGA,xres=1920,yres=1080",
    # At 75 Hz it does not fit the block of the EDID that the firmware reads.
    "3840x2160": "VGA,xres=3840,yres=2160,vgamem_mb=64,refresh_rate=30000",
    "ramfb": "ramfb",
    "virtio": "virtio-vga",
    "qxl": "qxl-vga",
    "cirrus": "cirrus-vga",
    "bochs": "bochs-display",
}
SLICE = ("640x480", "3840x2160")
MATRIX = [pytest.param(name, marks=() if name in SLICE else pytest.mark.matrix) for name in SCREENS]


def start(ovmf, screen, *extra, **more):
    return ovmf(extra=["-device", SCREENS[screen], *extra], timeout=240, **more)


def shown_soon(session, holds, what):
    """A screenshot for which `holds` is true; the screen is drawn thirty times a second. The serial line is read
    meanwhile: the socket holds a few hundred of QEMU's writes, which are of one byte."""
    for _ in range(100):
        while session._pending_input():
            pass
        shot = Screenshot(session)
        if holds(shot):
            return shot
        time.sleep(0.1)
    pytest.fail(f"{what}; the screen shows:\n" + "\n".join(shot.text()))


def expect_same(session):
    """The screen shows the end of what the serial line said."""
    def same(shot):
        return shot.text() == wrapped(session.text, shot.columns)[-shot.rows:]
    return shown_soon(session, same, "the screen and the serial line differ")


@pytest.mark.parametrize("screen", MATRIX)
def test_it_shows_what_the_serial_line_says(ovmf, screen):
    session = start(ovmf, screen)
    shot = expect_same(session)
    told = re.search(r"screen: (\d+) x (\d+) pixels, (\d+) columns and (\d+) rows", session.text)
    assert tuple(map(int, told.groups())) == (shot.width, shot.height, shot.columns, shot.rows)
    assert not screen[0].isdigit() or screen == f"{shot.width}x{shot.height}"
    session.command("help")
    session.command("findings")
    expect_same(session)
    session.send("alloc \x08\x08x\x1b[D\x1b[Dy\r")  # the line editor's sequences
    session.expect('no command is called "allyox"')
    session.prompt()
    shown_soon(session, lambda shot: PROMPT + "allyox" in shot.text(), "what was edited is not shown")
    sound(session)


def test_without_a_screen_all_is_on_the_serial_line(ovmf):
    session = ovmf()
    assert "screen: none: the firmware has none" in session.text
    sound(session)


def test_a_screen_that_only_the_firmware_can_draw_on(ovmf):
    """virtio-gpu without the VGA part has no linear framebuffer, and is off after the exit: who looks at it is told
    before, for a while."""
    session = ovmf(prompt=False, extra=["-device", "virtio-gpu-pci"])
    session.expect("strata: the screen can be drawn on through the firmware only: this is the last line on it", 60)
    with tempfile.NamedTemporaryFile(suffix=".ppm") as file:
        session.qmp("screendump", filename=file.name)
        pixels = Path(file.name).read_bytes()
    assert len(set(pixels[20::97])) > 1, "nothing is on the screen"
    session.prompt()
    assert "screen: none: it can be drawn on through the firmware only, before the exit" in session.text
    sound(session)


def start_on_five_levels(ovmf, screen, files=(), **more):
    """Boots from the UEFI shell, after an EFI application has put the firmware on five-level page tables."""
    files = [("la57.efi", (BUILD / "test/boot/la57.efi").read_bytes()), ("strata.efi", LOADER.read_bytes()),
             ("EFI/BOOT/BOOTX64.EFI", None), *files]
    session = start(ovmf, screen, cpu="max,+la57", files=files, **(more | {"prompt": False}))
    session.expect(r"Press ESC in \d+ seconds|Shell> ", 60)
    session.send("\x1b")
    session.expect(r"Shell> ", 30)
    session.send("fs0:\\la57.efi\r")
    session.expect(r"Shell> ", 30)
    session.send("fs0:\\strata.efi\r")
    session.expect("page tables of 5 levels$", 30)
    return session


@pytest.mark.parametrize("options, kept", [
    ("fail=every:2", True), pytest.param("", False, marks=pytest.mark.matrix),
])
def test_the_screen_under_five_levels(ovmf, options, kept):
    """On the kernel's own tables; and on the loader's, which have one level more to add it to."""
    session = start_on_five_levels(ovmf, "800x600", options=options)
    session.prompt()
    assert ("the kernel stays on the loader's page tables" in session.text) == kept
    expect_same(session)


@pytest.mark.parametrize("screen, begin", [
    ("640x480", start), ("640x480", start_on_five_levels),
    pytest.param("ramfb", start, marks=pytest.mark.matrix),
], ids=["640x480", "five-levels", "ramfb"])
def test_a_panic_before_there_is_memory_is_shown(ovmf, screen, begin):
    """On the map of a machine that has next to nothing: there are neither page tables nor cells yet."""
    little = ("little.txt", b"7 0x1000000 16 0xf\n")
    session = begin(ovmf, screen, options="replay=little.txt", files=[little], prompt=False)
    session.expect(r"^panic: the firmware left no memory .*(\n.*)*?\nstopped\.$", 120)
    shot = shown_soon(session, lambda shot: "stopped." in shot.text(), "the panic is not shown")
    said = session.text[session.text.index("\npanic: ") + 1:]
    rows = shot.text()
    assert "".join(f"{row}\n" for row in wrapped(said.strip(), shot.columns)) + "\n" in "\n".join(rows + rows)


def test_without_memory_for_page_tables_there_is_a_screen(ovmf):
    """Every second request fails: the kernel stays on the loader's tables, which do not cover the screen."""
    session = start(ovmf, "800x600", options="fail=every:2")
    assert "the kernel stays on the loader's page tables" in session.text
    expect_same(session)


def type_keys(session, *keys):
    for key in keys:
        session.qmp("send-key", keys=[{"type": "qcode", "data": key}])
        for _ in range(4):
            session._receive(0.05)


def test_the_keyboard_types_pages_and_looks_back(ovmf):
    session = start(ovmf, "640x480")
    type_keys(session, "h", "e", "l", "p", "ret")
    shot = shown_soon(session, lambda shot: "more: space" in shot.text()[-1], "help is not paged")
    assert shot.text()[0] == "look at memory"
    type_keys(session, "q")
    session.expect(r"^\(the rest is left out\)")
    session.prompt()
    expect_same(session)
    type_keys(session, "pgup")
    shown_soon(session, lambda shot: "looking back" in shot.text()[-1], "PgUp does not look back")
    type_keys(session, "c", "h", "e", "c", "k", "ret")
    session.expect("^check: ok")
    session.prompt()
    expect_same(session)


def test_without_a_keyboard_all_pages_are_shown(ovmf):
    """Nobody types: the pages go round, and all that was said from the banner on can be read."""
    session = start(ovmf, "640x480", "-machine", "i8042=off", options="pages=2")
    assert "keyboard: none" in session.text
    said = session.text[session.text.index("Strata "):]
    pages, read, rows = {}, set(), []
    for _ in range(600):
        before, rows = rows, Screenshot(session).text()
        if rows != before:
            continue  # maybe half a page
        note = re.match(r" page (\d+) of (\d+), the next in 2 s", rows[-1])
        if note:
            pages[int(note[1])] = rows[:-1]
            if len(pages) == int(note[2]):
                break
        time.sleep(0.1)
    else:
        pytest.fail(f"only pages {sorted(pages)} were shown")
    for rows in pages.values():
        read.update(rows)
    missing = [row for row in wrapped(said.split("Type help")[0], 80) if row not in read]
    assert not missing
    assert session.command("check").strip() == "check: ok"
    expect_same(session)


TOUR = re.compile(r" page (\d+) of (\d+), the next in 2 s; a key ends this")


def pages_go_on(session):
    """Two pages more come by."""
    seen = set()

    def another(shot):
        note = TOUR.match(shot.text()[-1])
        seen.update(note.groups()[:1] if note else ())
        return len(seen) == 3
    shown_soon(session, another, f"the pages stopped at {seen}")


def test_noise_on_the_serial_line_does_not_end_the_pages(ovmf):
    """Nobody is at it, so nobody could begin them again: only a whole line of text is somebody."""
    session = start(ovmf, "640x480", "-machine", "i8042=off", options="pages=2")
    pages_go_on(session)
    for noise in b"\0", b"\r", b"\x80a\0b\r", b"chec":
        session.serial.sendall(noise)
        pages_go_on(session)
    session.send("k\r")
    session.expect("^check: ok")
    session.prompt()
    for _ in range(50):  # more than two pages' time
        session._receive(0.1)
        assert not TOUR.match(Screenshot(session).text()[-1])
    expect_same(session)


def test_what_is_typed_elsewhere_does_not_answer_the_pager(ovmf):
    """The screen waits for its keyboard: a command over the serial line waits whole, and is not paged."""
    session = start(ovmf, "640x480")
    type_keys(session, "h", "e", "l", "p", "ret")
    shot = shown_soon(session, lambda shot: "more: space" in shot.text()[-1], "help is not paged")
    session.send("check\r")
    for _ in range(10):
        session._receive(0.1)
    assert Screenshot(session).text() == shot.text()
    type_keys(session, "q")
    session.expect(r"^\(the rest is left out\)")
    session.expect(r"strata> check\s+check: ok")
    session.prompt()
    type_keys(session, "h", "e", "l", "p", "ret")
    shown_soon(session, lambda shot: "more: space" in shot.text()[-1], "help is not paged")
    session.send("\x03")  # but for this: whoever is there can have the prompt
    session.expect(r"^\(the rest is left out\)")
    session.prompt()
    assert len(session.command("help").splitlines()) > 30
    sound(session)


@pytest.mark.parametrize("memory, note", [
    ("512M", r" page 1 of \d+, the next in 4 s; a key ends this"),
    ("160M", r" page 1 of \d+, the next in 4 s; \d+ lines before this: serial, \\strata\\map\.txt"),
])
def test_the_report_of_a_long_map_is_kept_or_what_is_missing_said(ovmf, memory, note):
    """2,000 descriptors: some 7,500 rows of 100 columns, for which a small machine has no room."""
    many = "".join(f"{7 - i % 2 * 4} 0x{0x2000000 + i * 0x8000:x} 8 0xf\n" for i in range(2000))
    many += "7 0x6000000 98304 0xf\n"
    session = start(ovmf, "800x600", "-machine", "i8042=off", memory=memory, options="pages=4 replay=many.txt",
                    files=[("many.txt", many.encode())])
    shot = shown_soon(session, lambda shot: re.fullmatch(note, shot.text()[-1]), "page 1 says otherwise")
    assert any(row.startswith("Strata ") for row in shot.text()) == (memory == "512M")


def test_memory_is_drawn_to_scale(ovmf):
    session = start(ovmf, "std", memory="512M")
    answer = session.command("view").splitlines()
    tile = int(re.search(r"a tile is (\d+) KiB", answer[0])[1]) << 10
    shot = expect_same(session)
    top = next(row for row, text in enumerate(shot.text()) if text == answer[0])
    ledger = sound(session).ledger
    free = sum(line[16:80].count(".") for line in answer[1:] if line.startswith("  0x"))
    assert free * tile <= ledger["free"] <= (free + 300) * tile
    colours = {}
    for row, line in enumerate(answer):
        for column, letter in enumerate(line[16:80] if line.startswith("  0x") else ""):
            colours.setdefault(letter, set()).add(shot.paper(16 + column, top + row))
    assert len(colours["."]) == 1 and colours["."] != {b"\0\0\0"}
    assert len({colour for letter in colours for colour in colours[letter]}) > 2
