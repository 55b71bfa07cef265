// SPDX-License-Identifier: MIT
// `badram=`: ranges of memory that must not be touched, in the three ways people have them.
//
//    badram=64K$0x12340000            size$start, as Linux' memmap= has it
//    badram=0x12340000-0x12350000     begin-end, the end not included
//    badram=0x12340000,0xffff0000     address,mask, as GRUB's badram and memory testers have it:
//                                     bad is what equals the address in the mask's bits
//
// Several are separated by commas; numbers are parser_size's. Ranges are rounded outward to whole
// pages. A pair that names a single place is a range; one that names many waits for the firmware's
// map (badram_pattern.h).
#include "parse.h"

#include <string.h>

struct list {
    struct parser *parser;
    const char *at, *end;
    struct boot_badram ranges[BOOT_BADRAM_MAX];
    uint32_t count;
    struct badram_pattern patterns[BOOT_BADRAM_MAX];
    uint32_t pattern_count;
};

static bool read_number(struct list *list, uint64_t *out) {
    return parser_size(list->parser, "badram", &list->at, list->end, out);
}

// Adds [begin, begin + bytes), rounded outward.
static bool add(struct list *list, const char *at, uint64_t begin, uint64_t bytes) {
    if (bytes == 0) {
        parser_wrong(list->parser, at, "badram: the range is empty");
        return false;
    }
    if (begin >= BADRAM_PHYSICAL_LIMIT || bytes > BADRAM_PHYSICAL_LIMIT - begin) {
        parser_wrong(list->parser, at, "badram: the range ends beyond what a CPU can address");
        return false;
    }
    if (list->count == BOOT_BADRAM_MAX) {
        parser_wrong(list->parser, at, "badram: more than %u ranges", BOOT_BADRAM_MAX);
        return false;
    }
    list->ranges[list->count++] = (struct boot_badram){
        paddr(align_down(begin, PAGE_SIZE)),
        paddr(align_up(begin + bytes, PAGE_SIZE)),
    };
    return true;
}

static bool add_pattern(struct list *list, const char *at, uint64_t address, uint64_t mask) {
    struct badram_pattern pattern = badram_pattern(address, mask);
    if (badram_is_range(&pattern)) {
        return add(list, at, pattern.address, badram_place_bytes(&pattern));
    }
    if (pattern.address >= BADRAM_PHYSICAL_LIMIT) {
        parser_wrong(list->parser, at, "badram: the pattern lies beyond what a CPU can address");
        return false;
    }
    if (list->pattern_count == BOOT_BADRAM_MAX) {
        parser_wrong(list->parser, at, "badram: more than %u patterns", BOOT_BADRAM_MAX);
        return false;
    }
    list->patterns[list->pattern_count++] = pattern;
    return true;
}

static bool take_item(struct list *list) {
    const char *start = list->at;
    uint64_t first, second;
    if (!read_number(list, &first)) {
        return false;
    }
    char separator = '\0';
    if (list->at < list->end) {
        separator = *list->at;
    }
    if (separator != '$' && separator != '-' && separator != ',') {
        parser_wrong(list->parser, list->at,
                     "badram: expected size$start, begin-end, or address,mask");
        return false;
    }
    list->at++;
    if (!read_number(list, &second)) {
        return false;
    }
    if (separator == '$') {
        return add(list, start, second, first);
    }
    if (separator == '-') {
        return add(list, start, first, second > first ? second - first : 0);
    }
    return add_pattern(list, start, first, second);
}

bool badram_apply(struct parser *parser, const struct word *word) {
    struct list list = {
        .parser = parser, .at = word->value, .end = word->value + word->value_length};
    for (;;) {
        if (!take_item(&list)) {
            return false;
        }
        if (list.at == list.end) {
            break;
        }
        if (*list.at != ',') {
            parser_wrong(parser, list.at, "badram: expected ',' and another range");
            return false;
        }
        list.at++;
    }
    struct boot_options *options = &parser->options->boot;
    memset(options->badram, 0, sizeof(options->badram));
    memcpy(options->badram, list.ranges, list.count * sizeof(list.ranges[0]));
    options->badram_count = list.count;
    memcpy(parser->options->patterns, list.patterns, list.pattern_count * sizeof(list.patterns[0]));
    parser->options->pattern_count = list.pattern_count;
    return true;
}
