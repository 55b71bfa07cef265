# SPDX-License-Identifier: MIT
"""Every way to start the loader: the UEFI shell, the network, QEMU's -kernel, Secure Boot; and what it leaves."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import BUILD, KERNEL, LOADER, sound
from records import number, union_bytes
from session import start_from_uboot

KEY = "/usr/share/ovmf/PkKek-1-snakeoil"
TOP = Path(__file__).resolve().parents[2]


def test_from_the_shell_with_arguments(ovmf):
    session = ovmf(prompt=False, files=[("strata.efi", LOADER.read_bytes()), ("EFI/BOOT/BOOTX64.EFI", None)])
    session.expect(r"Press ESC in \d+ seconds|Shell> ", 60)
    session.send("\x1b")
    session.expect(r"Shell> ", 30)
    session.send("fs0:\\strata.efi kaslr=off acpi=keep\r")
    session.prompt()
    assert "runs at 0xffffffff80000000" in session.text
    assert sound(session).ledger["acpi-tables"] > 0


def test_through_kernel_with_append(ovmf):
    session = ovmf(disk="none", extra=["-kernel", str(LOADER), "-append", "kaslr=off acpi=keep"])
    assert "runs at 0xffffffff80000000" in session.text
    assert sound(session).ledger["acpi-tables"] > 0


def test_from_the_network(ovmf, tmp_path):
    shutil.copy(LOADER, tmp_path / "BOOTX64.EFI")
    session = ovmf(disk="none", timeout=180, extra=[
        "-netdev", f"user,id=net,tftp={tmp_path},bootfile=BOOTX64.EFI",
        "-device", "virtio-net-pci,netdev=net,romfile="])
    sound(session)


@pytest.fixture(scope="module", name="signed")
def fixture_signed(tmp_path_factory):
    """A function that signs Strata and a text of options with Debian's test key, as `make sign` does, and returns the
    files of the stick: {name: bytes}."""
    key = tmp_path_factory.mktemp("key") / "key.pem"
    subprocess.run(["openssl", "rsa", "-in", f"{KEY}.key", "-passin", "pass:snakeoil", "-out", key], check=True,
                   capture_output=True)

    def sign(options=""):
        folder = tmp_path_factory.mktemp("signed")
        (folder / "options").write_text(options)
        subprocess.run(["esp/sign", BUILD, key, f"{KEY}.pem", folder / "options", folder / "out"], check=True, cwd=TOP,
                       capture_output=True)
        tree = folder / "out/esp"
        return {str(path.relative_to(tree)): path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    return sign


BOOT_FILE, OPTIONS_FILE = "EFI/BOOT/BOOTX64.EFI", "strata.conf"


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


def test_secure_boot_starts_what_is_signed(ovmf, signed):
    session = ovmf(firmware="snakeoil", files=signed('kaslr=off run="check;reserve 32M 33M"\n').items())
    assert "Secure Boot on" in session.text
    assert "runs at 0xffffffff80000000" in session.text  # the options counted,
    assert re.search(r"^strata> check\s+check: ok$", session.text, re.MULTILINE)  # the commands among them too,
    # but for those that do more than look.
    assert re.search(r"^strata> reserve 32M 33M\s+reserve is locked: ", session.text, re.MULTILINE)
    sound(session)


def test_secure_boot_needs_no_options_file(ovmf, signed):
    files = {**signed("kaslr=off\n"), OPTIONS_FILE: None}
    session = ovmf(firmware="snakeoil", files=files.items())
    assert "runs at 0xffffffff80000000" in session.text


def test_secure_boot_refuses_the_unsigned_loader(ovmf):
    session = ovmf(firmware="snakeoil", prompt=False)
    session.expect(r"Access Denied", 60)


@pytest.mark.parametrize("part", ["loader", "kernel", "options"])
def test_secure_boot_refuses_a_loader_changed_after_signing(ovmf, signed, part):
    files = signed("kaslr=off # a mark\n")
    data = files[BOOT_FILE]
    places = {"loader": data.find(b"strata: the log is full"), "kernel": data.find(KERNEL.read_bytes()) + 5000,
              "options": data.find(b"kaslr=off # a mark")}
    assert places[part] > 0
    session = ovmf(firmware="snakeoil", prompt=False, files=[(BOOT_FILE, flipped(data, places[part]))])
    session.expect(r"Access Denied", 60)


def test_secure_boot_refuses_options_changed_after_signing(ovmf, signed):
    files = signed("# ours\nkaslr=on\n")
    files[OPTIONS_FILE] = b"# ours\nkaslr=off\n"
    session = ovmf(firmware="snakeoil", prompt=False, files=files.items())
    session.expect(r"strata: error: \\strata\.conf:2: Secure Boot is on, and from this line on the options are not", 60)


def test_secure_boot_refuses_a_kernel_from_a_file(ovmf, signed):
    files = {**signed("kernel=test.elf\n"), "test.elf": KERNEL.read_bytes()}
    session = ovmf(firmware="snakeoil", prompt=False, files=files.items())
    session.expect(r"strata: error: kernel .*Secure Boot is on", 60)


# What it leaves behind.

@pytest.mark.parametrize("firmware", ["uboot", "ovmf"])
def test_the_map_is_written_to_the_volume(request, firmware):
    session = request.getfixturevalue(firmware)(writable=True)
    dump = sound(session)
    session.close()
    text = session.volume_file("strata/map.txt").decode()
    lines = [line.split() for line in text.splitlines() if not line.startswith("#")]
    recorded = {(int(kind), int(start, 16), int(pages), int(flags, 16)) for kind, start, pages, flags in lines}
    at_exit = {(d["type"], number(d["start"]), d["pages"], number(d["attributes"])) for d in dump.efi}
    # Writing the file takes and gives back boot services' memory: only there may the two differ.
    assert union_bytes((start, pages) for _, start, pages, _ in recorded) == dump.described_bytes()
    assert {d for d in recorded if d[0] not in (3, 4, 7)} == {d for d in at_exit if d[0] not in (3, 4, 7)}


def test_record_off_writes_nothing(uboot):
    session = uboot("record=off", writable=True)
    session.close()
    assert session.volume_file("strata/map.txt") is None


@pytest.mark.parametrize("firmware", ["uboot", "ovmf"])
def test_a_read_only_volume_boots(request, firmware):
    session = request.getfixturevalue(firmware)(readonly=True)
    sound(session)


def test_the_machine_sees_no_errors(boot, tmp_path):
    """QEMU's log of what the guest did wrong to devices stays empty once the firmware is out of the way."""
    log = tmp_path / "errors"
    session = boot(firmware="uboot", extra=["-d", "guest_errors,unimp", "-D", str(log)])
    start_from_uboot(session)
    session.prompt()
    sound(session)
    session.close()
    assert log.read_text() == ""


def test_poweroff(uboot):
    session = uboot()
    session.send("poweroff\r")
    assert session.wait() == 0


def test_poweroff_on_ovmf(ovmf):
    session = ovmf()
    session.send("poweroff\r")
    assert session.wait() == 0


def test_reboot(uboot):
    session = uboot()
    session.send("reboot\r")
    assert session.wait() == 0  # -no-reboot turns it into an end
