# SPDX-License-Identifier: MIT
"""strata-map on what a real boot leaves behind: the raw serial log, the records, map.txt from the stick."""

import json
import subprocess

from harness import BUILD, sound
from records import extract

TOOL = BUILD / "host/strata-map"
KEPT = ("nvs", "runtime", "reserved", "mmio")


def machine_of(source):
    result = subprocess.run([TOOL, "--json", source], capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    return [json.loads(line) for line in result.stdout.splitlines()]


def descriptors(lines):
    return [line for line in lines if line["record"] == "efi"]


def kept(lines):
    return [(line["start"], line["end"], line["class"]) for line in lines
            if line["record"] == "region" and line["class"] in KEPT]


def account(lines, name):
    return next(int(line["bytes"], 16) for line in lines if line["record"] == "ledger" and line["account"] == name)


def test_what_a_boot_leaves_is_read(uboot, tmp_path):
    session = uboot(memory="5G", writable=True)
    sound(session)
    (tmp_path / "serial").write_bytes(session.text.encode())
    lines = [line for line, _ in extract(session.text)]
    (tmp_path / "records").write_text("".join(f"{line}\n" for line in lines))
    kernels = [json.loads(line) for line in lines]
    for name in "serial", "records":
        tools = machine_of(tmp_path / name)
        assert descriptors(tools) == descriptors(kernels), name
        assert kept(tools) == kept(kernels), name
        for total in "total", "described", "not-ram":
            assert account(tools, total) == account(kernels, total), (name, total)
        assert account(tools, "unaccounted") == 0
    session.send("poweroff\r")
    session.wait(30)
    (tmp_path / "map.txt").write_bytes(session.volume_file("strata/map.txt"))
    assert account(machine_of(tmp_path / "map.txt"), "described") == account(kernels, "described")
