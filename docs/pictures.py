#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Takes the pictures of README.md anew: the screen and the page of `make view`, both of one boot; and, from another,
the text that it shows. `make pictures`."""

import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "ovmf"), str(ROOT / "tests/tool")]

import browser
from machine import Machine, Unusable
from records import Dump, extract
from session import Failure, Session
from volume import image_volume

IMAGES = ROOT / "docs/images"
README = ROOT / "README.md"
SAMPLE_OF = "And as text, `make run MEM=4G`"
# What of the report stands in README.md: from a line that begins so, how many lines (None:
# the paragraph), and what follows: "…" for more, a blank line, or nothing.
PARTS = (("Strata ", 6, "…"), ("firmware map:", 5, "…"), ("regions:", 10, "…"), ("by class:", None, ""),
         ("findings:", None, ""), (r"\[ .*\] acpi:", None, ""), ("buddy:", None, ""), ("ledger:", None, ""),
         ("audit:", 2, None))
BUSY_END = 80 << 20  # so much of the end of memory is shown: what firmware and loader took lies there


def picture_screen(session, folder):
    """What the screen shows when it has caught up with the serial line: the same twice."""
    before, shown = None, folder / "screen.png"
    for _ in range(20):
        time.sleep(1)
        session.qmp("screendump", filename=str(shown), format="png")
        now = shown.read_bytes()
        if now == before:
            (IMAGES / "screen.png").write_bytes(now)
            return
        before = now
    raise Failure("the screen does not come to rest")


def boot(build, folder):
    """Takes the screen at the first prompt; returns the records."""
    machine = Machine(memory="2G", volume=image_volume(build / "strata.img", folder / "strata.img"),
                      extra=["-device", "VGA,xres=1280,yres=800"])
    with Session(machine, folder / "pictures.serial", 180) as session:
        session.prompt(150)
        picture_screen(session, folder)
        session.command("dump json", 120)
        return extract(session.text)


def picture_page(build, folder, records):
    (folder / "dump.jsonl").write_text("".join(f"{line}\n" for line, _ in records))
    page = subprocess.run([build.resolve() / "host/strata-map", "--html", "dump.jsonl"], cwd=folder, check=True,
                          capture_output=True).stdout
    (folder / "view.html").write_bytes(page)
    moved = next(table for table in Dump(records).of("acpi-table")
                 if table["copy"] and table["signature"] == "FACP")
    with browser.Browser(browser.find(), 1200, 900) as window:
        window.call("Emulation.setScrollbarsHidden", hidden=True)
        window.open((folder / "view.html").resolve(), "#" + moved["address"])
        window.run(f"strata.map.view(strata.model.ramEnd - {BUSY_END}, strata.model.ramEnd)")
        window.settle()
        height = window.run("Math.ceil(document.getElementById('memory').getBoundingClientRect().bottom) + 16")
        window.screenshot(IMAGES / "view.png", height)
        assert window.problems == [], window.problems


def sample(text):
    """The parts of a boot's text that README.md shows."""
    lines, shown = text.splitlines(), []
    for begin, count, after in PARTS:
        first = next(at for at, line in enumerate(lines) if re.match(begin, line))
        paragraph = lines[first:lines.index("", first)]
        cut = [line if len(line) <= 140 else line[:line.rindex(", ", 0, 110)] + ", …" for line in paragraph[:count]]
        shown += [*cut, *([after, ""] if after else [] if after is None else [""])]
    return shown[:-1] if shown[-1] == "" else shown


def write_sample(text):
    readme = README.read_text()
    begin = readme.index("\n\n", readme.index(SAMPLE_OF)) + 2
    end = re.compile(r"^(?! {4}|$)", re.MULTILINE).search(readme, begin).start()
    block = "".join(f"    {line}".rstrip() + "\n" for line in sample(text))
    README.write_text(readme[:begin] + block + "\n" + readme[end:])


def boot_for_text(build, folder):
    machine = Machine(memory="4G", volume=image_volume(build / "strata.img", folder / "strata.img"))
    with Session(machine, folder / "text.serial", 180) as session:
        return session.prompt(150)


def main(build):
    if browser.find() is None:
        sys.exit("pictures: no Chromium: install chromium-headless-shell (`make deps`)")
    folder = build / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    records = boot(build, folder)
    picture_page(build, folder, records)
    write_sample(boot_for_text(build, folder))
    print("pictures: docs/images/screen.png, docs/images/view.png, README.md; look at them")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except (Failure, Unusable) as why:
        sys.exit(f"pictures: {why}")
