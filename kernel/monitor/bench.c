// SPDX-License-Identifier: MIT
// What the page allocator's operations cost in the running kernel, and virtual memory's
// (bench_virt.c).
//
// Each row is measured after one round for warming up, and everything that it took is given back.
// No allocation is made for the command itself but the list of the frames of the bulk row.
#include <monitor/bench.h>

#include <monitor/bench_rows.h>

#include <mm/port.h>
#include <state.h>
#include <string.h>

#define PAIRS          4096
#define BULK_ORDER     7 // of the block that holds the list of frames: 65,536 numbers of 8 bytes
#define BULK_FRAMES    65536
#define LOOP_LENGTH    1000000 // instructions
#define LOOP_TOLERANCE 100     // ticks: what surrounds the loop

static __attribute__((noinline)) bool run_nothing(uint64_t count, unsigned order) {
    for (uint64_t i = 0; i < count; i++) {
        cpu_nothing();
    }
    return order == 0;
}

static __attribute__((noinline)) bool run_frame_pairs(uint64_t count, unsigned order) {
    for (uint64_t i = 0; i < count; i++) {
        pfn_t frame = page_alloc_frame(&strata.pages, PAGE_OWNER_TEST);
        if (frame.value == PAGE_NO_FRAME.value) {
            return false;
        }
        page_free_frame(&strata.pages, frame);
    }
    return order == 0;
}

static __attribute__((noinline)) bool run_pairs(uint64_t count, unsigned order) {
    for (uint64_t i = 0; i < count; i++) {
        pfn_t block;
        if (page_alloc(&strata.pages, order, PAGE_ANYWHERE, PAGE_OWNER_TEST, &block) != PAGE_OK) {
            return false;
        }
        page_free(&strata.pages, block, order);
    }
    return true;
}

static __attribute__((noinline)) bool run_pairs_below_4g(uint64_t count, unsigned order) {
    for (uint64_t i = 0; i < count; i++) {
        pfn_t block;
        if (page_alloc(&strata.pages, order, paddr(4 * GIB), PAGE_OWNER_TEST, &block) != PAGE_OK) {
            return false;
        }
        page_free(&strata.pages, block, order);
    }
    return true;
}

static __attribute__((noinline)) bool run_contiguous(uint64_t count, unsigned order) {
    for (uint64_t i = 0; i < count; i++) {
        pfn_t first;
        if (page_alloc_contig(&strata.pages, UINT64_C(1) << order, PAGE_SIZE << order,
                              paddr(4 * GIB), 0, PAGE_OWNER_TEST, &first, NULL) != PAGE_OK) {
            return false;
        }
        page_free_contig(&strata.pages, first, UINT64_C(1) << order);
    }
    return true;
}

static const struct bench_operation operations[] = {
    {"frame-pair", "alloc + free of a frame", run_frame_pairs, 0},
    {"pair-0", "alloc + free, order 0", run_pairs, 0},
    {"pair-1", "alloc + free, order 1", run_pairs, 1},
    {"pair-3", "alloc + free, order 3", run_pairs, 3},
    {"pair-5", "alloc + free, order 5", run_pairs, 5},
    {"pair-8", "alloc + free, order 8", run_pairs, 8},
    {"pair-9", "alloc + free, order 9", run_pairs, 9},
    {"pair-10", "alloc + free, order 10", run_pairs, 10},
    {"pair-9-below-4g", "alloc + free, order 9 below 4 GiB", run_pairs_below_4g, 9},
    {"contig-2m-below-4g", "contiguous 2 MiB below 4 GiB", run_contiguous, 9},
};

static void print_row(const struct bench *report, const char *name, const char *title,
                      uint64_t count, uint64_t ticks) {
    if (report->records) {
        text_printf(report->out,
                    "{\"record\":\"bench\",\"row\":\"%s\",\"operations\":%lu,\"ticks\":%lu}\n",
                    name, count, ticks);
    } else {
        uint64_t tenths = (ticks * 10 + count / 2) / count;
        text_printf(report->out, "  %-36s %8lu.%lu\n", title, tenths / 10, tenths % 10);
    }
}

// What `count` rounds of an empty loop take.
static uint64_t loop_ticks(uint64_t count) {
    uint64_t begin = cpu_tsc();
    run_nothing(count, 0);
    return cpu_tsc() - begin;
}

static uint64_t without_loop(uint64_t ticks, uint64_t count) {
    uint64_t loop = loop_ticks(count);
    return ticks > loop ? ticks - loop : 0;
}

void bench_row(const struct bench *bench, const char *name, const char *title, uint64_t count,
               uint64_t ticks) {
    if (count == 0) {
        text_printf(bench->out, "  %-36s not enough memory\n", title);
    } else {
        print_row(bench, name, title, count, without_loop(ticks, count));
    }
}

static void measure(const struct bench *report, const struct bench_operation *operation) {
    bool done = operation->run(1, operation->argument);
    uint64_t begin = cpu_tsc();
    done = done && operation->run(PAIRS, operation->argument);
    uint64_t ticks = cpu_tsc() - begin;
    if (done) {
        print_row(report, operation->name, operation->title, PAIRS, without_loop(ticks, PAIRS));
    } else {
        text_printf(report->out, "  %-36s not enough memory\n", operation->title);
    }
}

// Allocates frames into the list; returns how many.
static __attribute__((noinline)) uint64_t take_bulk(pfn_t *frames, uint64_t count) {
    uint64_t taken = 0;
    while (taken < count) {
        frames[taken] = page_alloc_frame(&strata.pages, PAGE_OWNER_TEST);
        if (frames[taken].value == PAGE_NO_FRAME.value) {
            break;
        }
        taken++;
    }
    return taken;
}

static __attribute__((noinline)) void free_bulk(const pfn_t *frames, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        page_free_frame(&strata.pages, frames[i]);
    }
}

static void measure_bulk_in(const struct bench *report, pfn_t *frames) {
    uint64_t begin = cpu_tsc();
    uint64_t taken = take_bulk(frames, BULK_FRAMES);
    uint64_t between = cpu_tsc();
    free_bulk(frames, taken);
    uint64_t end = cpu_tsc();
    if (taken < BULK_FRAMES) {
        text_puts(report->out, "  bulk of 65,536 frames: not enough memory\n");
        return;
    }
    print_row(report, "bulk-alloc", "bulk of 65,536 frames, alloc", taken,
              without_loop(between - begin, taken));
    print_row(report, "bulk-free", "bulk of 65,536 frames, free", taken,
              without_loop(end - between, taken));
}

static void measure_bulk(const struct bench *report) {
    pfn_t list;
    if (page_alloc(&strata.pages, BULK_ORDER, PAGE_ANYWHERE, PAGE_OWNER_TEST, &list) != PAGE_OK) {
        text_puts(report->out, "  bulk of 65,536 frames: not enough memory\n");
        return;
    }
    measure_bulk_in(report, port_direct_map(paddr_of(list)));
    page_free(&strata.pages, list, BULK_ORDER);
}

// Finds out what a tick is.
static void calibrate(struct bench *report) {
    uint64_t begin = cpu_tsc();
    cpu_count_down(LOOP_LENGTH / 2);
    uint64_t ticks = cpu_tsc() - begin;
    report->counts_instructions = ticks >= LOOP_LENGTH && ticks - LOOP_LENGTH <= LOOP_TOLERANCE;
    const char *unit = report->counts_instructions ? "instructions" : "ticks";
    if (report->records) {
        text_printf(report->out,
                    "{\"record\":\"bench-unit\",\"unit\":\"%s\",\"loop\":%d,\"ticks\":%lu}\n", unit,
                    LOOP_LENGTH, ticks);
    } else {
        text_printf(report->out, "%s for one operation (%d instructions take %lu ticks)\n", unit,
                    LOOP_LENGTH, ticks);
    }
}

void bench_command(struct text *out, size_t count, char **arguments) {
    struct bench report = {.out = out, .records = count == 1};
    if (count == 1 && strcmp(arguments[0], "json") != 0) {
        text_puts(out, "like this: bench, or bench json\n");
        return;
    }
    calibrate(&report);
    struct console *console = &strata.tty;
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        if (console_stopped(console)) {
            return;
        }
        measure(&report, &operations[i]);
    }
    measure_bulk(&report);
    for (size_t i = 0; strata.own_tables && i < bench_virt_count; i++) {
        if (console_stopped(console)) {
            return;
        }
        measure(&report, &bench_virt_operations[i]);
    }
    if (!console_stopped(console)) {
        bench_objects(&report);
    }
}
