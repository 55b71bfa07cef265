// SPDX-License-Identifier: MIT
// `reserve=`: how much memory ordinary requests leave to those who cannot do without.
//
//    reserve=below4g:128M                below 4 GiB, for devices with 32 address lines
//    reserve=below16m:0,atomic:8M        several, separated by commas; 0 for none
//
// What is not named keeps the kernel's own choice. Amounts are rounded up to whole pages.
#include "parse.h"

#include <string.h>

struct reserve {
    const char *name;
    uint64_t most; // bytes
    size_t field;  // offset in struct boot_options
};

static const struct reserve reserves[] = {
    {"below16m", 16 * MIB, offsetof(struct boot_options, reserve_below_16m)},
    {"below4g", 4 * GIB, offsetof(struct boot_options, reserve_below_4g)},
    {"atomic", GIB, offsetof(struct boot_options, reserve_atomic)},
};
#define RESERVE_COUNT (sizeof(reserves) / sizeof(reserves[0]))

struct list {
    const char *at, *end;
    bool named[RESERVE_COUNT];
    uint64_t bytes[RESERVE_COUNT];
};

// Reads a name and its colon; RESERVE_COUNT when it is none.
static size_t take_name(struct list *list) {
    for (size_t i = 0; i < RESERVE_COUNT; i++) {
        size_t length = strlen(reserves[i].name);
        if ((size_t)(list->end - list->at) > length && list->at[length] == ':' &&
            memcmp(list->at, reserves[i].name, length) == 0) {
            list->at += length + 1;
            return i;
        }
    }
    return RESERVE_COUNT;
}

static bool take_item(struct parser *parser, struct list *list) {
    const char *start = list->at;
    size_t i = take_name(list);
    if (i == RESERVE_COUNT) {
        parser_wrong(parser, start, "reserve: expected below16m:SIZE, below4g:SIZE or atomic:SIZE");
        return false;
    }
    if (list->named[i]) {
        parser_wrong(parser, start, "reserve: %s is there twice", reserves[i].name);
        return false;
    }
    const char *number = list->at;
    if (!parser_size(parser, "reserve", &list->at, list->end, &list->bytes[i])) {
        return false;
    }
    if (list->bytes[i] > reserves[i].most) {
        parser_wrong(parser, number, "reserve: %s can be %u MiB at most", reserves[i].name,
                     (unsigned)(reserves[i].most / MIB));
        return false;
    }
    list->named[i] = true;
    return true;
}

bool reserve_apply(struct parser *parser, const struct word *word) {
    struct list list = {.at = word->value, .end = word->value + word->value_length};
    for (;;) {
        if (!take_item(parser, &list)) {
            return false;
        }
        if (list.at == list.end) {
            break;
        }
        if (*list.at != ',') {
            parser_wrong(parser, list.at, "reserve: expected ',' and another reserve");
            return false;
        }
        list.at++;
    }
    for (size_t i = 0; i < RESERVE_COUNT; i++) {
        uint64_t bytes = list.named[i] ? align_up(list.bytes[i], PAGE_SIZE) : BOOT_RESERVE_DEFAULT;
        memcpy((char *)&parser->options->boot + reserves[i].field, &bytes, sizeof(bytes));
    }
    return true;
}
