// SPDX-License-Identifier: MIT
// Policy, rule by rule. Each one has a case in tests/boot/test_audit.py that breaks it on purpose.
#include <paging/audit.h>
#include <paging/fault.h>

// All that a rule needs to know.
struct search {
    struct audit *audit;
    struct kernel *kernel;
    struct walker walker;
    uint64_t direct, direct_end; // the direct map
    audit_note *note;            // NULL, or who wants to know of each breach of W^X
    void *context;
};

const char *audit_rule_name(enum audit_rule rule) {
    static const char *const names[AUDIT_RULE_COUNT_] = {
        "writable-executable", "code-alias", "user-bit",        "cache-alias",
        "mapped-free",         "mapped-bad", "table-not-owned",
    };
    return names[rule];
}

static void breaks(struct audit *audit, enum audit_rule rule, uint64_t place) {
    if (audit->broken[rule]++ == 0) {
        audit->first[rule] = place;
    }
    audit->all_broken++;
}

// The same for a rule of W^X: `run` can be executed and, at `alias`, written.
static void breaks_wx(struct search *search, enum audit_rule rule, const struct walk_run *run,
                      vaddr_t alias) {
    const struct audit_breach breach = {rule, run->begin, run->last, alias};
    breaks(search->audit, rule, run->begin.value);
    if (search->note != NULL) {
        search->note(search->context, &breach);
    }
}

static bool is_direct(const struct search *search, const struct walk_run *run) {
    return run->begin.value >= search->direct && run->begin.value < search->direct_end;
}

static uint64_t run_bytes(const struct walk_run *run) {
    return run->last.value - run->begin.value + 1;
}

// What the direct map has of [physical, physical + bytes): the first run from `*at` on, which is
// moved behind it.
static bool next_direct(const struct search *search, uint64_t *at, uint64_t end,
                        struct walk_run *run) {
    uint64_t from = search->direct + *at, last = search->direct + end - 1;
    if (*at >= end || last >= search->direct_end ||
        !walk_next(run, &search->walker, vaddr(from), vaddr(last))) {
        return false;
    }
    if (run->begin.value > last) {
        return false;
    }
    *at = run->last.value + 1 - search->direct;
    return true;
}

static void check_permissions(struct search *search, const struct walk_run *run) {
    const unsigned both = WALK_CAN_WRITE | WALK_CAN_EXECUTE;
    if (search->walker.no_execute && (run->permissions & both) == both) {
        breaks_wx(search, AUDIT_WRITABLE_EXECUTABLE, run, run->begin);
    }
    if ((run->permissions & WALK_BY_USER) != 0 && run->begin.value >> 63 != 0) {
        breaks(search->audit, AUDIT_USER_BIT, run->begin.value);
    }
}

// Against the direct map: what can be executed must not be writable there, and the cache types must
// agree.
static void check_against_direct(struct search *search, const struct walk_run *run) {
    uint64_t at = run->physical.value, end = at + run_bytes(run);
    // Read-only code of the kernel's; what is writable itself breaks another rule.
    bool code = search->walker.no_execute && run->permissions == WALK_CAN_EXECUTE;
    struct walk_run direct;
    while (next_direct(search, &at, end, &direct)) {
        if (code && (direct.permissions & WALK_CAN_WRITE) != 0) {
            breaks_wx(search, AUDIT_CODE_ALIAS, run, direct.begin);
        }
        if (direct.cache != run->cache) {
            breaks(search->audit, AUDIT_CACHE_ALIAS, run->begin.value);
        }
    }
}

// Against all that is mapped beside the direct map; for runs that are not write-back only, which
// are few.
static void check_against_others(struct search *search, const struct walk_run *run) {
    struct walk_run other;
    uint64_t begin = run->physical.value, end = begin + run_bytes(run);
    for (uint64_t at = 0; walk_next(&other, &search->walker, vaddr(at), vaddr(UINT64_MAX));) {
        uint64_t first = other.physical.value;
        if (!is_direct(search, &other) && first < end && begin < first + run_bytes(&other) &&
            other.cache != run->cache) {
            breaks(search->audit, AUDIT_CACHE_ALIAS, run->begin.value);
        }
        at = is_direct(search, &other) ? search->direct_end : other.last.value + 1;
        if (at == 0) {
            return;
        }
    }
}

static bool is_free(enum page_state state) {
    return state == PAGE_STATE_FREE || state == PAGE_STATE_CACHED;
}

static void check_frames(struct search *search, const struct walk_run *run) {
    for (uint64_t offset = 0; offset < run_bytes(run); offset += PAGE_SIZE) {
        pfn_t frame = pfn_of(paddr(run->physical.value + offset));
        enum page_state state = page_inspect(&search->kernel->pages, frame).state;
        if (is_free(state)) {
            breaks(search->audit, AUDIT_MAPPED_FREE, run->begin.value + offset);
        } else if (state == PAGE_STATE_BAD) {
            breaks(search->audit, AUDIT_MAPPED_BAD, run->begin.value + offset);
        }
    }
}

static void check_run(struct search *search, const struct walk_run *run) {
    search->audit->pages += run_bytes(run) / PAGE_SIZE;
    check_permissions(search, run);
    if (!is_direct(search, run)) {
        check_against_direct(search, run);
        check_frames(search, run);
        if (run->cache != 0) {
            check_against_others(search, run);
        }
    }
}

// Bad frames in the direct map: regions, and frames that were retired since.
static void check_bad(struct search *search, uint64_t begin, uint64_t end) {
    struct walk_run run;
    while (next_direct(search, &begin, end, &run)) {
        breaks(search->audit, AUDIT_MAPPED_BAD, run.begin.value);
    }
}

static void check_retired(struct search *search, uint64_t begin, uint64_t end) {
    for (uint64_t at = begin; at < end;) {
        struct page_info info = page_inspect(&search->kernel->pages, pfn(at));
        if (info.state == PAGE_STATE_BAD) {
            check_bad(search, at * PAGE_SIZE, (at + 1) * PAGE_SIZE);
        }
        bool block = info.state == PAGE_STATE_FREE || info.state == PAGE_STATE_ALLOCATED;
        at = block ? info.block.value + (UINT64_C(1) << info.order) : at + 1;
    }
}

static void check_all_bad(struct search *search) {
    const struct memmap *map = &search->kernel->map;
    for (size_t i = 0; i < map->region_count; i++) {
        const struct memory_region *region = &map->regions[i];
        if (region->class == MEMORY_BAD) {
            check_bad(search, region->begin.value, region->end.value);
        } else if (region->class == MEMORY_USABLE) {
            check_retired(search, pfn_of(region->begin).value, pfn_of(region->end).value);
        }
    }
}

static void check_table(void *context, paddr_t table, unsigned level) {
    struct search *search = context;
    (void)level;
    search->audit->tables++;
    struct page_info info = page_inspect(&search->kernel->pages, pfn_of(table));
    if (info.state != PAGE_STATE_ALLOCATED || info.owner != PAGE_OWNER_PAGE_TABLE) {
        breaks(search->audit, AUDIT_TABLE_NOT_OWNED, table.value);
    }
}

void audit_run(struct audit *audit, struct kernel *kernel, audit_note *note, void *context) {
    struct search search = {
        .audit = audit,
        .kernel = kernel,
        .walker = paging_walker(kernel),
        .direct = kernel->layout.areas[LAYOUT_AREA_DIRECT].begin.value,
        .direct_end = kernel->layout.areas[LAYOUT_AREA_DIRECT].end.value,
        .note = note,
        .context = context,
    };
    *audit = (struct audit){.no_execute = search.walker.no_execute};
    struct walk_run run;
    for (uint64_t at = 0; walk_next(&run, &search.walker, vaddr(at), vaddr(UINT64_MAX));) {
        check_run(&search, &run);
        at = run.last.value + 1;
        if (at == 0) {
            break;
        }
    }
    check_all_bad(&search);
    walk_tables(&search.walker, check_table, &search);
}

void audit_report(struct text *out, const struct audit *audit) {
    text_printf(out, "audit: %s, %lu pages mapped by %lu tables:",
                audit->all_broken == 0 ? "ok" : "FAILED", audit->pages, audit->tables);
    for (unsigned i = 0; i < AUDIT_RULE_COUNT_; i++) {
        text_printf(out, "%s %lu %s", i == 0 ? "" : ",", audit->broken[i],
                    audit_rule_name((enum audit_rule)i));
    }
    text_puts(out, audit->no_execute ? "\n" : "; without NX all of it can be executed\n");
    for (unsigned i = 0; i < AUDIT_RULE_COUNT_; i++) {
        if (audit->broken[i] != 0) {
            text_printf(out, "  %s: first at 0x%lx\n", audit_rule_name((enum audit_rule)i),
                        audit->first[i]);
        }
    }
}

void audit_print(struct text *out, struct kernel *kernel) {
    struct audit audit;
    if (!kernel->own_tables) {
        text_puts(out, "audit: none, the loader's page tables are in use\n");
        return;
    }
    audit_run(&audit, kernel, NULL, NULL);
    audit_report(out, &audit);
}

void audit_records(struct text *out, const struct audit *audit) {
    for (unsigned i = 0; i < AUDIT_RULE_COUNT_; i++) {
        text_printf(out, "{\"record\":\"audit\",\"rule\":\"%s\",\"broken\":%lu,\"first\":",
                    audit_rule_name((enum audit_rule)i), audit->broken[i]);
        text_printf(out, audit->broken[i] != 0 ? "\"0x%lx\"}\n" : "null}\n", audit->first[i]);
    }
    text_printf(out,
                "{\"record\":\"audit-sum\",\"pages\":%lu,\"tables\":%lu,\"broken\":%lu,"
                "\"no_execute\":%s}\n",
                audit->pages, audit->tables, audit->all_broken,
                audit->no_execute ? "true" : "false");
}
