# SPDX-License-Identifier: MIT
"""What the boot tests share: where things are, and how a boot is judged."""

import os
import re
from pathlib import Path

import volume
from records import Dump, extract, judge
from session import Session

BUILD = Path(os.environ.get("STRATA_BUILD", "build")).resolve()
IMAGE = BUILD / "strata.img"
LOADER = BUILD / "esp/EFI/BOOT/BOOTX64.EFI"
KERNEL = BUILD / "kernel/strata.elf"


class Boot(Session):
    """A session that knows where its disk is."""

    disk = None

    def command(self, line, timeout=60):
        """As Session has it, unlocking first where that is needed."""
        answer = super().command(line, timeout)
        if re.match(r"\w+ is locked: ", answer):
            self.unlock()
            answer = super().command(line, timeout)
        return answer

    def volume_file(self, name):
        """A file of the volume as the guest left it, None when there is none."""
        return volume.read_from_image(self.disk, name)


def sound(session):
    """Asserts that the machine at the prompt holds together: its own checks, and everything that its records let us
    recompute. Returns the records."""
    session.command("check")
    session.command("dump json")
    defects = judge(session.text)
    assert not defects, "\n".join(defects)
    return Dump(extract(session.text))
