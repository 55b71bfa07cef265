# SPDX-License-Identifier: MIT
"""`make run` and `make dump` as a person types them: what is wrong with the machine is said in a line, and a kernel
that stops ends the wait."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("STRATA_BUILD", ROOT / "build")).resolve()


def start(script, build, **environment):
    """Runs a script of ovmf/ on its own copy of nothing but the image: (status, stdout, stderr)."""
    for name in ("strata.img", "esp"):
        (build / name).symlink_to(BUILD / name)
    kept = {name: value for name, value in os.environ.items() if name not in ("MEM", "CPUS", "ARGS", "MAKEFLAGS")}
    done = subprocess.run([sys.executable, ROOT / "ovmf" / script, build], capture_output=True, text=True, timeout=150,
                          stdin=subprocess.DEVNULL, env={**kept, **environment}, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("script", ["run.py", "dump.py"])
@pytest.mark.parametrize("name, value, sentence", [
    ("NUMA", "two", "expected a number"),
    ("NUMA", "-1", "expected a number"),
    ("NUMA", "3", "cannot be shared out evenly"),
    ("MEM", "lots", "expected a number with K, M, G or T"),
    ("MEM", "4K", "expected a number with K, M, G or T"),
    ("MEM", "9999999T", "expected a number with K, M, G or T"),
    ("CPUS", "many", "expected a number, or as QEMU's -smp has it"),
    ("CPUS", "0", "expected a number, or as QEMU's -smp has it"),
    ("QEMU_ARGS", "-device 'e1000", "no closing quotation"),
    ("DISK", "floppy", "expected one of"),
    ("MACHINE", "isapc", "expected one of"),
    ("FIRMWARE", "bios", "expected one of"),
    ("QEMU", "qemu-system-none", "install qemu-system-x86"),
])
def test_a_machine_that_cannot_be(tmp_path, script, name, value, sentence):
    status, said, wrong = start(script, tmp_path, **{name: value})
    assert status == 1 and sentence in wrong, said + wrong
    assert len(wrong.splitlines()) == 1 and "Traceback" not in wrong


def test_too_little_memory_is_said(tmp_path):
    status, said, _ = start("dump.py", tmp_path, MEM="3M", TIMEOUT="60")
    assert status == 1
    assert said.startswith("MEM=3M: with less than 64M the firmware may not come up, and not say so.\n")
    assert "dump: FAILED" in said


@pytest.mark.parametrize("value", ["soon", "nan", "0", "-5", "1e99"])
def test_a_wrong_timeout(tmp_path, value):
    status, _, wrong = start("dump.py", tmp_path, TIMEOUT=value)
    assert status == 1 and wrong.splitlines() == [f"dump: TIMEOUT={value}: expected a number from 1 on"]


@pytest.mark.parametrize("arguments, sentence", [
    ('run="fault panic"', "dump: the kernel stopped"),
    ("kernel=none.elf", "dump: the loader gave up: strata: error: kernel \\none.elf: there is no such file"),
    ("badram=0-256M", "dump: the loader gave up: strata: error: not enough memory"),
], ids=["panic", "no-kernel", "no-memory"])
def test_a_machine_that_stops_is_not_waited_out(tmp_path, arguments, sentence):
    before = time.monotonic()
    status, said, wrong = start("dump.py", tmp_path, FIRMWARE="uboot", TIMEOUT="140", ARGS=arguments)
    assert status == 1 and sentence in said, said + wrong
    assert time.monotonic() - before < 120
    assert "Traceback" not in wrong


def default_interrupt():
    """What is started in the background of a script inherits that it ignores interrupts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupted_boot_says_so(tmp_path):
    (tmp_path / "strata.img").symlink_to(BUILD / "strata.img")
    with subprocess.Popen([sys.executable, ROOT / "ovmf/dump.py", tmp_path], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
                          preexec_fn=default_interrupt) as process:
        serial = tmp_path / "dump/dump.serial"
        until = time.monotonic() + 60
        while not (serial.exists() and serial.stat().st_size) and time.monotonic() < until:
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does for Ctrl-C
        wrong = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert wrong.strip() == f"dump: interrupted; what it said is in {serial}"
