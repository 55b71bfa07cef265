# SPDX-License-Identifier: MIT
"""esp/flash on a machine made of files: a disk sda with the system, a stick sdb. No real device is ever named."""

import importlib.machinery
import importlib.util
import os
import subprocess
from pathlib import Path

import pytest

FLASH = Path(__file__).resolve().parents[2] / "esp/flash"
IMAGE_BYTES = 1 << 20
STICK_BYTES = 4 << 20


class FakeMachine:
    def __init__(self, root):
        self.root = root
        for folder in ("dev", "sys/class/block", "proc/self", "run/udev/data"):
            (root / folder).mkdir(parents=True)
        self.image = root / "strata.img"
        self.image.write_bytes(os.urandom(IMAGE_BYTES))
        self.mounts = []
        self.disk("sda", "8:0", removable=0, size=1 << 30, parts=1)
        self.mount("8:1", "/", "/dev/sda1")
        self.stick = self.disk("sdb", "8:16", removable=1, size=STICK_BYTES, parts=2)
        self.write("proc/swaps", "Filename Type Size Used Priority\n")

    def write(self, path, text):
        path = self.root / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(text))

    def disk(self, name, number, removable, size, parts):
        place = f"sys/devices/block/{name}"
        self.write(f"{place}/dev", number)
        self.write(f"{place}/removable", removable)
        self.write(f"{place}/ro", 0)
        self.write(f"{place}/size", size // 512)
        self.write(f"{place}/device/vendor", "Acme   ")
        self.write(f"{place}/device/model", "Stick of Doubt")
        self.link(name, place)
        major, minor = number.split(":")
        for part in range(1, parts + 1):
            self.write(f"{place}/{name}{part}/partition", part)
            self.write(f"{place}/{name}{part}/dev", f"{major}:{int(minor) + part}")
            self.write(f"{place}/{name}{part}/size", 2048)
            self.link(f"{name}{part}", f"{place}/{name}{part}")
        device = self.root / "dev" / name
        device.write_bytes(bytes(STICK_BYTES))
        return device

    def link(self, name, place):
        (self.root / "sys/class/block" / name).symlink_to(self.root / place)

    def mount(self, number, place, source):
        self.mounts.append(f"36 35 {number} / {place} rw,relatime shared:1 - vfat {source} rw")
        self.write("proc/self/mountinfo", "\n".join(self.mounts) + "\n")

    def flash(self, device="/dev/sdb", answer="yes\n", force=False, image=None):
        return subprocess.run([FLASH, *(["--force"] if force else []), image or self.image, device], input=answer,
                              capture_output=True, text=True, timeout=60,
                              env={**os.environ, "FLASH_ROOT": str(self.root)})

    def untouched(self):
        return not any(self.stick.read_bytes())


@pytest.fixture
def machine(tmp_path):
    return FakeMachine(tmp_path)


def refused(machine, result, *words):
    assert result.returncode != 0
    for word in words:
        assert word in result.stderr
    assert machine.untouched()


def test_shows_asks_writes_and_compares(machine):
    machine.write("run/udev/data/b8:17", "E:ID_FS_TYPE=vfat\nE:ID_FS_LABEL=HOLIDAY PHOTOS\n")
    result = machine.flash()
    assert result.returncode == 0, result.stderr
    assert "Acme Stick of Doubt, 4 MiB" in result.stdout
    assert 'sdb1: 1 MiB, vfat, "HOLIDAY PHOTOS"' in result.stdout
    assert "sdb2: 1 MiB" in result.stdout
    assert "Everything on" in result.stdout
    assert "read back and the same" in result.stdout
    written = machine.stick.read_bytes()
    assert written[:IMAGE_BYTES] == machine.image.read_bytes()
    assert not any(written[IMAGE_BYTES:])


@pytest.mark.parametrize("answer", ["no\n", "y\n", "\n", "YES PLEASE\n", ""])
def test_anything_but_yes_writes_nothing(machine, answer):
    result = machine.flash(answer=answer)
    assert result.returncode != 0
    assert "nothing was written" in result.stdout
    assert machine.untouched()


def test_force_skips_the_question(machine):
    result = machine.flash(answer="", force=True)
    assert result.returncode == 0, result.stderr
    assert "Type yes" not in result.stdout
    assert machine.stick.read_bytes()[:IMAGE_BYTES] == machine.image.read_bytes()


# Each of these is refused whether the question is skipped or not.
forced_or_not = pytest.mark.parametrize("force", [False, True])


@forced_or_not
def test_refuses_a_mounted_partition(machine, force):
    machine.mount("8:18", r"/media/my\040stick", "/dev/sdb2")
    refused(machine, machine.flash(force=force), "/dev/sdb2 is mounted at /media/my stick", "unmount")


@forced_or_not
def test_refuses_a_mounted_whole_disk(machine, force):
    machine.mount("8:16", "/mnt", "/dev/sdb")
    refused(machine, machine.flash(force=force), "/dev/sdb is mounted at /mnt")


@forced_or_not
def test_refuses_what_only_the_name_shows_to_be_mounted(machine, force):
    machine.mount("0:42", "/mnt", "/dev/sdb1")  # btrfs has device numbers of its own
    refused(machine, machine.flash(force=force), "/dev/sdb1 is mounted at /mnt")


@forced_or_not
def test_refuses_the_disk_of_the_root_file_system(machine, force):
    machine.write("sys/devices/block/sda/removable", 1)
    refused(machine, machine.flash("/dev/sda", force=force), "holds the root file system")


@forced_or_not
def test_refuses_the_root_file_system_behind_encryption(machine, force):
    machine.disk("dm-0", "253:0", removable=0, size=1 << 30, parts=0)
    machine.write("sys/devices/block/sdb/sdb2/holders/dm-0/dev", "253:0")
    machine.mount("253:0", "/", "/dev/mapper/root")
    refused(machine, machine.flash(force=force), "/dev/dm-0 holds the root file system")


@forced_or_not
def test_refuses_a_member_of_a_volume_that_is_not_mounted(machine, force):
    machine.disk("md0", "9:0", removable=0, size=1 << 30, parts=0)
    machine.write("sys/devices/block/sdb/holders/md0/dev", "9:0")
    refused(machine, machine.flash(force=force), "in use by md0")


@forced_or_not
def test_refuses_swap_space(machine, force):
    machine.write("proc/swaps", "Filename Type Size Used Priority\n/dev/sdb2 partition 1024 0 -2\n")
    refused(machine, machine.flash(force=force), "/dev/sdb2 is in use as swap space")


@forced_or_not
def test_refuses_a_disk_that_is_not_removable(machine, force):
    machine.write("sys/devices/block/sdb/removable", 0)
    refused(machine, machine.flash(force=force), "not removable")


@forced_or_not
def test_refuses_a_partition(machine, force):
    (machine.root / "dev/sdb1").write_bytes(bytes(STICK_BYTES))
    refused(machine, machine.flash("/dev/sdb1", force=force), "is a partition", "/dev/sdb")


@forced_or_not
def test_refuses_what_is_too_small(machine, force):
    machine.write("sys/devices/block/sdb/size", IMAGE_BYTES // 512 - 1)
    refused(machine, machine.flash(force=force), "too small")


@forced_or_not
def test_refuses_an_empty_card_reader(machine, force):
    machine.write("sys/devices/block/sdb/size", 0)
    refused(machine, machine.flash(force=force), "no medium")


@forced_or_not
def test_refuses_write_protection(machine, force):
    machine.write("sys/devices/block/sdb/ro", 1)
    refused(machine, machine.flash(force=force), "write-protected")


@forced_or_not
def test_refuses_other_sector_sizes(machine, force):
    machine.write("sys/devices/block/sdb/queue/logical_block_size", 4096)
    refused(machine, machine.flash(force=force), "sectors of 4096 bytes")


def test_refuses_a_device_that_does_not_exist(machine):
    refused(machine, machine.flash("/dev/sdq"), "does not exist")


def test_refuses_a_file_that_is_no_block_device(machine):
    (machine.root / "dev/notes.txt").write_text("mine")
    refused(machine, machine.flash("/dev/notes.txt"), "no block device of the name notes.txt")


def test_refuses_a_plain_file_on_the_real_machine(tmp_path):
    target = tmp_path / "file"
    target.write_bytes(bytes(1024))
    environment = {name: value for name, value in os.environ.items() if name != "FLASH_ROOT"}
    result = subprocess.run([FLASH, "--force", target, target], capture_output=True, text=True, env=environment)
    assert result.returncode != 0 and "not a block device" in result.stderr
    assert target.read_bytes() == bytes(1024)


def test_says_which_device_is_wanted(machine):
    refused(machine, machine.flash(""), "which device?", "USB=")


def test_follows_a_link_to_the_device(machine):
    (machine.root / "dev/disk").mkdir()
    (machine.root / "dev/disk/by-id").symlink_to(machine.root / "dev/sdb")
    assert machine.flash("/dev/disk/by-id").returncode == 0
    assert machine.stick.read_bytes()[:IMAGE_BYTES] == machine.image.read_bytes()


@pytest.mark.parametrize("damage, where", [(lambda data: data[:-1], IMAGE_BYTES - 1),
                                           (lambda data: data[:5] + bytes([data[5] ^ 1]) + data[6:], 5)])
def test_notices_a_stick_that_does_not_keep_what_is_written(machine, damage, where):
    loader = importlib.machinery.SourceFileLoader("flash", str(FLASH))
    flash = importlib.util.module_from_spec(importlib.util.spec_from_loader("flash", loader))
    loader.exec_module(flash)
    machine.stick.write_bytes(damage(machine.image.read_bytes()))
    with pytest.raises(flash.Refused, match=f"the first difference is at byte {where}"):
        flash.compare(machine.image, machine.stick)
