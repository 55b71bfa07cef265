#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Draws what the benchmark measured: plot.py bench.json bench.svg

Upper panel: one line for each timed row, a logarithmic scale of time relative to Strata's: what lies right of the line
at 1 is slower than Strata. A bar ending in a small stroke says where Strata must be compared with a contestant: the
contestant's dot has to lie at or right of it. Lower panel: the share of free memory left in whole 2 MiB blocks.
"""

import json
import math
import sys
from xml.sax.saxutils import escape

# Colours that people with any kind of colour vision tell apart (the palette of Okabe and Ito).
PAGE_PEERS = {
    "list": ("L  list buddy, 64-byte frames", "#D55E00"),
    "array": ("A  array stack", "#0072B2"),
    "intrusive": ("S  intrusive stack", "#CC79A7"),
    "bitmap": ("B  bitmap, next-fit", "#E69F00"),
}
OBJECT_PEERS = {
    "mimalloc": ("mimalloc", "#D55E00"),
    "jemalloc": ("jemalloc", "#0072B2"),
    "glibc": ("glibc", "#E69F00"),
}
PEERS = {}  # those of the program whose numbers are drawn
STRATA = "#009E73"
INK, GREY, FAINT = "#222222", "#777777", "#E4E4E4"
LEFT, RIGHT, WIDTH, STEP = 250, 110, 1040, 26


class Picture:
    """Collects SVG elements."""

    def __init__(self):
        self.parts = []

    def line(self, x1, y1, x2, y2, colour=FAINT, width=1.0, dash=""):
        dash = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
                          f'stroke-width="{width}"{dash}/>')

    def dot(self, x, y, colour, radius=5.0):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}" stroke="white" '
                          f'stroke-width="1"/>')

    def bar(self, x, y, width, height, colour):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>')

    def text(self, x, y, text, colour=INK, size=13, anchor="start", weight="normal"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" font-size="{size}" text-anchor="{anchor}" '
                          f'font-weight="{weight}">{escape(text)}</text>')

    def write(self, path, height):
        with open(path, "w") as out:
            out.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
                      f'height="{height}" font-family="Helvetica, Arial, sans-serif">\n'
                      f'<rect width="{WIDTH}" height="{height}" fill="white"/>\n')
            out.write("\n".join(self.parts))
            out.write("\n</svg>\n")


def median(row, who):
    value = row["values"].get(who)
    return value["median"] if value and value["median"] else None


def nice_time(ns):
    """A time in a unit that reads well."""
    for unit, scale in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= scale:
            return f"{ns / scale:.3g} {unit}"
    return f"{ns:.3g} ns"


class Scale:
    """Maps ratios to x, logarithmically."""

    def __init__(self, low, high):
        self.low, self.high = math.floor(math.log10(low)), math.ceil(math.log10(high))

    def x(self, ratio):
        share = (math.log10(ratio) - self.low) / (self.high - self.low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def decades(self):
        return [10.0 ** k for k in range(self.low, self.high + 1)]


def ratios(row):
    own = median(row, "strata")
    return {who: median(row, who) / own for who in PEERS if own and median(row, who)}


def required(row):
    """For each contestant, how many times Strata's time its own must at least be."""
    return {bound["against"]: 1 / bound["limit"] for bound in row["bounds"]
            if bound["kind"] == "ratio" and bound["against"] in PEERS and bound["of"] == row["id"]}


def draw_legend(picture, y):
    x = LEFT
    picture.dot(x, y - 4, STRATA)
    picture.text(x + 10, y, "Strata", STRATA, weight="bold")
    x += 80
    for title, colour in PEERS.values():
        picture.dot(x, y - 4, colour)
        picture.text(x + 10, y, title)
        x += 30 + 7 * len(title)


def draw_axis(picture, scale, top, bottom):
    for decade in scale.decades():
        picture.line(scale.x(decade), top, scale.x(decade), bottom, STRATA if decade == 1 else FAINT,
                     2 if decade == 1 else 1)
        label = f"{decade:g}" if 0.001 < decade < 1e5 else f"10^{round(math.log10(decade))}"
        picture.text(scale.x(decade), bottom + 18, label, GREY, anchor="middle")
    picture.text(scale.x(1) - 8, top - 8, "faster than Strata", GREY, 12, "end")
    picture.text(scale.x(1) + 8, top - 8, "slower than Strata", GREY, 12)
    picture.text(WIDTH - RIGHT + 12, top - 8, "Strata", STRATA, 12, weight="bold")


def draw_row(picture, scale, row, y):
    picture.line(LEFT, y, WIDTH - RIGHT, y)
    picture.text(LEFT - 12, y + 4, row["title"], anchor="end")
    picture.text(WIDTH - RIGHT + 12, y + 4, nice_time(median(row, "strata")), STRATA)
    for who, ratio in required(row).items():
        colour = PEERS[who][1]
        picture.line(scale.x(1), y, scale.x(ratio), y, colour, 1, "2 3")
        picture.line(scale.x(ratio), y - 8, scale.x(ratio), y + 8, colour, 2)
    for who, ratio in ratios(row).items():
        picture.dot(scale.x(ratio), y, PEERS[who][1])
    picture.dot(scale.x(1), y, STRATA)


def draw_times(picture, rows, top):
    all_ratios = [ratio for row in rows for ratio in [*ratios(row).values(), *required(row).values(), 1]]
    scale = Scale(min(all_ratios), max(all_ratios) * 1.01)
    bottom = top + STEP * (len(rows) + 0.2)
    draw_axis(picture, scale, top, bottom)
    for number, row in enumerate(rows):
        draw_row(picture, scale, row, top + STEP * (number + 0.7))
    return bottom + 50


def draw_shares(picture, rows, top):
    """Bars from 0 to 1, one for each contestant in each row."""
    picture.text(LEFT, top, "share of the free memory in whole 2 MiB blocks", INK, 14, weight="bold")
    y, full = top + 22, WIDTH - LEFT - RIGHT
    for row in rows:
        begin = y
        for who, colour in [("strata", STRATA), *((who, colour) for who, (_, colour) in PEERS.items())]:
            if who not in row["values"]:
                continue
            value = row["values"][who]["median"]
            picture.bar(LEFT, y - 9, max(1.5, full * value), 11, colour)
            picture.text(LEFT + full * value + 6, y, f"{value:.3f}", GREY, 11)
            y += 15
        picture.text(LEFT - 12, begin + 2, row["after"], anchor="end")
        for bound in row["bounds"]:
            picture.line(LEFT + full * bound["limit"], begin - 12, LEFT + full * bound["limit"], y - 10, STRATA, 1.5)
        y += 14
    return y


def main():
    source, target = sys.argv[1:]
    with open(source) as file:
        record = json.load(file)
    objects = record["program"].endswith("objects")
    PEERS.update(OBJECT_PEERS if objects else PAGE_PEERS)
    arena = "" if objects else f"arena {record['arena_gib']:g} GiB, "
    picture = Picture()
    picture.text(20, 34, "kmalloc beside general allocators" if objects else "Page allocators on equal work", INK, 20,
                 weight="bold")
    picture.text(20, 56, f"time relative to Strata's, logarithmic; {arena}{record['machine']}, {record['pages']} "
                 f"pages, medians of {record['repeats']} repeats; strokes: what Strata must reach", GREY, 12)
    draw_legend(picture, 86)
    timed = [row for row in record["rows"] if row["time"] and median(row, "strata") and ratios(row)]
    y = draw_times(picture, timed, 128) if timed else 128
    after = {"mixed-share": "after mixed orders", "healing-share": "after healing"}
    shares = [{**row, "after": after[row["id"]]} for row in record["rows"] if row["id"] in after]
    if shares:
        y = draw_shares(picture, shares, y + 10)
    picture.write(target, round(y + 10))


if __name__ == "__main__":
    main()
