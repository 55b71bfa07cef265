# SPDX-License-Identifier: MIT
"""A machine to boot Strata on: which firmware, how much memory, which disk; and the QEMU command line that makes it.

Nothing here runs anything. `make run`, `make dump` and the boot tests all describe their machine with this class.
"""

import dataclasses
import os
import re
import shutil
from pathlib import Path

QEMU = os.environ.get("QEMU") or "qemu-system-x86_64"

# Where distributions put EDK2's firmware, Debian's first.
FIRMWARE_FOLDERS = ("/usr/share/OVMF", "/usr/share/edk2/x64", "/usr/share/qemu", "/opt/homebrew/share/qemu")

# name: what it is, and (code, variables) under the names that distributions give them.
FIRMWARE = {
    "ovmf": ("EDK2", [
        ("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"),
        ("OVMF_CODE.4m.fd", "OVMF_VARS.4m.fd"),
        ("edk2-x86_64-code.fd", "edk2-i386-vars.fd"),
    ]),
    "ovmf2m": ("EDK2, the older 2 MiB flash", [("OVMF_CODE.fd", "OVMF_VARS.fd")]),
    "secboot": ("EDK2 with SMM and Secure Boot, no keys enrolled", [("OVMF_CODE_4M.secboot.fd", "OVMF_VARS_4M.fd")]),
    "snakeoil": ("the same, Secure Boot on, trusting Debian's test key",
                 [("OVMF_CODE_4M.secboot.fd", "OVMF_VARS_4M.snakeoil.fd")]),
}
UBOOT = "/usr/lib/u-boot/qemu-x86_64/u-boot.rom"
FIRMWARES = (*FIRMWARE, "uboot")
DISKS = ("virtio", "esp", "sata", "usb", "usb2", "nvme", "ide", "none")
MACHINES = ("q35", "pc")
FIRMWARE_WANTS = 64 << 20  # memory that EDK2 and U-Boot are known to come up with


class Unusable(Exception):
    """This machine cannot be made; the message says why and what to do."""


def parse_size(text):
    """Bytes in "256M", "4G", "1T"; a bare number counts MiB, as QEMU has it."""
    match = re.fullmatch(r"(\d+)([KMGT]?)", text.strip().upper())
    size = int(match[1]) << {"K": 10, "M": 20, "": 20, "G": 30, "T": 40}[match[2]] if match else 0
    if not 1 << 20 <= size <= 1 << 48:
        raise Unusable(f"MEM={text}: expected a number with K, M, G or T, from 1M to 256T, such as 256M or 4G")
    return size


def find_firmware(name):
    """The (code, variables) files of `name`; for U-Boot (rom, None)."""
    if name == "uboot":
        if not Path(UBOOT).exists():
            raise Unusable(f"no {UBOOT}: install u-boot-qemu (`make deps`)")
        return Path(UBOOT), None
    if name not in FIRMWARE:
        raise Unusable(f"FIRMWARE={name}: expected one of {', '.join(FIRMWARES)}")
    folders = [os.environ["OVMF"]] if os.environ.get("OVMF") else FIRMWARE_FOLDERS
    for folder in map(Path, folders):
        for code, variables in FIRMWARE[name][1]:
            if (folder / code).exists() and (folder / variables).exists():
                return folder / code, folder / variables
    raise Unusable(f"no firmware for FIRMWARE={name} in {', '.join(map(str, folders))}: "
                   "install ovmf (`make deps`), or name the folder with OVMF=")


def check_choice(name, value, choices):
    if value not in choices:
        raise Unusable(f"{name}={value}: expected one of {', '.join(choices)}")


@dataclasses.dataclass
class Machine:
    memory: str = "256M"
    cpus: str = "1"  # as QEMU's -smp
    machine: str = "q35"
    firmware: str = "ovmf"
    disk: str = "virtio"  # how `volume` is attached
    memory_file: Path | None = None  # holds the guest's RAM for the host to look at or to change
    volume: Path | None = None  # a disk image, or for "esp" a folder that QEMU shows as a FAT disk
    writable: bool = False  # the guest's writes reach `volume` (always so for "esp")
    readonly: bool = False  # the guest sees a write-protected disk
    cpu: str = "max"
    accel: str = "tcg"
    numa: int = 0  # nodes, memory shared out evenly
    screen: bool = False
    uart: bool = True  # a serial port; without one whoever is connected to it hears nothing
    extra: list = dataclasses.field(default_factory=list)  # further arguments for QEMU

    def remark(self):
        """What a person should know before waiting for this machine; "" for nothing."""
        if parse_size(self.memory) < FIRMWARE_WANTS:
            return (f"MEM={self.memory}: with less than {FIRMWARE_WANTS >> 20}M the firmware may not come up, and not "
                    "say so.\n")
        return ""

    def command(self):
        """QEMU's arguments but for where serial port and monitor go."""
        if shutil.which(QEMU) is None:
            raise Unusable(f"no {QEMU}: install qemu-system-x86 (`make deps`), or name it with QEMU=")
        if not re.fullmatch(r"(\d+|\w+=\d+)(,\w+=\d+)*", self.cpus) or self.cpus.startswith("0"):
            raise Unusable(f"CPUS={self.cpus}: expected a number, or as QEMU's -smp has it: 4,sockets=2")
        check_choice("MACHINE", self.machine, MACHINES)
        check_choice("DISK", self.disk, DISKS)
        return [QEMU, "-nodefaults", "-no-reboot", "-accel", self.accel,
                *self._memory(), *self._processor(), *self._firmware(), *self._disk(), *self._screen(),
                "-device", "isa-debug-exit,iobase=0xf4,iosize=4", *self.extra]

    def _machine_options(self):
        # Secure Boot's variables are guarded by SMM.
        return f"{self.machine},smm=on" if self.firmware in ("secboot", "snakeoil") else self.machine

    def _memory(self):
        # reserve=off: a terabyte is address space; the host gives memory for what the guest touches. Only where there
        # is a need, for a host may be set up to refuse it (vm.overcommit_memory=2).
        size = parse_size(self.memory)
        nodes = max(self.numa, 1)
        if size % (nodes << 20):
            raise Unusable(f"NUMA={nodes}: {self.memory} cannot be shared out evenly in whole MiB")
        reserve = ",reserve=off" if size > 2 << 30 else ""
        args = ["-m", f"{size >> 20}M"]
        if self.memory_file is not None:
            args += ["-object", f"memory-backend-file,id=ram0,size={size},mem-path={self.memory_file},share=on"]
            return ["-machine", f"{self._machine_options()},memory-backend=ram0", *args]
        for node in range(nodes):
            args += ["-object", f"memory-backend-ram,id=ram{node},size={size // nodes}{reserve}"]
        if not self.numa:
            return ["-machine", f"{self._machine_options()},memory-backend=ram0", *args]
        for node in range(nodes):
            args += ["-numa", f"node,nodeid={node},memdev=ram{node}"]
        return ["-machine", self._machine_options(), *args]

    def _processor(self):
        cpu = self.cpu
        # QEMU's `max` has 40 physical address bits. More are slow (firmware maps all that could be addressed), so only
        # as many as it takes; and an AMD processor has a hole below 1 TiB, so RAM would not be contiguous.
        size = parse_size(self.memory)
        if cpu == "max" and size > 960 << 30:
            cpu = f"max,vendor=GenuineIntel,phys-bits={size.bit_length() + 1}"
        return ["-cpu", cpu, "-smp", self.cpus]

    def _firmware(self):
        code, variables = find_firmware(self.firmware)
        if variables is None:
            return ["-bios", str(code)]
        secure = "smm=on" in self._machine_options()
        # snapshot=on: every run starts with fresh variables.
        return [*(["-global", "driver=cfi.pflash01,property=secure,value=on"] if secure else []),
                "-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={code}",
                "-drive", f"if=pflash,format=raw,unit=1,snapshot=on,file={variables}"]

    def _disk(self):
        if self.disk == "none":
            return []
        source = f"fat:rw:{self.volume}" if self.disk == "esp" else str(self.volume)
        drive = f"if=none,id=disk,format=raw,file={source}"
        if self.readonly:
            drive += ",readonly=on"
        elif self.disk != "esp" and not self.writable:
            drive += ",snapshot=on"
        device = {
            "esp": ["virtio-blk-pci,drive=disk"],
            "virtio": ["virtio-blk-pci,drive=disk"],
            "usb": ["qemu-xhci", "usb-storage,drive=disk,removable=on"],
            "usb2": ["usb-ehci", "usb-storage,drive=disk,removable=on"],
            "nvme": ["nvme,drive=disk,serial=strata"],
            "ide": ["ide-hd,drive=disk"],
            "sata": ["ich9-ahci,id=sata", "ide-hd,drive=disk,bus=sata.0"],
        }[self.disk]
        return ["-drive", drive, *(word for name in device for word in ("-device", name))]

    def _screen(self):
        return ["-display", "gtk", "-device", "VGA"] if self.screen else ["-display", "none"]
