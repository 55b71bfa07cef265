// SPDX-License-Identifier: MIT
// Where two maps differ: both are looked at between all of their boundaries. Descriptors that
// overlap count in the map's order; addresses beyond 2^52 are nobody's.
#include <monitor/diff.h>

#define ADDRESSES (UINT64_C(1) << 52)

struct side {
    bool there;
    uint32_t type;
    uint64_t attributes;
};

struct change {
    uint64_t begin, end;
    struct side before, after;
};

static uint64_t end_of(const struct efi_descriptor *entry) {
    uint64_t room = (ADDRESSES - entry->physical_start) / PAGE_SIZE;
    return entry->physical_start + (entry->pages < room ? entry->pages : room) * PAGE_SIZE;
}

// What `map` says of `at`, and where that may next be otherwise, if it is before `*until`.
static struct side look(const struct efi_map *map, uint64_t at, uint64_t *until) {
    struct side side = {0};
    uint64_t count = efi_map_count(map);
    for (uint64_t i = 0; i < count; i++) {
        struct efi_descriptor entry = efi_map_entry(map, i);
        if (entry.physical_start >= ADDRESSES) {
            continue;
        }
        uint64_t end = end_of(&entry);
        if (at >= entry.physical_start && at < end && !side.there) {
            side = (struct side){true, entry.type, entry.attributes};
        }
        uint64_t edge = at < entry.physical_start ? entry.physical_start : end;
        if (edge > at && edge < *until) {
            *until = edge;
        }
    }
    return side;
}

static bool same(const struct side *a, const struct side *b) {
    return a->there == b->there && a->type == b->type && a->attributes == b->attributes;
}

static void put_side(struct text *out, const struct side *side, bool attributes) {
    text_puts(out, side->there ? efi_type_name(side->type) : "nothing");
    if (attributes && side->there) {
        text_printf(out, " (attributes 0x%lx)", side->attributes);
    }
}

static void put_change(struct text *out, const struct change *change) {
    bool type =
        change->before.there == change->after.there && change->before.type == change->after.type;
    text_printf(out, "  [0x%016lx, 0x%016lx) ", change->begin, change->end);
    text_size(out, change->end - change->begin);
    text_puts(out, ": ");
    put_side(out, &change->before, type);
    text_puts(out, " -> ");
    put_side(out, &change->after, type);
    text_puts(out, "\n");
}

void diff_maps(struct text *out, const struct efi_map *before, const struct efi_map *after) {
    struct change change = {0};
    uint64_t changes = 0, bytes = 0;
    for (uint64_t at = 0; at < ADDRESSES;) {
        uint64_t until = ADDRESSES;
        struct side was = look(before, at, &until), is = look(after, at, &until);
        bool goes_on = change.end == at && same(&was, &change.before) && same(&is, &change.after);
        if (!same(&was, &is) && goes_on) {
            change.end = until;
        } else if (!same(&was, &is)) {
            if (changes++ != 0) {
                put_change(out, &change);
            }
            change = (struct change){at, until, was, is};
        }
        bytes += same(&was, &is) ? 0 : until - at;
        at = until;
    }
    if (changes != 0) {
        put_change(out, &change);
    }
    text_printf(out, "%lu ranges differ, ", changes);
    text_size(out, bytes);
    text_puts(out, "\n");
}
