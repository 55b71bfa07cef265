# SPDX-License-Identifier: MIT
r"""\strata\map.txt: the firmware's map, and the findings and regions in the words of the boot report."""

import json
import re
import subprocess

import pytest

import volume
from harness import BUILD, IMAGE, sound
from session import start_from_uboot

TOOL = BUILD / "host/strata-map"
# What the kernel must read for itself, and so may say beyond the file.
KERNELS_OWN = {"ram-uncached-by-mtrr", "table-in-usable-memory", "bad-checksum", "bad-table", "window-in-ram",
               "ram-outside-nodes", "node-outside-ram", "memory-size"}
# The firmware takes and gives memory until the exit; then the kernel takes some for the page allocator.
CHANGING = {"usable", "bootsvc", "loader", "metadata"}


def plain(text):
    """The remarks of the file, without their signs."""
    return "".join(f"{line[1:].removeprefix(' ')}\n" for line in text.splitlines() if line.startswith("#"))


def section(text, heading):
    """The indented lines below the last line that begins with `heading`, and that line's number."""
    begin = [match for match in re.finditer(rf"^{heading}:(?: (\d+).*)?\n((?:  .*\n)*)", text, re.MULTILINE)][-1]
    return begin[2].splitlines(), int(begin[1] or 0)


def kept(regions):
    return [line for line in regions if line.split()[0] not in CHANGING]


def agree(session, text):
    """Asserts that the file and the serial line say the same; returns the file's findings."""
    said = session.text[session.text.index("firmware map:"):]
    report = plain(text)
    findings, count = section(report, "findings")
    assert count == len(findings)
    on_serial, _ = section(said, "findings")
    further = [line for line in on_serial if line not in findings]
    assert [line for line in on_serial if line in findings] == findings
    assert {line.split(": ")[1] for line in further} <= KERNELS_OWN
    regions, count = section(report, "regions")
    assert count == len(regions) > 3
    if not further:
        assert kept(regions) == kept(section(said, "regions")[0])
        assert kept(section(report, "by class")[0]) == kept(section(said, "by class")[0])
    assert text.endswith("\n# end\n")
    return findings


def with_odd_map(boot, pages, options="", **wanted):
    """A machine whose firmware claims so many free pages for ACPI as well; the loader is about to start."""
    driver = (BUILD / "test/boot/oddmap.efi").read_bytes()
    session = boot(firmware="uboot", files=[("oddmap.efi", driver)], writable=True, **wanted)
    start_from_uboot(session, str(pages), "oddmap.efi")
    session.expect(r"^=> ", 20)
    session.send(f"load virtio 0:1 1000000 EFI/BOOT/BOOTX64.EFI; setenv bootargs '{options}'; bootefi 1000000\r")
    return session


def tool_says(*arguments):
    result = subprocess.run([TOOL, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def left_by(session):
    session.close()
    return session.volume_file("strata/map.txt").decode()


@pytest.mark.parametrize("firmware", ["uboot", "ovmf"])
@pytest.mark.parametrize("options", ["", "kaslr=off badram=64K$0x1230000 acpi=keep"])
def test_the_file_says_what_the_serial_line_says(request, firmware, options):
    session = request.getfixturevalue(firmware)(options=options, writable=True)
    sound(session)
    text = left_by(session)
    agree(session, text)
    assert ("  bad " in text) == ("badram" in options)
    assert "# strata: direct map at " in text


def test_a_planted_defect(boot, tmp_path):
    session = with_odd_map(boot, 3)
    session.prompt()
    sound(session)
    text = left_by(session)
    findings = agree(session, text)
    overlaps = [line for line in findings if line.startswith("  warning: overlap: descriptors ")]
    assert len(overlaps) == 3 and all("kept as nvs, not as usable" in line for line in overlaps)
    for page in 0x2000000, 0x2002000, 0x2004000:
        assert any(f"both claim [{page:#x}, {page + 4096:#x}) (4 KiB)" in line for line in overlaps)
        assert f"#   nvs        [{page:#018x}, {page + 4096:#018x}) 4 KiB\n" in text
    # On a desk the same is said anew.
    (tmp_path / "map.txt").write_text(text)
    (tmp_path / "serial").write_text(session.text)
    anew = tool_says(tmp_path / "map.txt")
    assert section(anew, "findings")[0] == findings
    assert section(tool_says(tmp_path / "serial"), "findings")[0] == findings
    records = [[json.loads(line) for line in tool_says("--json", tmp_path / name).splitlines()]
               for name in ("map.txt", "serial")]
    stays = [[r for r in of if r["record"] == "region" and r["class"] not in CHANGING] for of in records]
    assert stays[0] == stays[1]


def test_a_very_long_map(boot, tmp_path):
    session = with_odd_map(boot, 2000, options="log=debug")
    (count,) = session.expect(r"^strata: .strata.map\.txt: \d+ bytes, (\d+) findings$").groups()
    session.expect("^firmware map: ")  # the kernel's word: the loader has gone
    text = left_by(session)
    findings, stated = section(plain(text), "findings")
    assert len(findings) == stated == int(count)
    assert sum("kept as nvs, not as usable" in line for line in findings) == 2000
    assert len([line for line in text.splitlines() if line.startswith("10 0x")]) == 2000
    (tmp_path / "map.txt").write_text(text)
    assert section(tool_says(tmp_path / "map.txt"), "findings")[0] == findings


def test_a_map_too_long_for_the_file(boot):
    session = with_odd_map(boot, 5000, options="log=debug")
    session.expect(r"^strata: .strata.map\.txt: \d+ bytes, 0 findings$")
    session.expect("^firmware map: ")
    text = left_by(session)
    assert len([line for line in text.splitlines() if not line.startswith("#")]) == 4096
    assert "\n# complete: no\n" in text and text.endswith("\n# end\n")
    assert "\n# findings: not here: the map is too long, see the boot report\n" in text


def test_another_machines_map_is_not_judged(uboot):
    session = uboot(options="replay=other.txt", files=[("other.txt", b"10 0x4000000 2 0xf\n7 0x4001000 9000 0xf\n")],
                    writable=True)
    sound(session)
    text = left_by(session)
    assert "overlap: descriptors" in session.text
    assert section(plain(text), "findings") == ([], 0)
    assert "\n# replay= is given: the kernel gets the map of another machine, and reports on that.\n" in text


def free_bytes(image):
    listing = subprocess.run(["mdir", "-i", f"{image}{volume.IMAGE_OFFSET}", "::"], capture_output=True, text=True,
                             check=True)
    return int(re.search(r"([\d ]+) bytes free", listing.stdout)[1].replace(" ", ""))


@pytest.mark.parametrize("firmware", ["uboot", "ovmf"])
def test_a_volume_with_little_room_has_the_map(request, firmware):
    filler = bytes(free_bytes(IMAGE) - {"uboot": 3072, "ovmf": 5632}[firmware])
    session = request.getfixturevalue(firmware)(files=[("filler", filler)], writable=True)
    dump = sound(session)
    cut = re.search(r"strata: warning: .strata.map\.txt is cut: (\d+) bytes of it are written \(", session.text)
    text = left_by(session)
    assert len(text) == int(cut[1]) and "# end" not in text
    assert len([line for line in text.splitlines() if not line.startswith("#")]) >= len(dump.efi) - 4


@pytest.mark.parametrize("firmware", ["uboot", "ovmf"])
def test_a_full_volume_boots(request, firmware):
    session = request.getfixturevalue(firmware)(files=[("filler", bytes(free_bytes(IMAGE)))], writable=True)
    sound(session)
    assert re.search(r"strata: warning: .strata.map\.txt is not written \(", session.text)
