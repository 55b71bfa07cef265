# SPDX-License-Identifier: MIT
"""The disk of one run: a copy of the ESP tree or of the image, with this run's options and files on it."""

import os
import shutil
import subprocess
from pathlib import Path

OPTIONS_FILE = "strata.conf"
IMAGE_OFFSET = "@@1M"  # where the partition begins (esp/build.mk)


def mtools(*command):
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True,
                   env={**os.environ, "MTOOLS_SKIP_CHECK": "1"})


def folder_volume(tree, folder, options=None, files=()):
    """Copies the ESP tree to `folder`. `options`: the text of its options file, None leaves it as it is. `files`:
    (name on the volume, bytes) to add; None as bytes removes the file."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(tree, folder)
    if options is not None:
        files = [(OPTIONS_FILE, options_bytes(options)), *files]
    for name, content in files:
        path = Path(folder) / name
        if content is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return Path(folder)


def image_volume(image, copy, options=None, files=()):
    """The same with a disk image."""
    copy = Path(copy)
    copy.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "--sparse=always", image, copy], check=True)
    if options is not None:
        files = [(OPTIONS_FILE, options_bytes(options)), *files]
    for name, content in files:
        if content is None:
            mtools("mdel", "-i", f"{copy}{IMAGE_OFFSET}", f"::/{name}")
            continue
        source = copy.with_suffix(".file")
        source.write_bytes(content)
        mtools("mcopy", "-Q", "-o", "-i", f"{copy}{IMAGE_OFFSET}", str(source), f"::/{name}")
        source.unlink()
    return copy


def read_from_image(image, name):
    """The bytes of the file `name` on the image's partition, None when there is none."""
    result = subprocess.run(["mtype", "-i", f"{image}{IMAGE_OFFSET}", f"::/{name}"], capture_output=True,
                            env={**os.environ, "MTOOLS_SKIP_CHECK": "1"})
    return result.stdout if result.returncode == 0 else None


def options_bytes(options):
    return options if isinstance(options, bytes) else (options + "\n").encode()
