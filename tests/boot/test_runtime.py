# SPDX-License-Identifier: MIT
"""The firmware's runtime services, called from the kernel's page tables: time, variables, reset; and when they fail."""

import datetime
import re

import pytest

from harness import sound


def clock(session):
    return datetime.datetime.strptime(session.command("time")[:19], "%Y-%m-%d %H:%M:%S")


def variables(session):
    return {line.split()[-1]: int(line.split()[2]) for line in session.command("efivars").splitlines()
            if " bytes  " in line}


@pytest.mark.parametrize("firmware", ["ovmf", "secboot"])
@pytest.mark.parametrize("mode", ["identity", "virtual"])
def test_time_and_variables(ovmf, firmware, mode):
    session = ovmf(firmware=firmware, options=f"runtime={mode}", extra=["-rtc", "base=2031-02-03T04:05:06"])
    report = session.command("runtime")
    assert {"identity": "physical", "virtual": "virtual"}[mode] + " addresses" in report
    assert re.search(r"memory: [1-9]\d* pages of code, [1-9]\d* of data, \d+ of registers; 0 refused", report)
    assert re.search(r"memory attributes table: [1-9]\d* entries applied; 0 pages are writable and executable", report)
    assert datetime.timedelta() <= clock(session) - datetime.datetime(2031, 2, 3, 4, 5) < datetime.timedelta(minutes=5)
    found = variables(session)
    assert {"BootOrder", "Boot0000", "ConOut", "SecureBoot", "PlatformLang"} <= found.keys()
    assert found["SecureBoot"] == 1  # byte
    contents = session.command("efivars PlatformLang")
    assert " 65 6e 00" in contents and "1 variables" in contents  # "en"
    assert "no variable is called Nothing" in session.command("efivars Nothing")
    # It is really there that the code runs.
    at = int(re.search(r"exception 14 \(page fault\), at (0x[0-9a-f]+)", session.command("runtime break"))[1], 16)
    assert (at >> 46 == 1) == (mode == "virtual")
    sound(session)


def test_uboot(uboot):
    """Its services say what they do not support, and nothing worse."""
    session = uboot()
    assert "no memory attributes table" in session.command("runtime")
    assert re.match(r"\d{4}-\d\d-\d\d |time: the firmware says: ", session.command("time"))
    assert re.search(r"variables \(n: kept|efivars: the firmware says: ", session.command("efivars"))
    sound(session)


@pytest.mark.parametrize("firmware", ["uboot", "ovmf"])
def test_a_fault_inside_is_survived(request, firmware):
    session = request.getfixturevalue(firmware)()
    answer = session.command("runtime break")
    assert re.search(r"error: the firmware failed in GetVariable: exception 14 \(page fault\), at 0x[0-9a-f]+: "
                     r"read of 0x0000000000000010, where nothing is mapped for it$", answer, re.MULTILINE)
    assert "error: runtime services are switched off" in answer
    for command in ("time", "efivars", "runtime break", "runtime"):
        assert "off: an exception happened inside of one" in session.command(command)
    sound(session)


def test_they_can_be_left_alone(uboot):
    session = uboot("runtime=off")
    (record,) = sound(session).of("runtime")
    assert (record["state"], record["calls"]) == ("untried", 0)
    assert session.command("runtime").strip() == "runtime services: off: runtime=off"
    assert "off: runtime=off" in session.command("time")
    (record,) = sound(session).of("runtime")
    assert (record["state"], record["why_off"], record["calls"]) == ("off", "runtime=off", 0)


@pytest.mark.parametrize("mode", ["identity", "virtual"])
@pytest.mark.parametrize("command", ["poweroff firmware", "reboot firmware"])
def test_power(ovmf, mode, command):
    session = ovmf(options=f"runtime={mode}")
    session.send(f"{command}\r")
    assert session.wait() == 0
    assert "firmware:" not in session.text.partition(f"strata> {command}")[2]


@pytest.mark.parametrize("way", ["keyboard", "port"])
def test_other_ways_to_reset(ovmf, way):
    session = ovmf()
    session.send(f"reboot {way}\r")
    assert session.wait() == 0


def test_wrong_words(uboot):
    session = uboot()
    assert "the ways are acpi firmware keyboard port" in session.command("reboot softly")
    assert "the ways are acpi firmware;" in session.command("poweroff keyboard")
    assert "runtime break" in session.command("runtime gently")
    sound(session)


def test_without_memory(uboot):
    """They are off for want of memory, take nothing meanwhile, and work when there is some again."""
    session = uboot()
    session.command("inject every 1")
    assert "off: there is no memory for their page tables" in session.command("time")
    session.command("inject every 3")
    session.command("time")
    session.command("inject off")
    assert "physical addresses" in session.command("runtime")
    sound(session)


@pytest.mark.parametrize("memory", ["256M", "6G"])
def test_uboot_goes_virtual(uboot, memory):
    """Its SetVirtualAddressMap is boot services' code: it is called before their memory is given back."""
    session = uboot("runtime=virtual", memory=memory)
    assert "runtime services: at virtual addresses" in session.text
    assert "virtual addresses" in session.command("runtime")
    assert re.search(r"variables \(n: kept|efivars: the firmware says: ", session.command("efivars"))
    at = int(re.search(r"exception 14 \(page fault\), at (0x[0-9a-f]+)", session.command("runtime break"))[1], 16)
    assert at >> 46 == 1
    sound(session)
