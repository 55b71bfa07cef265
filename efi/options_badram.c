// SPDX-License-Identifier: MIT
// `badram=`: ranges of memory that must not be touched, in the three ways people have them.
//
//    badram=64K$0x12340000            size$start, as Linux' memmap= has it
//    badram=0x12340000-0x12350000     begin-end, the end not included
//    badram=0x12340000,0xffff0000     address,mask, as GRUB's badram and memory testers have it:
//                                     bad is what equals the address in the mask's bits
//
// Several are separated by commas. A number is decimal or 0x…, with K, M, G or T behind it or not.
// Ranges are rounded outward to whole pages. A pair that names a single place is a range; one that
// names many waits for the firmware's map (badram_pattern.h).
#include "options_parse.h"

#include <string.h>

struct list {
    struct parser *parser;
    const char *at, *end;
    struct boot_badram ranges[BOOT_BADRAM_MAX];
    uint32_t count;
    struct badram_pattern patterns[BOOT_BADRAM_MAX];
    uint32_t pattern_count;
};

static int digit_of(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

static unsigned suffix_shift(char c) {
    switch (c) {
    case 'K':
    case 'k':
        return 10;
    case 'M':
    case 'm':
        return 20;
    case 'G':
    case 'g':
        return 30;
    case 'T':
    case 't':
        return 40;
    default:
        return 0;
    }
}

static bool read_number(struct list *list, uint64_t *out) {
    const char *start = list->at;
    unsigned base = 10;
    if (list->end - start > 2 && start[0] == '0' && (start[1] | 0x20) == 'x') {
        base = 16;
        list->at += 2;
    }
    const char *digits = list->at;
    uint64_t value = 0;
    bool overflow = false;
    while (list->at < list->end && (unsigned)digit_of(*list->at) < base) {
        overflow |= __builtin_mul_overflow(value, base, &value) ||
                    __builtin_add_overflow(value, (uint64_t)digit_of(*list->at), &value);
        list->at++;
    }
    if (list->at == digits) {
        parser_wrong(list->parser, start, "badram: expected a number, as 4096, 4K or 0x1000");
        return false;
    }
    unsigned shift = list->at < list->end ? suffix_shift(*list->at) : 0;
    list->at += shift != 0;
    if (overflow || value > UINT64_MAX >> shift) {
        parser_wrong(list->parser, start, "badram: the number does not fit 64 bits");
        return false;
    }
    *out = value << shift;
    return true;
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
