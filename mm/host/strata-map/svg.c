// SPDX-License-Identifier: MIT
// The picture: see svg.h.
//
// A row is 1 GiB, a column of it 1 MiB, so everything is a whole number. A column that holds
// several classes is divided as they divide its bytes, each at least one unit high. GiB after GiB
// that are all of one class are one row.
#include "svg.h"

#include "html.h"

#include <string.h>

#define COLUMNS      1024
#define COLUMN_BYTES (GIB / COLUMNS)
#define LEFT         250
#define ROW_HEIGHT   24
#define ROW_STEP     32
#define TOP          76
#define ROWS_MAX     64
#define LEGEND_STEP  20
#define LEGEND_PER   4 // entries side by side
#define NOTHING      MEMORY_CLASS_COUNT_

// The bytes of each class in each column of one row; the last: of no class.
struct row {
    uint32_t bytes[COLUMNS][MEMORY_CLASS_COUNT_ + 1];
};

static void add_region(struct row *row, uint64_t base, const struct memory_region *region) {
    uint64_t begin = region->begin.value > base ? region->begin.value - base : 0;
    uint64_t end = region->end.value - base < GIB ? region->end.value - base : GIB;
    while (begin < end) {
        uint64_t column = begin / COLUMN_BYTES;
        uint64_t stop = (column + 1) * COLUMN_BYTES;
        uint64_t part = (stop < end ? stop : end) - begin;
        row->bytes[column][region->class] += (uint32_t)part;
        begin += part;
    }
}

static void fill_row(struct row *row, const struct memmap *map, uint64_t base) {
    memset(row, 0, sizeof(*row));
    for (size_t i = 0; i < map->region_count; i++) {
        const struct memory_region *region = &map->regions[i];
        if (region->begin.value < base + GIB && region->end.value > base) {
            add_region(row, base, region);
        }
    }
    for (unsigned column = 0; column < COLUMNS; column++) {
        uint32_t left = (uint32_t)COLUMN_BYTES;
        for (unsigned class = 0; class < MEMORY_CLASS_COUNT_; class ++) {
            left -= row->bytes[column][class];
        }
        row->bytes[column][NOTHING] = left;
    }
}

// The class that the whole column is of; MEMORY_CLASS_COUNT_ + 1 for several.
static unsigned class_of_column(const struct row *row, unsigned column) {
    for (unsigned class = 0; class <= NOTHING; class ++) {
        if (row->bytes[column][class] == COLUMN_BYTES) {
            return class;
        }
    }
    return NOTHING + 1;
}

// The class of the whole row, alike.
static unsigned class_of_row(const struct row *row) {
    unsigned first = class_of_column(row, 0);
    for (unsigned column = 1; column < COLUMNS; column++) {
        if (class_of_column(row, column) != first) {
            return NOTHING + 1;
        }
    }
    return first;
}

static void put_rect(struct text *out, unsigned x, unsigned y, unsigned width, unsigned height,
                     unsigned class) {
    if (class < MEMORY_CLASS_COUNT_ && height != 0) {
        text_printf(out, "<rect class=\"%s\" x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\"/>\n",
                    memory_class_name((enum memory_class) class), LEFT + x, y, width, height);
    }
}

// The largest share at the bottom, each of the others at least a unit high above it.
static void put_mixed(struct text *out, const struct row *row, unsigned column, unsigned y) {
    uint32_t left[NOTHING + 1];
    unsigned bottom = y + ROW_HEIGHT;
    memcpy(left, row->bytes[column], sizeof(left));
    for (;;) {
        unsigned largest = NOTHING;
        for (unsigned class = 0; class < NOTHING; class ++) {
            largest = left[class] > (largest == NOTHING ? 0 : left[largest]) ? class : largest;
        }
        if (largest == NOTHING || bottom == y) {
            return;
        }
        unsigned height = (unsigned)(left[largest] * (uint64_t)ROW_HEIGHT / COLUMN_BYTES);
        height = height == 0 ? 1 : height;
        height = height > bottom - y ? bottom - y : height;
        bottom -= height;
        put_rect(out, column, bottom, 1, height, largest);
        left[largest] = 0;
    }
}

static void put_row(struct text *out, const struct row *row, unsigned y) {
    for (unsigned column = 0; column < COLUMNS;) {
        unsigned class = class_of_column(row, column);
        unsigned end = column + 1;
        if (class > NOTHING) {
            put_mixed(out, row, column, y);
        } else {
            while (end < COLUMNS && class_of_column(row, end) == class) {
                end++;
            }
            put_rect(out, column, y, end - column, ROW_HEIGHT, class);
        }
        column = end;
    }
}

static void put_label(struct text *out, uint64_t begin, uint64_t end, unsigned y) {
    text_printf(out, "<text class=\"mono\" x=\"%u\" y=\"%u\" text-anchor=\"end\">0x%lx", LEFT - 10,
                y + 17, begin);
    if (end - begin != GIB) {
        text_printf(out, " – 0x%lx", end);
    }
    text_puts(out, "</text>\n");
}

// Where the GiBs end that are as the one at `base`, which is all of one class, or of none.
static uint64_t alike_until(const struct memmap *map, uint64_t base, uint64_t ram_end) {
    for (size_t i = 0; i < map->region_count; i++) {
        const struct memory_region *region = &map->regions[i];
        if (region->end.value > base) {
            bool inside = region->begin.value <= base;
            return align_down(inside ? region->end.value : region->begin.value, GIB);
        }
    }
    return ram_end;
}

// All rows; where the last one ends. Without `out` they are only counted.
static unsigned put_rows(struct text *out, const struct memmap *map) {
    static struct row row;
    uint64_t ram_end = align_up(memmap_ram_end(map).value, GIB);
    unsigned y = TOP, rows = 0;
    for (uint64_t base = 0; base < ram_end && rows < ROWS_MAX; rows++, y += ROW_STEP) {
        fill_row(&row, map, base);
        unsigned class = class_of_row(&row);
        uint64_t end = class <= NOTHING ? alike_until(map, base, ram_end) : base + GIB;
        if (out != NULL) {
            put_label(out, base, end, y);
            text_printf(out,
                        "<rect class=\"empty\" x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\"/>\n",
                        LEFT, y, COLUMNS, ROW_HEIGHT);
            put_row(out, &row, y);
        }
        base = end;
    }
    return y;
}

static const char style[] =
    "<style>\n"
    "text{font:13px system-ui,\"Liberation Sans\",\"DejaVu Sans\",sans-serif;fill:#1c2026}\n"
    ".mono{font-family:ui-monospace,\"DejaVu Sans Mono\",monospace;font-size:12px}\n"
    ".title{font-size:17px;font-weight:600}.soft{fill:#5d6570}.paper{fill:#fff}\n"
    ".empty{fill:none;stroke:#d9dce0}.usable{fill:#a5dcc4}.bootsvc{fill:#a3c9f2}\n"
    ".loader{fill:#5b9be0}.acpi{fill:#b9a2ee}.special{fill:#f0b4d4}.unaccepted{fill:#ef9f58}\n"
    ".pmem{fill:#c4a274}.low{fill:#bcc3a2}.metadata{fill:#2f8094}.kernel{fill:#d9673c}\n"
    ".nvs{fill:#8458c8}.runtime{fill:#c04fa4}.reserved{fill:#b3b8be}.mmio{fill:#6a717b}\n"
    ".bad{fill:#d42c3a}\n"
    "@media (prefers-color-scheme:dark){text{fill:#e4e7eb}.soft{fill:#98a1ac}.paper{fill:#14171b}\n"
    ".empty{stroke:#343a43}.usable{fill:#2f6f58}.bootsvc{fill:#3d6796}.reserved{fill:#50565e}}\n"
    "</style>\n";

static void put_legend(struct text *out, const struct memmap *map, unsigned y) {
    unsigned entries = 0;
    for (enum memory_class class = 0; class < MEMORY_CLASS_COUNT_; class ++) {
        if (map->class_bytes[class] == 0) {
            continue;
        }
        unsigned x = entries % LEGEND_PER * (COLUMNS / LEGEND_PER);
        unsigned top = y + entries / LEGEND_PER * LEGEND_STEP;
        put_rect(out, x, top, 12, 12, class);
        text_printf(out, "<text x=\"%u\" y=\"%u\">%s, ", LEFT + x + 18, top + 11,
                    memory_class_name(class));
        text_size(out, map->class_bytes[class]);
        text_puts(out, "</text>\n");
        entries++;
    }
}

static uint64_t ram_bytes(const struct memmap *map) {
    uint64_t bytes = 0;
    for (enum memory_class class = 0; class < MEMORY_CLASS_COUNT_; class ++) {
        bytes += memory_class_is_ram(class) ? map->class_bytes[class] : 0;
    }
    return bytes;
}

void svg_write(struct text *out, const char *source, const struct memmap *map) {
    unsigned legend = put_rows(NULL, map) + 12;
    unsigned lines = (MEMORY_CLASS_COUNT_ + LEGEND_PER - 1) / LEGEND_PER;
    unsigned width = LEFT + COLUMNS + 20, height = legend + lines * LEGEND_STEP + 8;
    text_printf(out,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %u %u\" width=\"%u\" "
                "height=\"%u\" role=\"img\">\n<title>Physical memory of ",
                width, height, width, height);
    html_text(out, source);
    text_printf(out,
                "</title>\n%s<rect class=\"paper\" width=\"%u\" height=\"%u\"/>\n"
                "<text class=\"title\" x=\"%u\" y=\"32\">",
                style, width, height, LEFT);
    html_text(out, source);
    text_printf(out, "</text>\n<text class=\"soft\" x=\"%u\" y=\"54\">", LEFT);
    text_size(out, ram_bytes(map));
    text_printf(out,
                " of RAM in %zu regions, %zu finding%s. A row is 1 GiB, or several alike.</text>\n",
                map->region_count, map->finding_count + map->findings_dropped,
                map->finding_count == 1 ? "" : "s");
    put_rows(out, map);
    put_legend(out, map, legend);
    text_puts(out, "</svg>\n");
}
