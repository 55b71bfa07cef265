# SPDX-License-Identifier: MIT
"""Reading a screenshot: the characters that its pixels are, found with the font that the kernel draws with."""

import importlib.util
import tempfile
from pathlib import Path

FONT = "/usr/share/consolefonts/FullGreek-VGA16.psf.gz"
WIDTH, HEIGHT = 8, 16

spec = importlib.util.spec_from_file_location("font", Path(__file__).parents[2] / "kernel/screen/font.py")
font = importlib.util.module_from_spec(spec)
spec.loader.exec_module(font)


class Screenshot:
    """What the screen shows now."""

    def __init__(self, session):
        with tempfile.NamedTemporaryFile(suffix=".ppm") as file:
            session.qmp("screendump", filename=file.name)
            data = Path(file.name).read_bytes()
        magic, width, height, _ = data.split(maxsplit=4)[:4]
        assert magic == b"P6"
        self.width, self.height = int(width), int(height)
        self.pixels = data[len(data) - self.width * self.height * 3:]
        self.scale = max(1, (self.width + 960) // 1920)
        self.columns = self.width // (WIDTH * self.scale)
        self.rows = self.height // (HEIGHT * self.scale)
        self.glyphs = {}
        for code, rows in sorted(font.read(FONT).items(), reverse=True):
            self.glyphs[bytes(rows)] = chr(code)  # of several the lowest, which is ASCII

    def pixel(self, x, y):
        at = (y * self.width + x) * 3
        return self.pixels[at:at + 3]

    def paper(self, column, row):
        """The colour behind a character."""
        return self.pixel(column * WIDTH * self.scale, row * HEIGHT * self.scale)

    def character(self, column, row):
        paper, rows = self.paper(column, row), bytearray()
        for y in range(HEIGHT):
            bits = 0
            for x in range(WIDTH):
                pixel = self.pixel((column * WIDTH + x) * self.scale, (row * HEIGHT + y) * self.scale)
                bits = bits << 1 | (pixel != paper)
            rows.append(bits)
        return self.glyphs.get(bytes(rows), "\ufffd")

    def text(self):
        """The rows of characters, without blanks at their ends."""
        return ["".join(self.character(column, row) for column in range(self.columns)).rstrip()
                for row in range(self.rows)]


def wrapped(text, columns):
    """Lines as a screen of so many columns shows them."""
    rows = []
    for line in text.split("\n"):
        rows += [line[at:at + columns].rstrip() for at in range(0, max(len(line), 1), columns)]
    return rows
