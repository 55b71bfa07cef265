#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Boots Strata with nobody typing but this script, keeps what it says, and judges it: `make dump`.

Writes BUILD/dump.txt (the serial output) and BUILD/dump.jsonl (the records). Exit status 0: it reached the prompt, its
checks hold, every byte is accounted for, and it powered off. The machine is chosen as for `make run`; TIMEOUT= seconds.
"""

import os
import sys
from pathlib import Path

from machine import Unusable
from records import Dump, extract, judge, Defect
from run import attach_volume, from_environment, keep_map, number
from session import BOOTED, Failure, Session, start_from_uboot


# An error with the firmware's status behind it is the loader's last word.
LOADER_GAVE_UP = r"^strata: error: .* \([A-Z][A-Za-z ]+, \d+\)$|^strata: cannot start: .*$"


def boot(machine, build, timeout):
    """Boots, asks for checks and records, powers off. Returns (what it said, what went wrong)."""
    session = None
    try:
        show = lambda text: print(text, end="", flush=True)
        with Session(machine, build / "dump/dump.serial", timeout, on_text=show) as session:
            if machine.firmware == "uboot":
                start_from_uboot(session)
            refusal = session.expect(rf"{LOADER_GAVE_UP}|^{BOOTED}$", timeout, "the prompt")[0]
            if refusal != BOOTED:
                return session.text, [f"the loader gave up: {refusal}"]
            session.booted = True
            session.prompt(timeout)
            session.command("check")
            session.on_text = None  # records are for programs
            session.command("dump json", 120)
            session.send("poweroff\r")
            session.wait(20)
            return session.text, []
    except Failure as why:
        return session.text if session else "", [str(why)]


def main(build):
    timeout = number("TIMEOUT", 180, float, 1)
    machine = from_environment()
    machine.command()  # what is wrong with it is said before anything is made
    print(machine.remark(), end="", flush=True)
    attach_volume(machine, build, os.environ.get("ARGS", ""), build / "dump")
    text, wrong = boot(machine, build, timeout)
    keep_map(machine, build / "dump")
    (build / "dump.txt").write_text(text)
    try:
        records = extract(text)
        (build / "dump.jsonl").write_text("".join(f"{line}\n" for line, _ in records))
    except Defect:
        (build / "dump.jsonl").unlink(missing_ok=True)
    wrong = wrong or judge(text)
    print()
    if wrong:
        print("\n".join(f"dump: {sentence}" for sentence in wrong))
        print(f"dump: FAILED; all that it said is in {build}/dump.txt")
        return 1
    dump = Dump(records)
    free, ram = dump.ledger["free"], dump.ram_bytes()
    print(f"dump: ok, {len(records)} records; free {free >> 10} KiB of {ram >> 10} KiB that the firmware gives up "
          f"({100 * free / ram:.2f} %), unaccounted 0; see {build}/dump.txt, {build}/dump.jsonl")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1])))
    except Unusable as why:
        sys.exit(f"dump: {why}")
    except KeyboardInterrupt:
        sys.exit(f"\ndump: interrupted; what it said is in {sys.argv[1]}/dump/dump.serial")
