// SPDX-License-Identifier: MIT
// The live page tables held against what was promised about them. They are read as the CPU reads
// them (walk.h), not asked for; so what is found is a finding about Strata.
#pragma once

#include <state.h>

enum audit_rule {
    AUDIT_WRITABLE_EXECUTABLE, // a page that can be written and executed
    AUDIT_CODE_ALIAS,          // code that can be written through the direct map
    AUDIT_USER_BIT,            // a page of the kernel's half that user mode can reach
    AUDIT_CACHE_ALIAS,         // one frame mapped with two cache types
    AUDIT_MAPPED_FREE,         // a free frame mapped beside the direct map
    AUDIT_MAPPED_BAD,          // bad memory that is mapped
    AUDIT_TABLE_NOT_OWNED,     // a page table whose frame is not the page tables'
    AUDIT_RULE_COUNT_,
};

// "writable-executable", …: stable, used in records.
const char *audit_rule_name(enum audit_rule rule);

struct audit {
    uint64_t pages;                     // mapped, counted in pages of 4 KiB
    uint64_t tables;                    // with the root
    uint64_t broken[AUDIT_RULE_COUNT_]; // how often
    uint64_t first[AUDIT_RULE_COUNT_]; // the first place: a virtual address; a table's physical one
    uint64_t all_broken;
    bool no_execute; // without NX nothing can be said about what is executable
};

// Where W^X is broken: pages that can be written and executed (AUDIT_WRITABLE_EXECUTABLE), or code
// that can be written at another address (AUDIT_CODE_ALIAS).
struct audit_breach {
    enum audit_rule rule;
    vaddr_t begin, last; // of the pages that can be executed: the first and the last byte
    vaddr_t alias;       // AUDIT_CODE_ALIAS: where they can be written
};

// Called for each of these, in the order of their addresses.
typedef void audit_note(void *context, const struct audit_breach *breach);

// Walks the tables that this CPU uses. `note` may be NULL.
// O(mapped pages of any size + tables + frames allocated).
void audit_run(struct audit *audit, struct kernel *kernel, audit_note *note, void *context);

// "audit: ok, …" in one line, and a line for each rule that is broken.
void audit_report(struct text *out, const struct audit *audit);

// Both in one, with a line instead when the loader's tables are still in use.
void audit_print(struct text *out, struct kernel *kernel);

// {"record":"audit","rule":"user-bit","broken":0,"first":null}, one for each rule, and
// {"record":"audit-sum","pages":…,"tables":…,"broken":0,"no_execute":true}
void audit_records(struct text *out, const struct audit *audit);
