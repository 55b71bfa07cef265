#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Turns a console font of Debian's into the table that the kernel draws with: font.py FONT.psf.gz >font.c

The format is PSF 1, as the kbd project describes it: 0x36 0x04, a mode, the height; glyphs of one byte a row; then for
each glyph the code points that it stands for, in 16 bits each, ended by 0xffff (0xfffe begins sequences, which are
left out).
"""

import gzip
import struct
import sys

HEIGHT = 16


def read(path):
    """{code point: rows}."""
    data = gzip.open(path).read()
    if data[:2] != b"\x36\x04" or data[3] != HEIGHT:
        sys.exit(f"{path}: not a PSF 1 font of {HEIGHT} rows")
    count = 512 if data[2] & 1 else 256
    glyphs = [data[4 + i * HEIGHT:4 + (i + 1) * HEIGHT] for i in range(count)]
    font, glyph, sequence = {}, 0, False
    for (code,) in struct.iter_unpack("<H", data[4 + count * HEIGHT:]):
        if code == 0xFFFF:
            glyph, sequence = glyph + 1, False
        elif code == 0xFFFE:
            sequence = True
        elif not sequence:
            font.setdefault(code, glyphs[glyph])
    # The VGA's halves are 7 and 9 rows; what is composed of half blocks (a picture, a code for a camera) needs 8.
    half = HEIGHT // 2
    font[ord("▀")], font[ord("▄")] = b"\xff" * half + b"\0" * half, b"\0" * half + b"\xff" * half
    return font


def squares():
    """Code points from U+E000 on, which are nobody's: squares of 4 x 4 pixels, two beside one another and four rows of
    them. Bit 0 is the left one above, bit 1 the one to its right, bit 7 the last one."""
    half = {0: 0, 1: 0xF0, 2: 0x0F, 3: 0xFF}
    return {0xE000 + bits: [half[bits >> row // 4 * 2 & 3] for row in range(HEIGHT)] for bits in range(256)}


def main():
    font = {**read(sys.argv[1]), **squares()}
    missing = [hex(code) for code in (*range(0x20, 0x7F), *map(ord, "—…·█▀▄▌▐░▒▓─│┌┐└┘├┤┬┴┼")) if code not in font]
    if missing:
        sys.exit(f"{sys.argv[1]}: no glyphs for {' '.join(missing)}")
    print("// Made by kernel/screen/font.py.\n#include <screen/font.h>\n")
    print("const struct font_glyph font_glyphs[] = {")
    for code, rows in sorted(font.items()):
        if code >= 0x20:
            print(f"    {{0x{code:04x}, {{{', '.join(f'0x{row:02x}' for row in rows)}}}}},")
    print("};\nconst size_t font_count = sizeof(font_glyphs) / sizeof(font_glyphs[0]);")


if __name__ == "__main__":
    main()
