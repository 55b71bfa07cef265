// SPDX-License-Identifier: MIT
// Commands that watch the page allocator.
#include <mm/report.h>
#include <monitor/monitor.h>
#include <monitor/words.h>
#include <string.h>
#include <watch.h>

#define EVENTS_DEFAULT 4096
#define EVENTS_MOST    (UINT64_C(1) << 24)
#define SITES_SHOWN    64

static bool read_failing(const char *word, enum page_failing *failing) {
    for (unsigned i = PAGE_FAIL_NTH; i < PAGE_FAIL_COUNT_; i++) {
        if (strcmp(word, page_failing_name((enum page_failing)i)) == 0) {
            *failing = (enum page_failing)i;
            return true;
        }
    }
    return false;
}

static void inject(struct text *out, size_t count, char **arguments) {
    enum page_failing failing = PAGE_FAIL_NEVER;
    uint64_t n = 1, seed = 0;
    bool off = count == 1 && strcmp(arguments[0], "off") == 0;
    if (count == 0) {
        report_failures(out, strata.pages.watch);
        return;
    }
    if (!off && (count == 1 || !read_failing(arguments[0], &failing) ||
                 (count == 3 && failing != PAGE_FAIL_RANDOM))) {
        text_puts(out, "like this: inject nth 100, inject every 50, inject random 50, inject "
                       "random 50 SEED, inject off\n");
        return;
    }
    if (!off && (!monitor_number(out, "n", arguments[1], &n) ||
                 (count == 3 && !monitor_number(out, "seed", arguments[2], &seed)))) {
        return;
    }
    if (n == 0) {
        text_puts(out, "n counts from 1\n");
        return;
    }
    watch_fail(&strata, failing, n, seed);
    report_failures(out, strata.pages.watch);
}

// The owner of that name; PAGE_OWNER_COUNT_ when there is none.
static enum page_owner owner_named(const char *name) {
    unsigned owner = 0;
    while (owner < PAGE_OWNER_COUNT_ &&
           strcmp(name, page_owner_name((enum page_owner)owner)) != 0) {
        owner++;
    }
    return (enum page_owner)owner;
}

static void say_owners(struct text *out) {
    text_puts(out, "an owner is one of");
    for (unsigned i = 0; i < PAGE_OWNER_COUNT_; i++) {
        text_printf(out, " %s", page_owner_name((enum page_owner)i));
    }
    text_puts(out, "; leaks on begins to keep callers\n");
}

static void leaks(struct text *out, size_t count, char **arguments) {
    static struct page_site sites[SITES_SHOWN];
    struct page_site rest;
    enum page_owner owner = PAGE_OWNER_COUNT_;
    if (count == 1 && strcmp(arguments[0], "on") == 0) {
        text_puts(out, watch_callers(&strata) ? "callers are kept from now on\n"
                                              : "there is no memory to keep callers in\n");
        return;
    }
    if (count == 1) {
        owner = owner_named(arguments[0]);
        if (owner == PAGE_OWNER_COUNT_) {
            say_owners(out);
            return;
        }
    }
    if (strata.pages.watch == NULL || strata.watch.sites == NULL) {
        text_puts(out,
                  "callers are not kept: leaks on begins it, or the boot option debug=owner\n");
    }
    size_t found = page_sites(&strata.pages, owner, sites, SITES_SHOWN, &rest);
    report_sites(out, sites, found, &rest);
}

static void trace_on(struct text *out, uint64_t events) {
    if (events == 0 || events > EVENTS_MOST) {
        text_printf(out, "there can be 1 to %lu events\n", EVENTS_MOST);
    } else if (watch_record(&strata, &events)) {
        text_printf(out, "recording; the last %lu events will be kept, in ", events);
        text_size(out, strata.trace_pages * PAGE_SIZE);
        text_puts(out, "\n");
    } else {
        text_puts(out, "there is no memory for so many events\n");
    }
}

static void trace_dump(struct text *out) {
    if (strata.trace_pages == 0) {
        text_puts(out, "nothing is recorded: trace on begins it\n");
        return;
    }
    text_puts(out, "--- strata json ---\n");
    record_trace(out, &strata.watch);
    text_puts(out, "--- end ---\n");
}

static void trace(struct text *out, size_t count, char **arguments) {
    const char *what = count != 0 ? arguments[0] : "";
    uint64_t events = EVENTS_DEFAULT;
    if (strcmp(what, "on") == 0) {
        if (count == 1 || monitor_number(out, "events", arguments[1], &events)) {
            trace_on(out, events);
        }
    } else if (count > 1) {
        text_puts(out, "only trace on takes a number\n");
    } else if (strcmp(what, "dump") == 0) {
        trace_dump(out);
    } else if (count == 0 || strcmp(what, "off") == 0) {
        if (count != 0 && strata.pages.watch != NULL) {
            page_trace_stop(&strata.pages);
        }
        report_trace(out, strata.pages.watch);
    } else if (strcmp(what, "forget") == 0) {
        watch_forget(&strata);
        report_trace(out, strata.pages.watch);
    } else {
        text_puts(out, "like this: trace on, trace on 10000, trace off, trace dump, trace forget; "
                       "trace alone says how it stands\n");
    }
}

const struct monitor_command monitor_watch_commands[] = {
    {"inject", "[nth|every|random N|off]", "makes requests for memory fail", 0, 3, inject},
    {"leaks", "[OWNER|on]", "what is allocated, by who asked for it", 0, 1, leaks},
    {"trace", "[on [N]|off|dump|forget]", "records allocations, for strata-replay", 0, 2, trace},
    {0},
};
