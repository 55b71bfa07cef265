// SPDX-License-Identifier: MIT
// `guard=`: the objects of one class or cache get pages of their own, with nothing mapped beside
// them.
//
//    guard=64               what kmalloc's class that serves 64 bytes hands out; 4K is 4096
//    guard=kmalloc-64       the same class by its name; any object cache has one
//    guard=large            kmalloc's objects of more than 64 KiB
//    guard=64:begin         at the begin of its pages: for what runs over the front
//    guard=off              none
//
// Which classes and caches there are the kernel knows, and says when there is no such one.
#include "parse.h"

#include <string.h>

static bool is_name_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

bool guard_apply(struct parser *parser, const struct word *word) {
    static const char begin[] = ":begin", end[] = ":end";
    const char *name = word->value, *stop = name + word->value_length, *at = name;
    while (at < stop && is_name_byte(*at)) {
        at++;
    }
    size_t length = (size_t)(at - name), rest = (size_t)(stop - at);
    bool at_begin = rest == sizeof(begin) - 1 && memcmp(at, begin, rest) == 0;
    bool at_end = rest == 0 || (rest == sizeof(end) - 1 && memcmp(at, end, rest) == 0);
    if (length == 0 || (!at_begin && !at_end)) {
        parser_wrong(parser, at,
                     "guard: expected off, or a size or the name of an object cache, "
                     "with :begin or :end behind it or not");
        return false;
    }
    struct boot_options *options = &parser->options->boot;
    if (length >= sizeof(options->guard)) {
        parser_wrong(parser, name, "guard: names have at most %zu bytes",
                     sizeof(options->guard) - 1);
        return false;
    }
    bool off = length == 3 && memcmp(name, "off", 3) == 0;
    memset(options->guard, 0, sizeof(options->guard));
    memcpy(options->guard, name, off ? 0 : length);
    options->guard_begin = at_begin && !off;
    return true;
}
