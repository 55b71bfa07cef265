// SPDX-License-Identifier: MIT
// Commands about memory that is bad.
#include <memtest.h>
#include <monitor/monitor.h>

#define PASSES_MAX 1000

// Everything: no CPU addresses more.
#define PHYSICAL_END paddr(UINT64_C(1) << 52)

static bool read_range(struct text *out, size_t count, char **arguments, paddr_t *begin,
                       paddr_t *end) {
    if (!monitor_number(out, "begin", arguments[0], &begin->value)) {
        return false;
    }
    *end = paddr(begin->value + 1);
    if (count == 2 && !monitor_number(out, "end", arguments[1], &end->value)) {
        return false;
    }
    if (begin->value >= end->value || end->value > PHYSICAL_END.value) {
        text_puts(out, "the range is empty, or beyond all memory: END is the first address behind "
                       "it\n");
        return false;
    }
    return true;
}

static void badram(struct text *out, size_t count, char **arguments) {
    paddr_t begin, end;
    if (count == 0) {
        badram_report(out, &strata);
    } else if (read_range(out, count, arguments, &begin, &end)) {
        badram_retire(out, &strata, pfn_of(begin), pfn_of(paddr(align_up(end.value, PAGE_SIZE))));
    }
}

static void memtest(struct text *out, size_t count, char **arguments) {
    uint64_t passes = 1;
    paddr_t begin = paddr(0), end = PHYSICAL_END;
    if (count == 2) {
        text_puts(out, "like this: memtest, memtest 3, or memtest 1 16M 32M\n");
        return;
    }
    if (count >= 1 && !monitor_number(out, "passes", arguments[0], &passes)) {
        return;
    }
    if (passes == 0 || passes > PASSES_MAX) {
        text_printf(out, "there can be 1 to %d passes\n", PASSES_MAX);
        return;
    }
    if (count == 1 || count == 0 || read_range(out, 2, arguments + 1, &begin, &end)) {
        memtest_run(out, &strata, (unsigned)passes, begin, end);
    }
}

const struct monitor_command monitor_badram_commands[] = {
    {"badram", "[BEGIN [END]]", "bad memory: what is out; takes more out", 0, 2, badram},
    {"memtest", "[PASSES [BEGIN END]]", "tests free memory, takes out what is bad", 0, 3, memtest},
    {0},
};
