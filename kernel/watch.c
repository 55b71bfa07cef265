// SPDX-License-Identifier: MIT
// Attaching the watch when it is needed, and detaching it when it is not: while it is attached,
// every allocation takes the slow way.
#include <mm/port.h>
#include <watch.h>
#include <x86/cpu.h>

_Static_assert(BOOT_FAIL_NTH == (int)PAGE_FAIL_NTH && BOOT_FAIL_EVERY == (int)PAGE_FAIL_EVERY &&
                   BOOT_FAIL_RANDOM == (int)PAGE_FAIL_RANDOM &&
                   BOOT_FAIL_COUNT_ == (int)PAGE_FAIL_COUNT_,
               "the boot contract numbers failures as the page allocator does");

// One CPU runs, and this is never called from an interrupt: it cannot fail.
static void attach(struct kernel *kernel) {
    if (kernel->pages.watch == NULL && !page_watch_start(&kernel->pages, &kernel->watch)) {
        port_panic("the page allocator is in use below a command");
    }
}

static void detach_when_idle(struct kernel *kernel) {
    const struct page_watch *watch = kernel->pages.watch;
    if (watch != NULL && watch->failures.failing == PAGE_FAIL_NEVER && watch->sites == NULL &&
        watch->trace.capacity == 0) {
        page_watch_stop(&kernel->pages);
    }
}

void watch_begin(struct kernel *kernel) {
    const struct boot_options *options = &kernel->info->options;
    if ((options->debug & BOOT_DEBUG_OWNER) != 0 && !watch_callers(kernel)) {
        port_log(PORT_WARNING, "debug=owner: no memory to keep callers in");
    }
    if (options->fail != BOOT_FAIL_NEVER && options->fail < BOOT_FAIL_COUNT_) {
        watch_fail(kernel, (enum page_failing)options->fail, options->fail_n, options->fail_seed);
    }
}

void watch_fail(struct kernel *kernel, enum page_failing failing, uint64_t n, uint64_t seed) {
    attach(kernel);
    page_fail(&kernel->watch, failing, n, seed != 0 ? seed : cpu_tsc());
    detach_when_idle(kernel);
}

bool watch_callers(struct kernel *kernel) {
    attach(kernel);
    bool kept = page_sites_start(&kernel->pages);
    detach_when_idle(kernel);
    return kept;
}

bool watch_record(struct kernel *kernel, uint64_t *events) {
    watch_forget(kernel);
    attach(kernel);
    uint64_t pages = page_trace_bytes(&kernel->pages, *events) / PAGE_SIZE;
    enum page_status status = page_alloc_contig(&kernel->pages, pages, 0, PAGE_ANYWHERE, 0,
                                                PAGE_OWNER_KERNEL, &kernel->trace_storage, NULL);
    if (status != PAGE_OK) {
        detach_when_idle(kernel);
        return false;
    }
    kernel->trace_pages = pages;
    void *storage = port_direct_map(paddr_of(kernel->trace_storage));
    bool begun = page_trace_start(&kernel->pages, storage, pages * PAGE_SIZE, events);
    if (!begun) {
        watch_forget(kernel);
    }
    return begun;
}

void watch_forget(struct kernel *kernel) {
    if (kernel->trace_pages == 0) {
        return;
    }
    page_trace_stop(&kernel->pages);
    kernel->watch.trace = (struct page_trace){.recording = false};
    page_free_contig(&kernel->pages, kernel->trace_storage, kernel->trace_pages);
    kernel->trace_pages = 0;
    detach_when_idle(kernel);
}
