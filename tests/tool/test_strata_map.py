# SPDX-License-Identifier: MIT
"""build/host/strata-map as a person uses it: options, files, messages, exit status. (How each format is read is in
tests/unit/test_map_reading.c.)"""

import json
import os
import random
import re
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOL = Path(os.environ.get("STRATA_BUILD", ROOT / "build")) / "host/strata-map"
MAPS = ROOT / "tests/maps"
SAMPLE = MAPS / "made-unsorted.txt"

EDK2 = """\
Type       Start            End              # Pages          Attributes
Available  0000000000000000-000000000009FFFF 00000000000000A0 000000000000000F
Available  0000000000100000-000000000FFFFFFF 000000000000FF00 000000000000000F
BS_Data    0000000010000000-00000000103FFFFF 0000000000000400 000000000000000F
LoaderCode 0000000010400000-00000000104FFFFF 0000000000000100 000000000000000F
ACPI_Recl  0000000010500000-000000001050FFFF 0000000000000010 000000000000000F
RT_Data    0000000010510000-000000001051FFFF 0000000000000010 800000000000000F
"""


def run(*arguments, text="", cwd=None, **options):
    return subprocess.run([TOOL, *map(str, arguments)], input=text, capture_output=True, text=True, timeout=60, cwd=cwd,
                          check=False, **options)


def run_bytes(data, *arguments):
    return subprocess.run([TOOL, *arguments], input=data, capture_output=True, timeout=60, check=False)


def records(text):
    return [json.loads(line) for line in text.splitlines()]


def of_kind(lines, kind):
    return [line for line in lines if line["record"] == kind]


def test_the_report_is_the_kernels():
    result = run(text=EDK2)
    assert (result.returncode, result.stderr) == (0, "")
    expected = [
        "source: standard input, lines 2 to 7: EDK2's memmap",
        "firmware map: 6 descriptors of 40 bytes",
        "efi: mem00: [Conventional      |   |  |  |  |  |  |  |  |  |   |WB|WT|WC|UC] "
        "range=[0x0000000000000000-0x000000000009ffff] (160 pages)",
        "regions: 6, described 260.7 MiB",
        "  usable     [0x0000000000100000, 0x0000000010000000) 255 MiB",
        "findings: 0",
        "reclaimed once the kernel stands on its own: loader 1 MiB, bootsvc 4 MiB, acpi 64 KiB",
        "buddy: free blocks by order (0: 4 KiB, 9: 2 MiB, 18: 1 GiB)",
        "  reserve below 16 MiB: 3.7 MiB of 15 MiB that is free there",
        "  reserve below 4 GiB: 0 bytes of 259.7 MiB that is free there",
        "  reserve for atomic requests: 516 KiB of 259.7 MiB that is free there",
        "  unaccounted 0",
    ]
    lines = iter(result.stdout.splitlines())
    for line in expected:
        assert line in lines, f"{line!r} is missing, or out of order, in\n{result.stdout}"


def codes(body, parts):
    """What QR codes on the screen say, made anew: include/mm/map_code.h has the format."""
    share = -(-len(body) // parts)
    for number in range(parts):
        frame = f"{number + 1}/{parts}*{zlib.crc32(body.encode()):08X}*"
        piece = body[number * share:(number + 1) * share]
        yield f"STRATA1*{frame}{zlib.crc32((frame + piece).encode()):08X}*{piece}$"


# The same machine as EDK2's.
CODE = ".0NA0.100NFF00K400H100P10*800000000000000FM10"


@pytest.mark.parametrize("parts", [1, 2, 7])
def test_codes_from_the_screen_in_any_order(parts):
    pieces = list(codes(CODE, parts))
    random.Random(parts).shuffle(pieces)
    result = run(text="From the telephone:\n" + "\n\nand\n".join(pieces).lower())
    assert (result.returncode, result.stderr) == (0, "")
    source, _, report = result.stdout.partition("\n")
    assert source.startswith("source: standard input, lines 2 to ") and source.endswith(": codes from Strata's screen")
    assert report == run(text=EDK2).stdout.partition("\n")[2]


def test_codes_bring_what_only_the_machine_could_find():
    found = ".0NA0.100NFF00T1%NOTE:+ZERO-LENGTH:+NO/20SUCH/2E%WARNING:+WINDOW-IN-RAM:+/22A/25B/22+AT+0X5"
    result = run(text="".join(codes(found, 2)))
    assert (result.returncode, result.stderr) == (0, "")
    assert ('found on the machine itself:\n  note: zero-length: no such.\n  warning: window-in-ram: "a%b" at 0x5\n\n'
            in result.stdout)
    lines = records(run("--json", text="".join(codes(found, 2))).stdout)
    assert of_kind(lines, "finding") == [
        {"record": "finding", "kind": "zero-length", "severity": "note", "text": "no such."},
        {"record": "finding", "kind": "window-in-ram", "severity": "warning", "text": '"a%b" at 0x5'}]
    # What the map alone shows is not said twice.
    again = run(text="".join(codes(".100N1.0N1%NOTE:+UNSORTED:+THE+MAP+IS+NOT+SORTED:+DESCRIPTOR+1+BEGINS+AT+0X0/2C+"
                                   "BELOW+DESCRIPTOR+0+AT+0X100000:+SORTED", 1)))
    assert "note: unsorted: the map is not sorted: descriptor 1 begins" in again.stdout
    assert "on the machine itself" not in again.stdout


UNSORTED = ("note: unsorted: the map is not sorted: descriptor 1 begins at 0x0, below descriptor 0 at 0x100000: "
            "sorted")
LEFT_BEHIND = f"""\
# memory map of this machine, written by the Strata loader before it left the firmware
# descriptors: 2 of 48 bytes
#
# the firmware's map:
# format: type phys_start pages attribute
7 0x100000 65280 0xf
7 0x0 160 0xf
#
# findings: 2
#   {UNSORTED}
#   warning: window-in-ram: a window
#
# regions: 1, described 1 MiB
# end
"""
SERIAL = f"""\
firmware map: 2 descriptors of 48 bytes
efi: mem00: [Conventional      |attr=0x000000000000000f] range=[0x0000000000100000-0x000000000fffffff] (65280 pages)
efi: mem01: [Conventional      |attr=0x000000000000000f] range=[0x0000000000000000-0x000000000009ffff] (160 pages)

findings: 2
  {UNSORTED}
  warning: window-in-ram: a window

found elsewhere:
  warning: this is no finding
"""


@pytest.mark.parametrize("text", [LEFT_BEHIND, SERIAL, LEFT_BEHIND.replace("\n", "\r\n"),
                                  SERIAL.replace("window-in-ram: a", "window-in-ram: another") + SERIAL],
                         ids=["file", "serial", "crlf", "twice"])
def test_what_the_machine_found_comes_along_with_its_map(text):
    result = run(text=text)
    assert (result.returncode, result.stderr) == (0, "")
    assert f"\nfindings: 1\n  {UNSORTED}\n\nfound on the machine itself:\n  warning: window-in-ram: a window\n\n" \
        in result.stdout
    # The tool's own text is such a log again.
    assert run(text=result.stdout).stdout.partition("\n")[2] == result.stdout.partition("\n")[2]
    assert [line["kind"] for line in of_kind(records(run("--json", text=text).stdout), "finding")] == \
        ["unsorted", "window-in-ram"]


def test_what_was_found_of_another_map_does_not_come_along():
    assert "on the machine itself" not in run(text=SERIAL + EDK2).stdout


@pytest.mark.parametrize("text, cut", [(LEFT_BEHIND, "7 0x0 160 0xf\n"), (SERIAL, SERIAL.splitlines()[2] + "\n")],
                         ids=["file", "serial"])
def test_a_map_that_was_cut_is_not_taken_for_the_whole(text, cut):
    result = run(text=text.replace(cut, ""))
    assert result.stderr.startswith("standard input: the map is cut: of 2 descriptors 1 are here\n")
    assert "firmware map: 1 descriptors" in result.stdout
    plain = run("--plain", text=text.replace(cut, ""))
    assert (plain.returncode, plain.stdout.count("\n# complete: no\n")) == (0, 1)
    assert run(text=text).stderr == ""


def test_codes_that_are_missing_or_mistyped_are_named():
    pieces = list(codes(CODE, 4))
    result = run(text="\n".join((pieces[3], pieces[1])))
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "standard input:2: of 4 codes that belong together these are missing: 1, 3\n"
    result = run(text="\n".join((*pieces[:2], pieces[2][:-2] + "W$", pieces[3])))
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "standard input:3: part 3 of 4 is mistyped or cut: its checksum does not fit\n"


@pytest.mark.parametrize("byte", ["\x1b", "\x07", "\x9b", "\x00", "\x7f", ",", "#", "_"])
def test_codes_have_no_other_characters_than_theirs(byte):
    """What a terminal obeys does not reach it, however well the checksums fit."""
    def codes_of(body):
        whole = zlib.crc32(body)
        frame = b"1/1*%08X*" % whole
        return b"STRATA1*%s%08X*%s$" % (frame, zlib.crc32(frame + body), body)
    body = b".100NFF00%NOTE:+ODD:+" + byte.encode("latin-1") + b"[31MRED"
    for options in [], ["--json"], ["--html"], ["--plain"]:
        result = run_bytes(b"\n" + codes_of(body), *options)
        assert (result.returncode, result.stdout) == (2, b"")
        assert result.stderr == b"standard input:2: part 1 of 1 has characters that no code has\n"
    # A copy that is sound counts.
    result = run_bytes(codes_of(body) + codes_of(b".100NFF00"))
    assert (result.returncode, result.stderr) == (0, b"")


@pytest.mark.parametrize("escaped, shown", [
    ("/1B/5B31M", "?[31m"), ("/07", "?"), ("/9B31M", "?31m"), ("/C2/9B31M", "??31m"), ("/E0/82/9B", "???"),
    ("/E2/80/A6", "…"), ("/E2/80", "??"), ("/0A", "?"), ("/0D", "?"), ("/C3/A9", "é"), ("/FF", "?"),
])
def test_what_a_finding_says_is_text(escaped, shown):
    text = "".join(codes(f".100NFF00%NOTE:+ODD:+A{escaped}+B", 1))
    assert f"  note: odd: a{shown} b\n" in run(text=text).stdout
    assert of_kind(records(run("--json", text=text).stdout), "finding")[-1]["text"] == f"a{shown} b"


def test_many_codes_are_answered_soon():
    """Ten thousand parts but one, and as many copies of the first: neither is looked through for each of the other."""
    body = ".100" + "T706" * 30000
    parts = list(codes(body, 10000))
    copies = [parts[0]] * 8000
    result = run(text="\n".join([*parts[1:-1], *copies]))
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "standard input:17998: of 10000 codes that belong together these are missing: 10000\n"
    whole = run("--plain", text="\n".join([*copies, *reversed(parts)]))
    assert (whole.returncode, whole.stdout.count("\n")) == (0, 2 + 30000)


def test_records_add_up():
    result = run("--json", text=EDK2)
    assert (result.returncode, result.stderr) == (0, "")
    lines = records(result.stdout)
    assert lines[0]["record"] == "strata"
    assert [line["type"] for line in of_kind(lines, "efi")] == [7, 7, 4, 1, 9, 6]
    accounts = {line["account"]: int(line["bytes"], 16) for line in of_kind(lines, "ledger")}
    assert accounts["unaccounted"] == 0
    assert accounts["total"] == int(lines[0]["memory"], 16) == 0xa0000 + 0xff00000 + 0x520000
    assert accounts["free"] + accounts["page-metadata"] + accounts["low"] + accounts["runtime"] == accounts["total"]


@pytest.mark.parametrize("source", sorted(MAPS.glob("*.txt")), ids=lambda path: path.stem)
def test_every_way_of_writing_a_map_gives_the_same_machine(source):
    """Text, records and plain lines made from a map give the same map, regions and findings again."""
    first = run("--json", source)
    assert first.returncode in (0, 1), first.stderr
    wanted = [line for line in records(first.stdout) if line["record"] != "strata"]
    for option in ("--json", "--plain", None):
        written = run(*filter(None, [option]), source).stdout
        again = run("--json", text=written)
        assert again.returncode == first.returncode
        assert [line for line in records(again.stdout) if line["record"] != "strata"] == wanted


# A process's peak begins with that of whoever forked it, so a small process stands between.
PEAK = """import os, sys
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(child, 0)
print(usage.ru_maxrss, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))"""


def test_terabytes_cost_nothing():
    ran = subprocess.run([sys.executable, "-c", PEAK, TOOL, MAPS / "made-terabyte.txt"], capture_output=True, text=True)
    assert ran.returncode == 0
    assert int(ran.stderr) < 64 * 1024, f"{ran.stderr} KiB for a terabyte"
    assert "  unaccounted 0\n" in ran.stdout


def test_memory_at_an_odd_high_address_is_said():
    result = run(text="7 0x100000 256 0xf\n7 0x8000000000000 1 0xf\n")
    assert result.returncode == 1
    assert result.stderr == ("standard input: no page allocator: RAM ends at 0x8000000001000, and only 64 TiB can be "
                             "simulated\n")
    assert "  usable     [0x0008000000000000, 0x0008000000001000) 4 KiB" in result.stdout


def test_physical_bits():
    result = run("--physical-bits", 32, "--json", text="7 0x100000 4096 0xf\n7 0x100000000 1 0xf\n")
    assert result.returncode == 0
    assert [line["kind"] for line in of_kind(records(result.stdout), "finding")] == ["beyond-physical-width"]
    for wrong in ("11", "53", "many", "39x", "-39"):
        result = run("--physical-bits", wrong)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr == f"strata-map: --physical-bits {wrong}: expected a number from 12 to 52\n"


def test_special_use():
    source = MAPS / "made-special-purpose.txt"
    kept, used = {"usable", "special", "reserved"}, {"usable", "bootsvc", "reserved"}
    for option, classes in (None, kept), ("--special-use", used):
        lines = records(run("--json", *filter(None, [option]), source).stdout)
        assert {line["class"] for line in of_kind(lines, "region")} == classes


def test_several_files(tmp_path):
    (tmp_path / "a.txt").write_text(EDK2)
    (tmp_path / "b.txt").write_text("7 0x100000 4096 0xf\n")
    (tmp_path / "c.txt").write_text("7 0x100000 4096 oxf\n")
    result = run("a.txt", "b.txt", "c.txt", "missing.txt", "-", text=EDK2, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr == ("c.txt:1:17: expected \"0x\", found \"oxf\"\n"
                             "missing.txt: No such file or directory\n")
    assert [line for line in result.stdout.splitlines() if line.startswith("source:")] == [
        "source: a.txt, lines 2 to 7: EDK2's memmap",
        "source: b.txt, lines 1 to 1: the plain format",
        "source: standard input, lines 2 to 7: EDK2's memmap",
    ]


def test_the_last_map_of_a_log():
    result = run("--plain", text=EDK2 + "\nShell> memmap\n" + EDK2[:EDK2.index("BS_Data")])
    assert result.returncode == 0
    assert result.stdout == ("# source: standard input, lines 11 to 12: EDK2's memmap (the last of 2 maps)\n"
                             "# format: type phys_start pages attribute\n"
                             "7 0x0 160 0xf\n7 0x100000 65280 0xf\n")


def test_a_plain_map_does_not_tell_who_made_it(tmp_path):
    (tmp_path / "log.txt").write_text(EDK2)
    result = run("--plain", tmp_path / "log.txt")
    assert (result.returncode, result.stdout.splitlines()[0]) == (0, "# source: log.txt, lines 2 to 7: EDK2's memmap")


def test_no_map():
    for text in "", "BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable\n", "\0\0\0":
        result = run(text=text)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr == "standard input: no memory map found; strata-map --help shows what is read\n"


def test_no_usable_memory():
    result = run(MAPS / "made-nothing-usable.txt")
    assert result.returncode == 1
    assert result.stderr.endswith("made-nothing-usable.txt: no page allocator: no memory of this map is usable\n")


def test_help_version_and_wrong_options(tmp_path):
    assert run("--help").stdout.startswith("usage: strata-map ")
    assert run("--help").returncode == 0
    assert run("--version").stdout.startswith("strata-map ")
    result = run("--jason")
    assert result.returncode == 2
    assert result.stderr.endswith("strata-map --help shows what can be typed\n")
    result = run(tmp_path)
    assert (result.returncode, result.stderr) == (2, f"{tmp_path}: Is a directory\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], [SAMPLE]])
def test_a_full_disk_is_noticed(arguments):
    with open("/dev/full", "w") as full:
        result = subprocess.run([TOOL, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
                                check=False)
    assert result.returncode == 3
    assert result.stderr.startswith("strata-map: the output could not be written") and result.stderr.count("\n") == 1


@pytest.mark.parametrize("text", [
    "7 0x100000 65280 0xf\n",
    "7 0x100000 65280 0xf\n7 0x10000000000 268435456 0xf\n",                # a TiB, from 1 TiB on
    "7 0x100000 65280 0xf\n7 0x40000000 10737418240 0xf\n",                # 40 TiB
    "".join(f"7 {0x10000000 + i * 0x2000:#x} 1 0xf\n" for i in range(12000)) + "7 0x100000 8192 0xf\n",
], ids=["small", "1T", "40T", "holes"])
def test_the_columns_of_the_buddy_stand_under_one_another(text):
    said = run(text=text).stdout
    table = said[said.index("\nbuddy:"):].splitlines()[2:]
    table = table[:next(i for i, line in enumerate(table) if line.startswith("  free: "))]
    assert len(table) >= 2 and len(set(map(len, table))) == 1, "\n".join(table)
    ends = [[match.end() for match in re.finditer(r"\S+", line)][-20:] for line in table]  # pages and 19 orders
    assert all(end == ends[0] for end in ends), "\n".join(table)


def test_more_than_can_be_simulated_is_said():
    result = run(text="7 0x100000 65280 0xf\n7 0x400000000000 65536 0xf\n")
    assert result.returncode == 1
    assert "regions: " in result.stdout
    assert "no page allocator: RAM ends at 0x400010000000, and only 64 TiB can be simulated" in result.stdout
    assert "64 TiB" in run("--help").stdout
