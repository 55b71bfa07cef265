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

from machine import Machine, Unusable
from volume import folder_volume, image_volume


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
        disk=want("DISK") or "esp",
        accel=want("ACCEL") or "tcg",
        cpu=want("CPU") or "max",
        numa=int(want("NUMA") or 0),
        screen=bool(want("SCREEN")),
        extra=shlex.split(want("QEMU_ARGS") or ""),
    )


def attach_volume(machine, build, options, folder):
    """Gives `machine` a fresh copy of the ESP tree, or of the image, with `options` in its strata.conf."""
    if machine.disk == "esp":
        machine.volume = folder_volume(build / "esp", folder / "esp", options)
    elif machine.disk != "none":
        machine.volume = image_volume(build / "strata.img", folder / "strata.img", options)
        machine.writable = True


def main():
    parser = argparse.ArgumentParser(description="boots Strata under QEMU")
    parser.add_argument("build", type=Path)
    parser.add_argument("--debug", action="store_true", help="wait for gdb")
    arguments = parser.parse_args()
    machine = from_environment()
    folder = arguments.build / "run"
    options = os.environ.get("ARGS", "")
    if arguments.debug:
        options = f"kaslr=off {options}"
        machine.extra += ["-S", "-gdb", "tcp:127.0.0.1:1234"]
    attach_volume(machine, arguments.build, options, folder)
    command = [*machine.command(), "-serial", "mon:stdio"]

    if os.environ.get("V"):
        print(shlex.join(command))
    print(f"Strata on {machine.memory} of {machine.machine}, firmware {machine.firmware}, files in {folder}. "
          "To leave: `poweroff` at the prompt, or Ctrl-A X.", flush=True)
    if arguments.debug:
        print("Waiting for the debugger. In another terminal, here:  gdb -x ovmf/debug.gdb", flush=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C belongs to the guest
    status = subprocess.run(command).returncode
    if status:
        # isa-debug-exit ends QEMU with (value << 1) | 1; anything else is QEMU's own trouble.
        print(f"\nQEMU ended with status {status}")
    return status


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Unusable as why:
        sys.exit(f"run: {why}")
