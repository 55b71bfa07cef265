#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Boots Strata under QEMU with its serial port on this terminal: `make run`, `make debug`.

What is wanted comes from the environment, as make hands it on: MEM, CPUS, ARGS (boot options), FIRMWARE, MACHINE,
ACCEL, CPU, DISK, NUMA, SCREEN, QEMU_ARGS; see ovmf/README.md.
"""

import argparse
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

from machine import QEMU, Machine, Unusable
from session import Failure, Session
from volume import folder_volume, image_volume, read_from_image

KERNEL_ADDRESS = 0xFFFFFFFF80000000  # where it runs without kaslr (efi/handover/layout.h)
GDB_PORT = 1234


def number(name, default, kind=int, least=0):
    """A number in the environment."""
    text = os.environ.get(name) or str(default)
    try:
        value = kind(text)
    except ValueError:
        value = least - 1
    if not least <= value < 1e9:  # not for NaN either
        raise Unusable(f"{name}={text}: expected a number{f' from {least} on' if least else ''}")
    return value


def words(name):
    """Arguments in the environment, quoted as for a shell."""
    text = os.environ.get(name) or ""
    try:
        return shlex.split(text)
    except ValueError as why:
        raise Unusable(f"{name}={text}: {str(why).lower()}") from None


def from_environment():
    """The machine that the environment asks for, without its disk."""
    want = os.environ.get
    firmware = want("FIRMWARE") or "ovmf"
    return Machine(
        memory=want("MEM") or "256M",
        cpus=want("CPUS") or "1",
        firmware=firmware,
        # U-Boot for QEMU knows the older machine only.
        machine=want("MACHINE") or ("pc" if firmware == "uboot" else "q35"),
        disk=want("DISK") or "virtio",
        accel=want("ACCEL") or "tcg",
        cpu=want("CPU") or "max",
        numa=number("NUMA", 0),
        screen=bool(want("SCREEN")),
        extra=words("QEMU_ARGS"),
    )


def attach_volume(machine, build, options, folder):
    """Gives `machine` a fresh copy of the image, or of the ESP tree, with `options` in its strata.conf."""
    folder.mkdir(parents=True, exist_ok=True)
    if machine.disk == "esp":
        machine.volume = folder_volume(build / "esp", folder / "esp", options)
    elif machine.disk != "none":
        machine.volume = image_volume(build / "strata.img", folder / "strata.img", options)
        machine.writable = True


def check_screen():
    """QEMU's windows are in a package of their own on Debian."""
    displays = subprocess.run([QEMU, "-display", "help"], capture_output=True, text=True).stdout.split()
    if "gtk" not in displays:
        raise Unusable("SCREEN=1: this QEMU has no window to show; on Debian, install qemu-system-gui")


def keep_map(machine, folder):
    """Takes the memory map that Strata left on its volume from there."""
    if machine.disk not in ("esp", "none"):
        content = read_from_image(machine.volume, "strata/map.txt")
        if content is not None:
            (folder / "map.txt").write_bytes(content)


def prepare_debug(machine, build, folder):
    """Makes `machine` wait for gdb, and writes where the symbols belong to symbols.gdb. The kernel's place is fixed
    by kaslr=off. The firmware chooses the loader's, the same on every boot of one machine: so boot it once to see."""
    print("Booting once to see where the firmware puts the loader …", flush=True)
    with Session(machine, folder / "look.serial", 60) as session:
        loader = session.expect(r"^strata: loader: at (0x[0-9a-f]+)")[1]
    (folder / "symbols.gdb").write_text(f"add-symbol-file {build}/kernel/strata.debug.elf -o {KERNEL_ADDRESS:#x}\n"
                                        f"add-symbol-file {build}/efi/BOOTX64.debug.efi -o {loader}\n")
    machine.extra += ["-S", "-gdb", f"tcp:127.0.0.1:{GDB_PORT}"]
    print("Waiting for the debugger. In another terminal, in this folder:\n"
          f"  gdb -x {folder}/symbols.gdb -x ovmf/debug.gdb", flush=True)


def main():
    parser = argparse.ArgumentParser(description="boots Strata under QEMU")
    parser.add_argument("build", type=Path)
    parser.add_argument("--debug", action="store_true", help="wait for gdb")
    arguments = parser.parse_args()
    machine = from_environment()
    folder = arguments.build / "run"
    options = os.environ.get("ARGS", "")
    if arguments.debug:
        options = f"kaslr=off log=debug {options}"
    if machine.screen:
        check_screen()
    attach_volume(machine, arguments.build, options, folder)
    if arguments.debug:
        prepare_debug(machine, arguments.build, folder)
    command = [*machine.command(), "-serial", "mon:stdio"]

    if os.environ.get("V"):
        print(shlex.join(command))
    print(machine.remark(), end="")
    print(f"Strata on {machine.memory} of {machine.machine}, firmware {machine.firmware}, files in {folder}. "
          "To leave: `poweroff` at the prompt, or Ctrl-A X.", flush=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C belongs to the guest
    status = subprocess.run(command).returncode
    keep_map(machine, folder)
    if status:
        # isa-debug-exit ends QEMU with (value << 1) | 1; anything else is QEMU's own trouble.
        print(f"\nQEMU ended with status {status}")
    return status


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Unusable, Failure) as why:
        sys.exit(f"run: {why}")
    except KeyboardInterrupt:
        sys.exit("\nrun: interrupted")
