# SPDX-License-Identifier: MIT
"""Booting in tests: `boot(...)` starts a machine with its own disk and logs, and ends it with the test.

    def test_something(boot):
        session = boot(memory="4G", firmware="ovmf", options="acpi=keep")
        session.prompt()
        sound(session)

Logs and disks stay in BUILD/test/boot/NAME-OF-THE-TEST. Boots marked `matrix` run in `make test-boot` only.
"""

import os
import re
import tempfile

import pytest

import volume
from faketpm import FakeTpm
from harness import BUILD, IMAGE, Boot
from machine import Machine
from session import start_from_uboot


def pytest_configure(config):
    config.addinivalue_line("markers", "matrix: a boot that `make test` leaves out and `make test-boot` runs")


def pytest_collection_modifyitems(config, items):
    if not os.environ.get("STRATA_MATRIX"):
        left_out = [item for item in items if item.get_closest_marker("matrix")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture
def boot(request):
    """A function that boots a machine; what it does not know goes to Machine."""
    folder = BUILD / "test/boot" / re.sub(r"[^\w.=-]+", "-", request.node.name).strip("-")
    folder.mkdir(parents=True, exist_ok=True)
    opened = []

    def start(options=None, files=(), timeout=120, fake_tpm=True, name="boot", **machine):
        """`options`: the text of strata.conf, None for the image as it is. `files`: (name, bytes) to put on the disk;
        None as bytes removes. `fake_tpm`: saves OVMF's search for a TPM (faketpm.py)."""
        machine.setdefault("firmware", "uboot")
        machine.setdefault("machine", "pc" if machine["firmware"] == "uboot" else "q35")
        wanted = Machine(**machine)
        disk = None
        if wanted.disk != "none" and wanted.volume is None:
            changed = options is not None or files or wanted.writable
            disk = volume.image_volume(IMAGE, folder / f"{name}.img", options, files) if changed else IMAGE
            wanted.volume = disk
        if fake_tpm and wanted.firmware != "uboot":
            socket_folder = tempfile.TemporaryDirectory(prefix="strata-tpm-")
            tpm = FakeTpm(f"{socket_folder.name}/socket")
            opened.extend([tpm.close, socket_folder.cleanup])
            wanted.extra = [*wanted.extra, *tpm.arguments]
        session = Boot(wanted, folder / f"{name}.serial", timeout)
        opened.append(session.close)
        session.disk = disk
        return session

    yield start
    for close in reversed(opened):
        close()
    for image in folder.glob("*.img"):
        image.unlink()  # the logs are what one wants to read afterwards


@pytest.fixture
def uboot(boot):
    """Boots on U-Boot, which takes a third of a second, up to the prompt; `arguments` become LoadOptions."""
    def start(arguments="", prompt=True, **wanted):
        session = boot(firmware="uboot", **wanted)
        start_from_uboot(session, arguments)
        if prompt:
            session.prompt()
        return session
    return start


@pytest.fixture
def ovmf(boot):
    """Boots on OVMF up to the prompt."""
    def start(prompt=True, **wanted):
        session = boot(**{"firmware": "ovmf", **wanted})
        if prompt:
            session.prompt()
        return session
    return start
