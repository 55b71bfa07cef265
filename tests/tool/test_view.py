# SPDX-License-Identifier: MIT
"""`strata-map --html` and `--svg`: what is in the files; and the page as a person uses it, in a headless Chromium (the
Debian package chromium-headless-shell, which `make deps` installs; without one these tests are skipped)."""

import json
import os
import random
import subprocess
import xml.etree.ElementTree as xml
from html.parser import HTMLParser
from pathlib import Path

import pytest

import browser

ROOT = Path(__file__).resolve().parents[2]
TOOL = Path(os.environ.get("STRATA_BUILD", ROOT / "build")) / "host/strata-map"
MAPS = ROOT / "tests/maps"
CHROMIUM = browser.find()
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium-headless-shell (`make deps`)")

# A boot's records, shortened: what no map tells is in them.
DUMP = """\
[    0.1] something else on the line
--- strata json ---
{"record":"strata","version":"0.1","build":"test","cpu":"A </script><b>CPU","memory":"0x3f00000","check":"ok"}
{"record":"efi","index":0,"type":7,"name":"Conventional","start":"0x0","pages":160,"attributes":"0xf"}
{"record":"efi","index":1,"type":7,"name":"Conventional","start":"0x100000","pages":16128,"attributes":"0xf"}
{"record":"efi","index":2,"type":11,"name":"MMIO","start":"0xfee00000","pages":1,"attributes":"0x1"}
{"record":"region","start":"0x0","end":"0xa0000","class":"low"}
{"record":"region","start":"0x100000","end":"0x200000","class":"kernel"}
{"record":"region","start":"0x200000","end":"0x4000000","class":"usable"}
{"record":"region","start":"0xfee00000","end":"0xfee01000","class":"mmio"}
{"record":"finding","kind":"overlap","severity":"warning","text":"<img src=x onerror=alert(1)> at 0x100000"}
{"record":"section","index":0,"start":"0x0","state":"split","free":[0,0,0,0,0,0,0,0,0,30,0,0,0,0,0,0,0,0,0]}
{"record":"frames","start":"0x200000","end":"0x208000","state":"allocated","order":1,"owner":"slab"}
{"record":"frames","start":"0x208000","end":"0x4000000","state":"free"}
{"record":"ledger","account":"free","bytes":"0x3df8000"}
{"record":"ledger","account":"slab","bytes":"0x8000"}
{"record":"ledger","account":"kernel-image","bytes":"0x100000"}
{"record":"ledger","account":"low","bytes":"0xa0000"}
{"record":"ledger","account":"total","bytes":"0x3fa0000"}
{"record":"ledger","account":"unaccounted","bytes":"0x0"}
{"record":"ledger","account":"strata-itself","bytes":"0x108000"}
{"record":"acpi-table","signature":"APIC","address":"0x300000","length":120,"oem":"X","state":"good","class":"acpi",\
"copy":"0x200040"}
{"record":"acpi-table","signature":"RSDT","address":"0x300100","length":56,"oem":"X","state":"good","class":"acpi",\
"copy":null}
{"record":"acpi-data","name":"memory attributes table","address":"0x100010","bytes":"0x430","class":"kernel",\
"pinned":true}
{"record":"slab","class":"64","object_size":64,"slabs":1,"objects":64,"in_use":3}
{"record":"mapping","start":"0xffff800000000000","end":"0xffff800004000000","physical":"0x0","page":2097152,\
"permissions":"rw-","cache":"write-back","global":true,"area":"direct map"}
{"record":"slab-heap","large":1,"large_bytes":"0x3000","overhead":"0x5000","direct_map":"0xffff800000000000"}
{"record":"slab-block","cache":"kmalloc-96","start":"0x202000","bytes":"0x2000","first":32,"stride":96,"objects":84,\
"in_use":"0x800000000000000000021","cpu":1}
{"record":"large-object","start":"0x204000","bytes":"0x3000","wanted":"0x2345","in_use":true,"allocated_by":null,\
"freed_by":null}
{"record":"guarded-object","cache":"kmalloc-112","start":"0xffffa00000001000","bytes":"0x1000",\
"object":"0xffffa00000001f90","object_size":100,"in_use":true,"allocated_by":"kalloc+0x4c","freed_by":null}
{"record":"guarded-object","cache":"kmalloc-64","start":"0xffffa00000003000","bytes":"0x1000",\
"object":"0xffffa00000003fc0","object_size":64,"in_use":false,"allocated_by":"kalloc+0x4c","freed_by":"kfree+0x8"}
{"record":"phase","name":"buddy","microseconds":12,"instructions":null}
{"record":"brand-new","what":"a kind that the page does not know"}
--- end ---
strata>
"""


def run(*arguments, text=""):
    return subprocess.run([TOOL, *map(str, arguments)], input=text, capture_output=True, text=True, timeout=60,
                          check=False)


class Page(HTMLParser):
    """What a page loads from elsewhere, and its records."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.records, self.inside = [], "", False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.loads += [value for name, value in attributes.items() if name in ("src", "href") and value != "data:,"]
        self.inside = attributes.get("id") == "records"

    def handle_data(self, data):
        if self.inside:
            self.records, self.inside = data, False


def records_of(page):
    return [json.loads(line) for line in Page(page).records.splitlines()]


def test_a_page_is_whole_and_loads_nothing():
    result = run("--html", MAPS / "qemu-ovmf-q35-5g.txt")
    assert (result.returncode, result.stderr) == (0, "")
    page = Page(result.stdout)
    assert page.loads == []
    assert not {"<!--source-->", "/*style*/", "<!--records-->", "/*script*/"} & set(result.stdout.split())
    assert result.stdout.endswith("</html>\n")
    assert page.records == run("--json", MAPS / "qemu-ovmf-q35-5g.txt").stdout


def test_the_records_of_a_boot_are_shown_as_they_are():
    result = run("--html", text=DUMP)
    assert (result.returncode, result.stderr) == (0, "")
    wanted = [json.loads(line) for line in DUMP.splitlines() if line.startswith("{")]
    assert records_of(result.stdout) == wanted
    # The last of several; and nothing that the log holds becomes part of the page itself.
    again = run("--html", text=DUMP.replace("A </script><b>CPU", "first") + DUMP)
    assert again.stdout == result.stdout
    assert "<b>CPU" not in result.stdout and "<img" not in result.stdout


def test_records_without_a_ledger_are_a_map():
    result = run("--html", text="".join(line for line in DUMP.splitlines(True) if '"ledger"' not in line))
    assert result.returncode == 0
    assert records_of(result.stdout)[0]["build"] == "strata-map"


@pytest.mark.parametrize("wrong, expected", [
    ('{"record":"phase","name":"x",}', '30: a record is no JSON: expected """'),
    ('{"record":"phase","name":"x"', '29: a record is no JSON: expected "," or "}"'),
    ('{"record":"phase","n":01}', '24: a record is no JSON: expected "," or "}"'),
    ('{"record":"phase","n":[1,]}', "26: a record is no JSON: expected a value"),
    ('{"record":"phase","n":' + "[" * 17, "38: a record is no JSON: expected at most 16 levels of brackets"),
    ('{"record":"phase","n":"\\x"}', "25: a record is no JSON: expected an escape, such as \\n"),
    ('{"record":"phase","n":tru}', "23: a record is no JSON: expected a value"),
])
def test_a_damaged_record_is_named(wrong, expected):
    result = run("--html", text=DUMP.replace("--- end ---", wrong + "\n--- end ---"))
    assert (result.returncode, result.stdout) == (2, "")
    line = DUMP[:DUMP.index("--- end ---")].count("\n") + 1
    assert result.stderr == f"standard input:{line}:{expected}\n"


def test_one_page_shows_one_file():
    for option in "--html", "--svg":
        result = run(option, MAPS / "qemu-ovmf-q35-5g.txt", MAPS / "qemu-ovmf-q35-1g.txt")
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr == "strata-map: --html and --svg draw one FILE\n"


@pytest.mark.parametrize("source", sorted(MAPS.glob("*.txt")), ids=lambda path: path.stem)
def test_a_picture_covers_every_column_once(source):
    """Each row's rectangles of each column do not overlap, and every class of RAM that the map has is drawn."""
    result = run("--svg", source)
    assert result.returncode in (0, 1)
    root = xml.fromstring(result.stdout)
    names = "{http://www.w3.org/2000/svg}"
    legend = {text.text.split(",")[0] for text in root.iter(f"{names}text") if text.text and "," in text.text}
    drawn, rows = set(), {}
    for rect in root.iter(f"{names}rect"):
        kind, x, y = rect.get("class"), int(rect.get("x", 0)), int(rect.get("y", 0))
        wide, tall = int(rect.get("width")), int(rect.get("height"))
        if kind in ("paper", "empty") or (wide, tall) == (12, 12):
            continue
        drawn.add(kind)
        rows.setdefault((y - 76) // 32, []).append((x, y, wide, tall))
        assert (y - 76) % 32 + tall <= 24 and 250 <= x and x + wide <= 250 + 1024
    for rectangles in rows.values():
        cells = [(column, line) for x, y, wide, tall in rectangles for column in (x, x + wide - 1)[:wide]
                 for line in (y, y + tall - 1)[:tall]]
        assert len(cells) == len(set(cells)), "rectangles overlap"
    assert drawn <= legend


def large_map():
    """A terabyte in 2,000 descriptors, of types and sizes as firmware might have them."""
    generator = random.Random(2000)
    lines, at = [], 0x100000
    for index in range(2000):
        pages = generator.choice((1, 3, 16, 511, 4096, 131072, (1 << 40) // 4096 // 2000))
        lines.append(f"{generator.choice((7, 7, 7, 4, 3, 0, 10, 6, 9, 2))} {at:#x} {pages} 0xf")
        at += pages * 4096
    lines.append(f"7 {at:#x} {((1 << 40) - at) // 4096} 0xf")
    return "\n".join(lines) + "\n"


@pytest.fixture(name="show")
def fixture_show(tmp_path):
    """Opens the page of a text in a browser; at the end nothing may have gone wrong in it."""
    with browser.Browser(CHROMIUM) as window:
        def show(text, fragment=""):
            result = run("--html", text=text)
            assert result.returncode == 0, result.stderr
            (tmp_path / "view.html").write_text(result.stdout)
            window.open(tmp_path / "view.html", fragment)
            return window
        yield show
        assert window.problems == []


def answer(window):
    return window.run("document.getElementById('answer').innerText").splitlines()


def ask(window, address):
    window.run(f"document.getElementById('address').value = {json.dumps(address)};"
               "document.getElementById('ask').requestSubmit()")
    window.settle()
    return answer(window)


@needs_browser
def test_what_is_at_an_address(show):
    window = show(DUMP)
    free = ask(window, "0x3fff123")
    assert "descriptor 1, Conventional, 0x100000 and 16128 pages, attributes 0xf" in free
    assert "usable [0x200000, 0x4000000), 62 MiB" in free
    assert "0 at 0x0, split, 15360 pages free" in free
    # [0x208000, 0x4000000): the block of 32 MiB at 0x2000000 is the largest that the address lies in.
    assert "free, in a block of order 13 at 0x2000000; free all around: [0x208000, 0x4000000)" in free
    assert "at 0xffff800003fff123, rw-, write-back, in the direct map" in free
    taken = ask(window, "0x202fff")
    assert "allocated, in a block of order 1 at 0x202000, owner slab" in taken
    # What lies in memory that has become something else since was there once.
    assert "ACPI table APIC, 120 bytes, good, given back; its copy is at 0x200040" in ask(window, "0x300010")
    assert {"held", "ACPI table RSDT, 56 bytes, good, given back"} <= set(ask(window, "0x300137"))
    assert {"holds", "memory attributes table, 1 KiB"} <= set(ask(window, "0x100010"))
    # A table of several pages, of which one stays.
    apart = '{"record":"acpi-table","signature":"DSDT","address":"0x1ffff0","length":32,"class":"kernel"}'
    window = show(DUMP.replace("--- end ---", f"{apart}\n--- end ---"))
    assert "holds" in ask(window, "0x1fffff") and "held" not in ask(window, "0x1fffff")
    assert "held" in ask(window, "0x20000f") and "holds" not in ask(window, "0x20000f")
    window = show(DUMP)
    assert {"holds", "Strata's copy of the ACPI table APIC"} <= set(ask(window, "0x200040"))
    device = ask(window, "fee00010h")
    assert {"descriptor 2, MMIO, 0xfee00000 and 1 pages, attributes 0x1", "nowhere"} <= set(device)
    assert "mmio [0xfee00000, 0xfee01000), 4 KiB" in device
    virtual = ask(window, "0xffff800000100000")
    assert virtual[0] == "virtual 0xffff800000100000"
    assert "direct map, to physical 0x100000, rw-, write-back, pages of 2 MiB" in virtual
    assert "kernel [0x100000, 0x200000), 1 MiB" in virtual
    assert "not mapped, and in no area of the kernel's layout" in ask(window, "0xffffffff00000000")
    assert "no descriptor names it" in ask(window, "640K")
    assert ask(window, "0xg") == ["“0xg” is no address: expected one such as 0x100000, 640K or 4G"]


SLAB = "; slab at 0xffff800000202000, 8192 bytes, of CPU 1"


AT = [
    ("0x20201f", f"none, it lies before the first{SLAB}"),
    ("0x202020", "0 of kmalloc-96 at 0xffff800000202020, 96 bytes, in use; the address is its byte 0x0" + SLAB),
    ("0x202080", "1 of kmalloc-96 at 0xffff800000202080, 96 bytes, free; the address is its byte 0x0" + SLAB),
    ("0x20225f", "5 of kmalloc-96 at 0xffff800000202200, 96 bytes, in use; the address is its byte 0x5f" + SLAB),
    ("0x203f9f", "83 of kmalloc-96 at 0xffff800000203f40, 96 bytes, in use; the address is its byte 0x5f" + SLAB),
    ("0x203fa0", f"none, it lies behind the last{SLAB}"),
    ("0x204001", "a large one at 0xffff800000204000, 12288 bytes, 9029 asked for, in use; the address is its byte 0x1"),
    ("0x206fff", "a large one at 0xffff800000204000, 12288 bytes, 9029 asked for, in use; the address is 0xcba bytes "
     "behind it"),
    ("0xffff800000202082", "1 of kmalloc-96 at 0xffff800000202080, 96 bytes, free; the address is its byte 0x2" + SLAB),
    ("0x201fff", None),
    ("0x207000", None),
    ("0x208000", None),
    ("0xffffa00000001f90", "0xffffa00000001f90 of kmalloc-112, 100 bytes, in use, allocated by kalloc+0x4c; the "
     "address is its byte 0x0"),
    ("0xffffa00000001f8f", "0xffffa00000001f90 of kmalloc-112, 100 bytes, in use, allocated by kalloc+0x4c; the "
     "address is 0x1 bytes before it"),
    ("0xffffa00000002000", "0xffffa00000001f90 of kmalloc-112, 100 bytes, in use, allocated by kalloc+0x4c; the "
     "address is 0xc bytes behind it"),
    ("0xffffa00000004fff", "0xffffa00000003fc0 of kmalloc-64, 64 bytes, freed, allocated by kalloc+0x4c, freed by "
     "kfree+0x8; the address is 0xfff bytes behind it"),
    ("0xffffa00000005000", None),
    ("0xffffa00000000000", "0xffffa00000001f90 of kmalloc-112, 100 bytes, in use, allocated by kalloc+0x4c; the "
     "address is 0x1f90 bytes before it"),
]


@needs_browser
def test_which_object_is_at_an_address(show):
    """The last layer, as the kernel tells it (tests/boot/test_view.py holds the two against each other)."""
    window = show(DUMP)
    for address, said in AT:
        lines = ask(window, address)
        assert lines.count("object") == (said is not None), address
        assert said is None or lines[lines.index("object") + 1] == said
    window.run("strata.map.view(0x202000, 0x202001)")  # at most a page
    assert window.run("(strata.map.high - strata.map.low) / strata.map.canvas.clientWidth") < 8  # the smallest object
    window.run("strata.map.view(0x200000, 0x210000)")
    window.settle()
    for share in range(1, 8):  # of the 16 pages in view, the first seven
        x, y = window.run("(() => { const b = strata.map.canvas.getBoundingClientRect();"
                          f"return [b.left + b.width * {share} / 16, b.top + 40]; }})()")
        window.mouse("mouseMoved", x, y)
        window.settle()
        tip = window.run("document.getElementById('tip').innerText").splitlines()
        wanted = window.run("strata.explain(strata.model, BigInt(strata.map.hovered))"
                            ".filter(([layer]) => layer === 'object').map((line) => line.join(': '))")
        assert [line for line in tip if line.startswith("object: ")] == wanted
        assert bool(wanted) == (2 <= share < 7)


@needs_browser
def test_of_a_large_report_few_places_are_looked_at(show):
    """As many records as a report has at most: which one an address lies in is found by halving."""
    line = next(line for line in DUMP.splitlines() if "slab-block" in line)
    record = json.loads(line)
    many = [json.dumps({**record, "start": hex(0x10000000 + 0x4000 * index)}, separators=(",", ":"))
            for index in range(4096)]
    random.Random(1).shuffle(many)
    window = show(DUMP.replace(line, "\n".join(many)))
    window.run("""(() => { window.looked = 0; const { model } = strata;
        model.blocks = model.blocks.map((place) => new Proxy(place, { get: (all, name) =>
          (looked += name === "first", all[name]) })); })()""")
    for index in 0, 1, 2048, 4094, 4095:
        at = 0x10000000 + 0x4000 * index
        window.run("looked = 0")
        assert f"0 of kmalloc-96 at 0xffff8000{at + 32:08x}, " in "\n".join(ask(window, hex(at + 33)))
        assert "object" not in ask(window, hex(at + 0x2000))
        assert 0 < window.run("looked") <= 2 * 15
    assert window.run("strata.model.blocks.length") == 4097


LEFT_OUT = '{"record":"objects-not-listed","slabs":7,"large":2,"guarded":9,"start":"0x207000"}'


@needs_browser
def test_what_the_records_leave_out_is_said(show):
    window = show(DUMP.replace("--- end ---", LEFT_OUT + "\n--- end ---"))
    said = "not listed: from 0x207000 on the records leave out 7 slabs and 2 large objects"
    assert said in ask(window, "0x207000")
    for listed in "0x201fff", "0x206fff", "0x208000", "640K":  # before, known, free, no frame
        assert said not in ask(window, listed), listed
    assert said in ask(show(DUMP.replace('"state":"free"', '"state":"not-listed"')
                            .replace("--- end ---", LEFT_OUT + "\n--- end ---")), "0x208000")
    area = '{"record":"layout","area":"vmalloc","start":"0xffffa00000000000","end":"0xffffb00000000000"}'
    window = show(DUMP.replace("--- end ---", f"{LEFT_OUT}\n{area}\n--- end ---"))
    assert "the records leave out 9 guarded objects, one of which may be here" in ask(window, "0xffffa00000009000")
    assert "guarded" not in "".join(ask(window, "0xffffa00000001000"))
    assert "guarded" not in "".join(ask(window, "0xffffb00000000000"))


def changed(kind, **fields):
    """The record of that kind with other fields, and none where one is ..."""
    record = json.loads(next(line for line in DUMP.splitlines() if f'"{kind}"' in line))
    record.update(fields)
    return json.dumps({name: value for name, value in record.items() if value is not ...}, separators=(",", ":"))


CANNOT_BE = [
    (changed("slab-block", start=...), '"start" is missing'),
    (changed("slab-block", start="-1"), '"start" is not'),
    (changed("slab-block", start="0x10000000000000"), '"start" is not'),
    (changed("slab-block", cache=7), '"cache" is not'),
    (changed("slab-block", cpu=-1), '"cpu" is not'),
    (changed("slab-block", bytes="0x0"), '"bytes" is not'),
    (changed("slab-block", bytes="0x" + "f" * 32), '"bytes" is not'),
    (changed("slab-block", first=-32), '"first" is not'),
    (changed("slab-block", stride=0), '"stride" is not'),
    (changed("slab-block", stride=1e300), '"stride" is not'),
    (changed("slab-block", stride=98), '"objects" is not'),
    (changed("slab-block", objects=0), '"in_use" is not'),
    (changed("slab-block", objects=-1), '"objects" is not'),
    (changed("slab-block", objects=85.5), '"objects" is not'),
    (changed("slab-block", objects=86), '"objects" is not'),
    (changed("slab-block", objects=2 ** 52), '"objects" is not'),
    (changed("slab-block", objects=85), '"in_use" is not'),  # one digit more
    (changed("slab-block", objects=80), '"in_use" is not'),  # one less
    (changed("slab-block", objects=82), '"in_use" is not'),  # a bit behind the last
    (changed("slab-block", in_use=...), '"in_use" is missing'),
    (changed("slab-block", in_use=0x21), '"in_use" is not'),
    (changed("slab-block", in_use="0x80000000000000000002g"), '"in_use" is not'),
    (changed("large-object", start="0x204000", wanted="0x3001"), '"wanted" is not'),
    (changed("large-object", wanted=...), '"wanted" is missing'),
    (changed("large-object", in_use=1), '"in_use" is not'),
    (changed("large-object", allocated_by={}), '"allocated_by" is not'),
    (changed("guarded-object", object="0xffffa00000000fff"), '"object" is not'),
    (changed("guarded-object", object="0xffffa00000002001"), '"object" is not'),
    (changed("guarded-object", object_size=113), '"object_size" is not'),
    (changed("guarded-object", start="0xfffffffffffff000", bytes="0x1001"), '"bytes" is not'),
    (changed("slab-heap", direct_map="0x1ffffffffffffffff"), '"direct_map" is not'),
    (LEFT_OUT.replace("7", "1e99"), '"slabs" is not'),
    (LEFT_OUT.replace('"0x207000"', "[]"), '"start" is not'),
]


@needs_browser
def test_objects_that_cannot_be_are_findings(show):
    window = show(DUMP.replace("--- end ---", "\n".join(wrong for wrong, _ in CANNOT_BE) + "\n--- end ---"))
    texts = window.run("strata.model.findings.map((finding) => finding.text)")
    assert len(texts) == 1 + len(CANNOT_BE)
    first = 1 + sum(line.startswith("{") for line in DUMP.splitlines())
    for number, (wrong, complaint) in enumerate(CANNOT_BE, first):
        kind = json.loads(wrong)["record"]
        begins = f'record {number}, of kind "{kind}", is not shown: its field {complaint}'
        assert any(text.startswith(begins) and text.endswith(wrong) for text in texts), begins
    assert "5 of kmalloc-96 at 0xffff800000202200" in "\n".join(ask(window, "0x202200"))
    assert "a large one" in "\n".join(ask(window, "0x204001"))
    assert "kmalloc-112" in "\n".join(ask(window, "0xffffa00000001f90"))


OVERLAPS = [
    (changed("slab-block", start="0x203000"), "slab-block", "0x203fa0", "behind the last"),
    (changed("slab-block", cache="again"), "slab-block", "0x202020", "of kmalloc-96"),
    (changed("large-object", start="0x203000", bytes="0x9000"), "slab-block", "0x204000", "a large one"),
    (changed("guarded-object", start="0xffffa00000001800", bytes="0x800"), "guarded-object", "0xffffa00000001f90",
     "100 bytes, in use"),
]


@needs_browser
def test_objects_that_overlap_are_findings(show):
    """The one that begins first stays, and of two at the same place the first in the file."""
    window = show(DUMP.replace("--- end ---", "\n".join(one[0] for one in OVERLAPS) + "\n--- end ---"))
    texts = window.run("strata.model.findings.map((finding) => finding.text)")
    assert len(texts) == 1 + len(OVERLAPS)
    lines = [line for line in DUMP.splitlines() if line.startswith("{")]
    for number, (wrong, kept, address, still) in enumerate(OVERLAPS, len(lines) + 1):
        other = next(index for index, line in enumerate(lines, 1) if f'"{kept}"' in line)
        kind = json.loads(wrong)["record"]
        assert f'record {number}, of kind "{kind}", is not shown: it overlaps record {other}: {wrong}' in texts
        assert still in "\n".join(ask(window, address))


@needs_browser
def test_every_part_is_shown(show):
    window = show(DUMP, "#0x100000")
    text = window.run("document.body.innerText")
    assert answer(window)[0] == "physical 0x100000"  # the address in the page's own address
    for part in ("A </script><b>CPU", "check: ok", "<img src=x onerror=alert(1)> at 0x100000", "unaccounted 0",
                 "kernel-image", "12 µs", "object size", "brand-new 1", "61.9 MiB"):
        assert part in text, part
    assert window.run("document.querySelectorAll('#buddy tbody tr').length") == 1
    assert window.run("document.querySelectorAll('#ledger .bar:first-of-type span').length") == 4


@needs_browser
@pytest.mark.parametrize("wrong, complaint", [
    ('{"record":"region","start":"0x0","class":"low"}', '"end" is missing'),
    ('{"record":"region","start":"zero","end":"0x1000","class":"low"}', '"start" is not what it should be'),
    ('{"record":"efi","index":3,"type":7,"start":"0x0"}', '"pages" is missing'),
    ('{"record":"frames","start":"0x4000000","end":"0x4001000","state":"allocated"}', '"order" is missing'),
    ('{"record":"frames","start":"0x4000000","end":"0x4001000","state":"allocated","order":1e9}',
     '"order" is not what it should be'),
    ('{"record":"section","index":1,"start":"0x40000000","state":"split"}', '"free" is missing'),
    ('{"record":"section","index":1,"start":"0x40000000","state":"split","free":[1]}',
     '"free" is not what it should be'),
    ('{"record":"mapping","start":"0xffff800000000000","end":"0xffff800004000000"}', '"physical" is missing'),
    ('{"record":"layout","start":null,"end":"0x1"}', '"start" is not what it should be'),
    ('{"record":"acpi-table","address":"0x0"}', '"length" is missing'),
    ('{"record":"acpi-data","address":"0x0","bytes":{}}', '"bytes" is not what it should be'),
    ('{"record":"ledger","account":"free"}', '"bytes" is missing'),
    ('{"record":"finding","kind":"overlap"}', '"text" is missing'),
    ('{"record":"phase","name":"late"}', '"microseconds" is missing'),
])
def test_a_record_that_lacks_something_is_a_finding(show, wrong, complaint):
    """The rest of the page is there all the same, and what is asked is answered."""
    window = show(DUMP.replace("--- end ---", wrong + "\n--- end ---"))
    number = sum(line.startswith("{") for line in DUMP.splitlines()) + 1
    text = window.run("document.getElementById('findings').innerText")
    kind = json.loads(wrong)["record"]
    assert f'record {number}, of kind "{kind}", is not shown: its field {complaint}: {wrong}' in text
    assert "Findings: 2" in text
    assert "usable [0x200000, 0x4000000), 62 MiB" in ask(window, "0x3fff123")
    assert "kernel [0x100000, 0x200000), 1 MiB" in ask(window, "0xffff800000100000")
    assert "kernel-image" in window.run("document.body.innerText")


@needs_browser
def test_numbers_of_any_size_are_no_finding(show):
    wraps = '{"record":"efi","index":3,"type":7,"name":"Conventional","start":"0xfffffffffffff000",' \
            '"pages":18446744073709551615,"attributes":"0xffffffffffffffff"}'
    window = show(DUMP.replace("--- end ---", wraps + "\n--- end ---"))
    assert "Findings: 1" in window.run("document.getElementById('findings').innerText")


@needs_browser
def test_frames_that_cut_a_page_are_answered(show):
    window = show(DUMP.replace('"start":"0x208000","end":"0x4000000"', '"start":"0x208800","end":"0x208c00"'))
    assert "free, in no whole page; free all around: [0x208800, 0x208c00)" in ask(window, "0x208900")


@needs_browser
def test_a_replay_is_marked(show):
    mark = "REPLAY of another machine's map, 127 descriptors"
    assert mark not in show(DUMP).run("document.body.innerText")
    window = show(DUMP.replace('"check":"ok"', '"replayed":127,"check":"ok"'))
    assert mark in window.run("document.body.innerText")


@needs_browser
def test_keys_and_mouse_reach_everything(show):
    window = show(DUMP)
    first = window.run("[strata.map.low, strata.map.high]")
    assert first == [0, 0x4000000]
    for _ in range(12):
        window.press("Tab")
        if window.run("document.activeElement.id") == "map":
            break
    assert window.run("document.activeElement.id") == "map"
    window.press("]")
    assert answer(window)[0] == "physical 0x0"
    window.press("]")
    assert answer(window)[0] == "physical 0x100000"
    window.press("Enter")
    low, high = window.run("[strata.map.low, strata.map.high]")
    assert 0xe0000 < low < 0x100000 and 0x200000 < high < 0x220000
    window.press("-")
    window.press("ArrowRight")
    assert window.run("strata.map.low") > low - 0x100000
    window.press("Home")
    assert window.run("[strata.map.low, strata.map.high]") == first
    x, y = window.run("(() => { const b = strata.map.canvas.getBoundingClientRect();"
                      "return [b.left + b.width / 2, b.top + 40]; })()")
    window.mouse("mouseMoved", x, y)
    window.settle()
    assert "usable [0x200000, 0x4000000)" in window.run("document.getElementById('tip').innerText")
    for kind in "mousePressed", "mouseReleased":
        window.mouse(kind, x, y, button="left", buttons=1, clickCount=1)
    window.settle()
    assert answer(window)[0].startswith("physical 0x2")


@needs_browser
def test_a_terabyte_in_two_thousand_descriptors_stays_fluid(show):
    """Work is counted, not time: what a frame draws is bounded by items and pixels, and none of it is DOM."""
    window = show(large_map())
    before = window.run("document.getElementsByTagName('*').length")
    assert before < 2500
    window.run("window.fills = 0; const fill = CanvasRenderingContext2D.prototype.fillRect;"
               "CanvasRenderingContext2D.prototype.fillRect = function (...a) { fills++; return fill.apply(this, a); }")
    worst = window.run("(() => { let worst = 0; const { map } = strata; map.view(0, 2 ** 40);"
                       "for (let i = 0; i < 60; i++) { map.zoom(0.8, 2 ** 39); fills = 0; map.draw();"
                       "worst = Math.max(worst, fills); } return worst; })()")
    items = window.run("strata.map.lanes.reduce((sum, lane) => sum + lane.items.length, 0)")
    pixels = window.run("strata.map.canvas.width")
    assert worst < 2 * items + 16 * pixels
    assert window.run("document.getElementsByTagName('*').length") == before
    assert window.run("strata.map.high - strata.map.low") < 2 ** 40 * 0.8 ** 59  # it did zoom
    # Nor does the mouse make more of it: at most one drawing for each event, and a tip of a few lines.
    window.run("strata.map.view(2 ** 38, 2 ** 39)")
    window.settle()
    x, y, wide = window.run("(() => { const b = strata.map.canvas.getBoundingClientRect();"
                            "return [b.left, b.top + 40, b.width]; })()")
    drawn, low = window.run("[strata.map.stats.frames, strata.map.low]")
    for held in 0, 1:
        if held:
            window.mouse("mousePressed", x + 1, y, button="left", buttons=1, clickCount=1)
        for step in range(1, 21):
            window.mouse("mouseMoved", x + wide * step / 21, y, **({"button": "left", "buttons": 1} if held else {}))
    window.mouse("mouseReleased", x + wide * 20 / 21, y, button="left", clickCount=1)
    window.settle()
    assert window.run("strata.map.low") < low  # it was dragged
    assert window.run("strata.map.stats.frames") - drawn <= 45
    assert window.run("document.getElementsByTagName('*').length") <= before + 20


@needs_browser
def test_dark_and_paper(show):
    window = show(DUMP)
    colour = "getComputedStyle(document.body).backgroundColor"
    light = window.run(colour)
    window.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    window.settle()
    assert window.run(colour) != light
    assert window.run("strata.map.colour.paper") == "#14171b"  # the canvas too
    assert window.pdf().startswith(b"%PDF-")


@needs_browser
def test_odd_maps_do_not_break_the_page(show):
    for source in sorted(MAPS.glob("made-*.txt")):
        result = run("--html", source)
        if result.returncode == 0:
            window = show(source.read_text())
            assert window.run("strata.map.stats.frames") > 0, source
