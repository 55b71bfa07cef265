// SPDX-License-Identifier: MIT
// What a report of Strata's says beside its map: how many descriptors the map has, and what was
// found on the machine.
//
//    # descriptors: 57 of 48 bytes           \strata\map.txt        firmware map: 57 descriptors …
//    # findings: 1                           the serial line        findings: 1
//    #   warning: window-in-ram: GOP …                                warning: window-in-ram: GOP …
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct remarks {
    size_t announced; // descriptors; 0: nothing says
    char *findings;   // the last ones, a line "severity: rule: sentence" each; malloc'ed, or NULL
    size_t length, capacity;
    bool inside; // the findings
};

// Looks at a line, which ends before `end`.  O(its length).
void remarks_line(struct remarks *remarks, const char *begin, const char *end);

// A new map begins: what was found before belongs to another.
void remarks_forget_findings(struct remarks *remarks);
