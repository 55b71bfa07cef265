# SPDX-License-Identifier: MIT
"""Every way to start the loader: the UEFI shell, the network, QEMU's -kernel, Secure Boot; and what it leaves."""

import re
import shutil
import subprocess

import pytest

from harness import KERNEL, LOADER, sound
from records import number, union_bytes
from session import start_from_uboot

KEY = "/usr/share/ovmf/PkKek-1-snakeoil"


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


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    """A function that signs an EFI application with Debian's test key."""
    folder = tmp_path_factory.mktemp("key")
    subprocess.run(["openssl", "rsa", "-in", f"{KEY}.key", "-passin", "pass:snakeoil", "-out", folder / "key"],
                   check=True, capture_output=True)

    def sign(data):
        (folder / "in.efi").write_bytes(data)
        subprocess.run(["sbsign", "--key", folder / "key", "--cert", f"{KEY}.pem", "--output", folder / "out.efi",
                        folder / "in.efi"], check=True, capture_output=True)
        return (folder / "out.efi").read_bytes()
    return sign


def test_secure_boot_starts_the_signed_loader(ovmf, signed):
    sound(ovmf(firmware="snakeoil", files=[("EFI/BOOT/BOOTX64.EFI", signed(LOADER.read_bytes()))]))


def test_secure_boot_refuses_the_unsigned_loader(ovmf):
    session = ovmf(firmware="snakeoil", prompt=False)
    session.expect(r"Access Denied", 60)


def test_secure_boot_refuses_a_loader_changed_after_signing(ovmf, signed):
    data = bytearray(signed(LOADER.read_bytes()))
    data[data.find(KERNEL.read_bytes()) + 5000] ^= 1  # one bit of the kernel inside
    session = ovmf(firmware="snakeoil", prompt=False, files=[("EFI/BOOT/BOOTX64.EFI", bytes(data))])
    session.expect(r"Access Denied", 60)


def test_secure_boot_refuses_a_kernel_from_a_file(ovmf, signed):
    session = ovmf(firmware="snakeoil", prompt=False, options="kernel=test.elf",
                   files=[("EFI/BOOT/BOOTX64.EFI", signed(LOADER.read_bytes())), ("test.elf", KERNEL.read_bytes())])
    session.expect(r"strata: error: kernel .*Secure Boot is on", 60)


def test_secure_boot_runs_no_commands_from_a_file(ovmf, signed):
    session = ovmf(firmware="snakeoil", options='run="reserve 32M 33M; help"',
                   files=[("EFI/BOOT/BOOTX64.EFI", signed(LOADER.read_bytes()))])
    assert "strata: warning: run=: Secure Boot is on, and nobody signed" in session.text
    assert "strata> reserve" not in session.text
    sound(session)


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
