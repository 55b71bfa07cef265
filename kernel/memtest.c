// SPDX-License-Identifier: MIT
// Driving mm/memtest over the free memory: progress, Ctrl-C, caches, the log.
//
// All runs of free memory are taken and swept together as far as the array holds them; what is left
// is tested afterwards in the same way. Nobody else can allocate meanwhile: this is for the boot
// and for the monitor.
#include <memtest.h>
#include <mm/memtest.h>
#include <mm/port.h>
#include <paging/start.h>

#define RUN_MAX 1024 // far more than there are after a boot
#define BAD_MAX 512

// One test runs at a time.
static struct memtest test;
static struct memtest_range runs[RUN_MAX], bad[BAD_MAX];

// What all parts of a test found.
struct totals {
    uint64_t tested_pages, bad_pages, kept_pages, widened_pages, mismatches, wrong_bits;
    bool stopped;
};

static uint64_t larger(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

static uint64_t smaller(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

// Takes free memory from `begin` on, region by region. Returns where the next part begins.
static uint64_t take(struct kernel *kernel, uint64_t begin, uint64_t end) {
    for (size_t i = 0; i < kernel->map.region_count; i++) {
        const struct memory_region *region = &kernel->map.regions[i];
        pfn_t first = pfn_of(paddr(larger(region->begin.value, begin)));
        pfn_t last = pfn_of(paddr(smaller(region->end.value, end)));
        if (region->class != MEMORY_USABLE || first.value >= last.value) {
            continue;
        }
        pfn_t stop = memtest_take(&test, &kernel->pages, first, last);
        if (stop.value != last.value) {
            return paddr_of(stop).value;
        }
    }
    return end;
}

static void log_faults(size_t from) {
    for (size_t i = from; i < test.fault_count; i++) {
        const struct memtest_fault *fault = &test.faults[i];
        port_log(PORT_ERROR, "memtest: 0x%lx: expected 0x%016lx, found 0x%016lx (%s, pass %u)",
                 fault->address.value, fault->expected, fault->found,
                 memtest_pattern_name(fault->pattern), fault->pass + 1);
    }
    if (from < MEMTEST_FAULTS && test.fault_count == MEMTEST_FAULTS) {
        port_log(PORT_ERROR, "memtest: more frames fail: taken out without a line each");
    }
}

// False when a person stops it.
static bool run_part(struct text *out, struct kernel *kernel) {
    unsigned shown = 0;
    enum memtest_progress progress;
    do {
        size_t faults = test.fault_count;
        enum memtest_pattern pattern = memtest_at(&test);
        progress = memtest_step(&test);
        log_faults(faults);
        if (progress == MEMTEST_SWEPT) {
            cpu_flush_caches();
        }
        if (memtest_percent(&test) >= shown + 10) {
            shown = memtest_percent(&test) / 10 * 10;
            text_printf(out, "memtest: %u %%, %s\n", shown, memtest_pattern_name(pattern));
        }
        if (console_interrupted(&kernel->tty)) {
            return false;
        }
    } while (progress != MEMTEST_DONE);
    return true;
}

static void add_totals(struct totals *totals, const struct memtest_outcome *outcome) {
    totals->bad_pages += outcome->retired_pages;
    totals->kept_pages += outcome->kept_pages;
    totals->widened_pages += test.widened_pages;
    totals->mismatches += test.mismatches;
    totals->wrong_bits |= test.wrong_bits;
}

// Every frame that was taken is free again, bad or still reserved.
static void finish_part(struct kernel *kernel, struct totals *totals) {
    uint64_t taken = test.sweep_bytes / PAGE_SIZE;
    struct memtest_outcome outcome = memtest_give_back(&test, &kernel->pages);
    uint64_t back = outcome.released_pages + outcome.retired_pages + outcome.kept_pages;
    if (back != taken) {
        port_panic("memtest: %lu pages taken, %lu accounted for", taken, back);
    }
    totals->tested_pages += taken;
    add_totals(totals, &outcome);
}

static void log_totals(const struct totals *totals) {
    port_log(totals->mismatches != 0 ? PORT_ERROR : PORT_INFO,
             "memtest: %s: %lu pages tested, %lu bad and out for good",
             totals->stopped ? "stopped" : "done", totals->tested_pages, totals->bad_pages);
    if (totals->mismatches != 0) {
        port_log(PORT_ERROR, "memtest: %lu words were wrong, in the bits 0x%016lx",
                 totals->mismatches, totals->wrong_bits);
    }
    if (totals->widened_pages != 0) {
        port_log(PORT_WARNING, "memtest: %lu good pages between bad ones are out with them",
                 totals->widened_pages);
    }
    if (totals->kept_pages != 0) {
        port_log(PORT_WARNING,
                 "memtest: %lu pages stay reserved: no memory for the metadata to part them",
                 totals->kept_pages);
    }
}

void memtest_run(struct text *out, struct kernel *kernel, unsigned passes, paddr_t begin,
                 paddr_t end) {
    struct totals totals = {.stopped = false};
    uint64_t seed = cpu_tsc();
    console_leave_stopping(&kernel->tty);
    for (uint64_t at = begin.value; at < end.value && !totals.stopped;) {
        memtest_init(&test, runs, RUN_MAX, bad, BAD_MAX, passes, seed);
        at = take(kernel, at, end.value);
        if (test.run_count == 0) {
            continue;
        }
        text_printf(out, "memtest: passes: %u, over %lu pages, ", passes,
                    test.sweep_bytes / PAGE_SIZE);
        text_size(out, test.sweep_bytes);
        text_printf(out, ", runs: %lu, seed: 0x%lx; Ctrl-C ends it\n", test.run_count, seed);
        totals.stopped = !run_part(out, kernel);
        finish_part(kernel, &totals);
    }
    if (totals.bad_pages != 0) {
        paging_unmap_retired(kernel);
    }
    log_totals(&totals);
}
