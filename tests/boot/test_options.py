# SPDX-License-Identifier: MIT
"""Boot options, from the file and from whoever starts the loader: right ones work, wrong ones are named, none stops a
boot."""

import re

import pytest

from harness import sound
from records import PAGE
from volume import OPTIONS_FILE


def kernel_address(session):
    return int(re.search(r"runs at (0x[0-9a-f]+)", session.text)[1], 16)


def test_no_options_file(uboot):
    session = uboot(files=[(OPTIONS_FILE, None)])
    assert not re.search(r"strata: (warning|error)", session.text), session.text
    sound(session)


@pytest.mark.parametrize("content, sentence", [
    (b"# fine\nkalsr=off\n", r"\\strata.conf:2:1: unknown option 'kalsr'; known are kaslr"),
    (b"acpi=maybe\n", r"\\strata.conf:1:6: acpi='maybe': expected reclaim\|keep"),
    (b'run="help\n', r"\\strata.conf:1:\d+: "),
    (bytes(range(256)) * 4, r"\\strata.conf:\d+:\d+: "),
], ids=["unknown", "wrong-value", "open-quote", "binary"])
def test_a_wrong_options_file_is_named_and_the_boot_goes_on(uboot, content, sentence):
    session = uboot(options=content)
    assert re.search(sentence, session.text), session.text
    sound(session)


@pytest.mark.parametrize("content", [
    b"\xef\xbb\xbfkaslr=off\r\n", "\ufeffkaslr=off\r\n".encode("utf-16-le"), "\ufeffkaslr=off\n".encode("utf-16-be"),
], ids=["utf-8-mark", "utf-16-little", "utf-16-big"])
def test_an_options_file_of_any_editor(uboot, content):
    assert kernel_address(uboot(options=content)) == 0xFFFFFFFF80000000


@pytest.mark.parametrize("files", [[(OPTIONS_FILE, bytes(4 << 20))], [(OPTIONS_FILE, b"")],
                                   [(OPTIONS_FILE, b"kaslr=off " * 6000)]], ids=["4-MiB-of-nothing", "empty", "60-KiB"])
def test_an_options_file_of_any_size(uboot, files):
    sound(uboot(files=files))


def test_what_starts_the_loader_wins_over_the_file(uboot):
    assert kernel_address(uboot("kaslr=off", options="kaslr=on")) == 0xFFFFFFFF80000000


def test_wrong_load_options_are_named(uboot):
    session = uboot("quiet splash kaslr=off")
    assert re.search(r"load options:1:1: .*'quiet'", session.text), session.text
    assert kernel_address(session) == 0xFFFFFFFF80000000


def test_what_uboot_passes_by_itself_is_for_linux(boot):
    session = boot(firmware="uboot")  # nobody types anything
    session.prompt()
    assert "strata: load options: for Linux, not for us: ignored" in session.text
    assert "strata: warning" not in session.text


def test_the_loader_speaks_once(uboot):
    session = uboot()
    assert len(re.findall(r"strata: firmware: ", session.text)) == 1, session.text


def test_addresses_are_random(uboot):
    addresses = {kernel_address(uboot(name=f"boot{i}")) for i in range(4)}
    assert len(addresses) > 1
    assert all(address % (2 << 20) == 0 for address in addresses)


def test_options_shows_those_in_effect(uboot):
    session = uboot("reserve=below4g:8M,atomic:0 serial=port:0x3f8 pages=7", options="kaslr=off")
    said = session.command("options")
    for line in ("given: kaslr=off reserve=below4g:8M,atomic:0 serial=port:0x3f8 pages=7", "kaslr: off",
                 "  below 16 MiB: by how much is free", "  below 4 GiB: 8 MiB", "  for atomic requests: 0 bytes",
                 "serial port: at port 0x3f8, else COM1", "pages shown to nobody: 7 seconds each",
                 "map: this machine's"):
        assert f"{line}\n" in said, said


def test_badram_is_never_touched(uboot):
    dump = sound(uboot("badram=64K$0x4000000", memory="128M"))
    assert {"record": "region", "start": "0x4000000", "end": "0x4010000", "class": "bad"} in dump.regions


def test_reserves(uboot):
    session = uboot("reserve=below16m:1M,below4g:100M,atomic:5M", memory="5G")
    buddy = session.command("buddy")
    for line in ("below 16 MiB: 1 MiB of", "below 4 GiB: 100 MiB of", "for atomic requests: 5 MiB of"):
        assert f"reserve {line} " in buddy, buddy
    sound(session)


def test_a_reserve_that_is_not_there(uboot):
    session = uboot("reserve=atomic:1G", memory="256M")
    assert re.search(r"reserve=atomic: 1048576 KiB are asked for, \d+ are free there: \d+ are kept", session.text)
    assert "allocated" in session.command("alloc 3")
    sound(session)


def test_acpi_keep(uboot):
    kept = sound(uboot("acpi=keep kaslr=off", name="kept"))
    reclaimed = sound(uboot("kaslr=off", name="reclaimed"))
    (keep,), (give,) = kept.of("acpi"), reclaimed.of("acpi")
    assert keep["reclaimed"] == 0 and kept.ledger["acpi-tables"] == keep["pages"] * PAGE
    assert give["reclaimed"] > 0
    # The pages come back to the buddy, but for what the copies of the tables take; and boot services' pages with
    # tables in them need not stay either.
    gain = {account: reclaimed.ledger[account] - kept.ledger[account] for account in ("free", "acpi", "bootsvc")}
    assert gain["free"] == give["reclaimed"] * PAGE - gain["acpi"] - gain["bootsvc"]


def test_commands_run_before_the_prompt(uboot):
    session = uboot('run="ledger; check; nonsense"')
    for command in ("ledger", "check", "nonsense"):
        assert re.search(rf"^strata> {command}$", session.text, re.MULTILINE), session.text
    assert re.search(r"^check: ok", session.text, re.MULTILINE)
    assert 'no command is called "nonsense"' in session.text
