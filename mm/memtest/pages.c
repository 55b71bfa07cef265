// SPDX-License-Identifier: MIT
// Free frames into a test and back.
//
//   M4  a frame that failed is never free again: it goes from reserved to bad in one step
//   M5  every frame that was taken is released, retired or counted as kept
// (tests/unit/test_memtest.c)
#include <mm/memtest.h>

// How far the run of free frames goes that begins here; `begin` when it is not free.
static uint64_t free_until(struct page_allocator *allocator, uint64_t begin, uint64_t end,
                           uint64_t *next) {
    uint64_t at = begin;
    while (at < end) {
        struct page_info info = page_inspect(allocator, pfn(at));
        bool block = info.state == PAGE_STATE_FREE || info.state == PAGE_STATE_ALLOCATED ||
                     info.state == PAGE_STATE_CACHED;
        uint64_t after = block ? info.block.value + (UINT64_C(1) << info.order) : at + 1;
        if (info.state != PAGE_STATE_FREE) {
            *next = after;
            return at;
        }
        at = after < end ? after : end;
    }
    *next = end;
    return end;
}

pfn_t memtest_take(struct memtest *test, struct page_allocator *allocator, pfn_t begin, pfn_t end) {
    page_drain(allocator);
    for (uint64_t at = begin.value; at < end.value;) {
        uint64_t next = end.value;
        uint64_t stop = free_until(allocator, at, end.value, &next);
        if (stop > at && test->run_count == test->run_capacity &&
            test->runs[test->run_count - 1].end.value != at) {
            return pfn(at);
        }
        enum page_status status =
            stop > at ? page_reserve(allocator, pfn(at), pfn(stop), NULL) : PAGE_NOT_RESERVED;
        if (status == PAGE_OK) {
            memtest_add(test, pfn(at), pfn(stop));
        }
        // Another CPU may have been quicker: then the run is looked at again.
        at = status == PAGE_NOT_FREE ? at : next;
    }
    return end;
}

static void release(struct page_allocator *allocator, uint64_t begin, uint64_t end,
                    struct memtest_outcome *outcome) {
    if (begin < end) {
        bool done = page_release(allocator, pfn(begin), pfn(end), NULL) == PAGE_OK;
        *(done ? &outcome->released_pages : &outcome->kept_pages) += end - begin;
    }
}

static void retire(struct page_allocator *allocator, uint64_t begin, uint64_t end,
                   struct memtest_outcome *outcome) {
    bool done = page_retire(allocator, pfn(begin), pfn(end), NULL) == PAGE_OK;
    *(done ? &outcome->retired_pages : &outcome->kept_pages) += end - begin;
}

// The next range of `bad` that shares frames with [begin, end), cut to it; empty when none does.
static struct memtest_range next_bad(const struct memtest *test, uint64_t begin, uint64_t end) {
    for (size_t i = 0; i < test->bad_count; i++) {
        struct memtest_range bad = test->bad[i];
        bad.begin.value = bad.begin.value > begin ? bad.begin.value : begin;
        bad.end.value = bad.end.value < end ? bad.end.value : end;
        if (bad.begin.value < bad.end.value) {
            return bad;
        }
    }
    return (struct memtest_range){pfn(end), pfn(end)};
}

// The bad frames of a run first, then what lies between them.
static void give_back_run(const struct memtest *test, struct page_allocator *allocator,
                          struct memtest_range run, struct memtest_outcome *outcome) {
    uint64_t end = run.end.value;
    struct memtest_range bad = next_bad(test, run.begin.value, end);
    for (; bad.begin.value < bad.end.value; bad = next_bad(test, bad.end.value, end)) {
        retire(allocator, bad.begin.value, bad.end.value, outcome);
    }
    for (uint64_t at = run.begin.value; at < end; at = bad.end.value) {
        bad = next_bad(test, at, end);
        release(allocator, at, bad.begin.value, outcome);
    }
}

static bool is_clean(const struct memtest *test, struct memtest_range run) {
    return next_bad(test, run.begin.value, run.end.value).begin.value == run.end.value;
}

// Clean runs first: what is taken apart afterwards may need memory for metadata.
struct memtest_outcome memtest_give_back(struct memtest *test, struct page_allocator *allocator) {
    struct memtest_outcome outcome = {0};
    for (unsigned clean = 2; clean-- != 0;) {
        for (size_t i = 0; i < test->run_count; i++) {
            if (is_clean(test, test->runs[i]) == (clean != 0)) {
                give_back_run(test, allocator, test->runs[i], &outcome);
            }
        }
    }
    test->run_count = 0;
    test->sweep_bytes = 0;
    return outcome;
}
