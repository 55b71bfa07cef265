// SPDX-License-Identifier: MIT
// `serial=`: which serial port the kernel talks over.
//
//    serial=auto              the one that the ACPI tables name, else COM1
//    serial=off               none
//    serial=com2              COM1 to COM4, where PCs have them
//    serial=port:0x3f8        at that I/O port
//    serial=memory:0xfe032000 with registers in memory, four bytes apart
#include "parse.h"

#include <string.h>

#define EXPECTED "expected auto, off, com1 to com4, port:NUMBER or memory:ADDRESS"

static bool is(const struct word *word, const char *text) {
    return word->value_length == strlen(text) && memcmp(word->value, text, strlen(text)) == 0;
}

static bool begins(const struct word *word, const char *text) {
    return word->value_length > strlen(text) && memcmp(word->value, text, strlen(text)) == 0;
}

static bool take_address(struct parser *parser, const struct word *word, const char *prefix,
                         uint64_t most, uint64_t *out) {
    const char *at = word->value + strlen(prefix), *end = word->value + word->value_length;
    uint64_t number;
    if (!parser_size(parser, "serial", &at, end, &number)) {
        return false;
    }
    if (at != end || number == 0 || number > most) {
        parser_wrong(parser, word->value, "serial=: that is no such address; %s", EXPECTED);
        return false;
    }
    *out = number;
    return true;
}

bool serial_apply(struct parser *parser, const struct word *word) {
    static const uint16_t ports[] = {0x3f8, 0x2f8, 0x3e8, 0x2e8};
    static const char *const names[] = {"com1", "com2", "com3", "com4"};
    struct boot_options *options = &parser->options->boot;
    uint64_t address = 0;
    uint32_t serial = BOOT_SERIAL_COUNT_;
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (is(word, names[i])) {
            serial = BOOT_SERIAL_PORT;
            address = ports[i];
        }
    }
    if (is(word, "auto") || is(word, "off")) {
        serial = is(word, "off") ? BOOT_SERIAL_OFF : BOOT_SERIAL_AUTO;
    } else if (begins(word, "port:")) {
        serial = BOOT_SERIAL_PORT;
        if (!take_address(parser, word, "port:", 0xfff8, &address)) {
            return false;
        }
    } else if (begins(word, "memory:")) {
        serial = BOOT_SERIAL_MEMORY;
        if (!take_address(parser, word, "memory:", (UINT64_C(1) << 52) - 1, &address)) {
            return false;
        }
    }
    if (serial == BOOT_SERIAL_COUNT_) {
        parser_wrong(parser, word->value, "serial='%.*s': %s",
                     (int)(word->value_length < 40 ? word->value_length : 40), word->value,
                     EXPECTED);
        return false;
    }
    options->serial = serial;
    options->serial_address = address;
    return true;
}
