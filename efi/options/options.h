// SPDX-License-Identifier: MIT
// Boot options: `name=value`, separated by blanks or newlines.
//
//    # a comment, in a file
//    kaslr=off log=debug
//    run="ledger; check"
//
// A value with blanks stands in double quotes; there are no escapes. Whatever is wrong is reported
// with the place and what would have been right, and the rest is still taken: a mistake in an
// option never stops a boot. Of an option given twice the later counts. Pure.
#pragma once

#include "badram_pattern.h"
#include <strata/boot.h>

#define OPTIONS_KERNEL_MAX 200

struct options {
    struct boot_options boot;
    // What badram= names beside boot.badram, to be found in the firmware's map (badram_expand).
    struct badram_pattern patterns[BOOT_BADRAM_MAX];
    uint32_t pattern_count;
    uint32_t menu_seconds;           // how long a key is waited for; 0: not at all
    char kernel[OPTIONS_KERNEL_MAX]; // a file instead of the embedded kernel; "" for that
    char replay[OPTIONS_KERNEL_MAX]; // a file with the map of another machine; "" for none
};

enum options_source {
    OPTIONS_FILE,   // `#` begins a comment
    OPTIONS_LOADED, // LoadOptions: it does not
};

// Called with a sentence without a newline for each thing that is wrong:
//   "\strata.conf:3:7: unknown option 'kalsr'"
typedef void options_report(void *context, const char *sentence);

// What is in effect when nothing is said.
void options_init(struct options *options);

// Takes the options of `length` bytes of `text`, UTF-8. `name` is the source's in the reports.
// Returns how many words were wrong. `report` may be called any number of times.  O(length).
size_t options_parse(struct options *options, enum options_source source, const char *name,
                     const char *text, size_t length, options_report *report, void *context);

// The table of what there is, for help: NULL behind the last.
struct option_help {
    const char *name, *values, *help;
};
const struct option_help *options_help(size_t index);
