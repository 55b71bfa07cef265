// SPDX-License-Identifier: MIT
// Attaching a watch, failing requests, and the calls as a watch sees them. include/mm/watch.h has
// the concept, stack.h the gates, sites.c the callers, trace.c how everything was at the start.
//
// Invariants (tests/unit/test_watch.c, test_trace.c):
//   W1  a request that is made to fail changes nothing               failing_changes_nothing
//   W2  every call is one event, whatever it calls on its way        every_call_is_one_event
//   W3  while a watch is attached the stacks are empty               stacks_stay_empty
#include "watch.h"

#include "stack.h"
#include <string.h>

const char *page_failing_name(enum page_failing failing) {
    static const char *const names[PAGE_FAIL_COUNT_] = {"never", "nth", "every", "random"};
    return failing < PAGE_FAIL_COUNT_ ? names[failing] : "?";
}

const char *page_operation_name(enum page_operation operation) {
    static const char *const names[PAGE_OPERATION_COUNT_] = {
        "alloc", "free", "contig", "free-contig", "reserve", "release", "retire", "metadata",
    };
    return operation < PAGE_OPERATION_COUNT_ ? names[operation] : "?";
}

static void set_gates(struct page_cpu *cpu, uint32_t gate) {
    for (unsigned order = 0; order < PAGE_STACK_ORDERS; order++) {
        __atomic_store_n(&cpu->stacks[order].gate, gate, __ATOMIC_RELEASE);
    }
}

static bool gates_are_open(const struct page_cpu *cpu) {
    bool open = true;
    for (unsigned order = 0; order < PAGE_STACK_ORDERS; order++) {
        open &= __atomic_load_n(&cpu->stacks[order].gate, __ATOMIC_ACQUIRE) == 0;
    }
    return open;
}

bool page_watch_start(struct page_allocator *allocator, struct page_watch *watch) {
    for (unsigned i = 0; i < PORT_CPU_MAX; i++) {
        if (!gates_are_open(&allocator->cpus[i])) {
            return false;
        }
    }
    memset(watch, 0, sizeof(*watch));
    allocator->watch = watch;
    for (unsigned i = 0; i < PORT_CPU_MAX; i++) {
        set_gates(&allocator->cpus[i], PAGE_GATE_CLOSED);
        page_stacks_empty(allocator, &allocator->cpus[i]);
    }
    return true;
}

void page_watch_stop(struct page_allocator *allocator) {
    page_trace_stop(allocator);
    page_sites_end(allocator);
    allocator->watch = NULL;
    for (unsigned i = 0; i < PORT_CPU_MAX; i++) {
        set_gates(&allocator->cpus[i], 0);
    }
}

void page_fail(struct page_watch *watch, enum page_failing failing, uint64_t n, uint64_t seed) {
    watch->failures = (struct page_failures){.failing = failing, .n = n == 0 ? 1 : n, .seed = seed};
    if (failing == PAGE_FAIL_RANDOM) {
        port_log(PORT_INFO, "page: one request in %lu fails at random, seed 0x%lx", n, seed);
    }
}

// The i-th number of a random sequence (S. Vigna's splitmix64): needs no state that CPUs share.
static uint64_t random_number(uint64_t seed, uint64_t i) {
    uint64_t z = seed + i * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

bool page_watch_request(struct page_allocator *allocator) {
    struct page_failures *failures = &allocator->watch->failures;
    uint64_t request = __atomic_add_fetch(&failures->requests, 1, __ATOMIC_RELAXED);
    bool fail = false;
    switch (failures->failing) {
    case PAGE_FAIL_NTH:
        fail = request == failures->n;
        break;
    case PAGE_FAIL_EVERY:
        fail = request % failures->n == 0;
        break;
    case PAGE_FAIL_RANDOM:
        fail = random_number(failures->seed, request) % failures->n == 0;
        break;
    case PAGE_FAIL_NEVER:
    case PAGE_FAIL_COUNT_:
        break;
    }
    if (fail) {
        __atomic_add_fetch(&failures->injected, 1, __ATOMIC_RELAXED);
        allocator->watch->injected[port_cpu()] = true;
    }
    return fail;
}

uint64_t page_watch_sequence(struct page_allocator *allocator) {
    struct page_trace *trace = &allocator->watch->trace;
    return trace->recording ? __atomic_add_fetch(&trace->recorded, 1, __ATOMIC_RELAXED) : 0;
}

static uint32_t offset_of(const void *caller) {
    return (uint32_t)((uint64_t)caller - (uint64_t)port_text());
}

void page_watch_record(struct page_allocator *allocator, struct page_event event,
                       const void *caller) {
    struct page_watch *watch = allocator->watch;
    unsigned cpu = port_cpu();
    event.injected = watch->injected[cpu];
    watch->injected[cpu] = false;
    if (event.sequence == 0) {
        return;
    }
    event.cpu = (uint8_t)cpu;
    event.caller = offset_of(caller);
    struct page_event *slot = &watch->trace.events[(event.sequence - 1) % watch->trace.capacity];
    uint64_t sequence = event.sequence;
    event.sequence = 0;
    *slot = event;
    __atomic_store_n(&slot->sequence, sequence, __ATOMIC_RELEASE);
}

void page_watch_allocated(struct page_allocator *allocator, struct page_event event,
                          const void *caller) {
    // The table of call sites may have to be made for this block; then it was there after it.
    event.sequence = page_watch_sequence(allocator);
    page_watch_record(allocator, event, caller);
    if (event.status == PAGE_OK) {
        page_site_set(allocator, event.first, event.count, offset_of(caller));
    }
}

enum page_status page_watch_alloc(struct page_allocator *allocator, unsigned order, paddr_t ceiling,
                                  enum page_owner owner, bool atomic, pfn_t *out,
                                  const void *caller) {
    enum page_status status =
        order <= PAGE_ORDER_MAX && owner < PAGE_OWNER_COUNT_ && page_watch_request(allocator)
            ? PAGE_NO_MEMORY
            : page_alloc_block(allocator, order, ceiling, owner, atomic, out);
    if (status != PAGE_BAD_REQUEST) {
        struct page_event event = {
            .operation = PAGE_OPERATION_ALLOC,
            .first = pfn(status == PAGE_OK ? out->value : 0),
            .count = UINT64_C(1) << order,
            .ceiling = ceiling,
            .order = (uint8_t)order,
            .owner = (uint8_t)owner,
            .atomic = atomic,
            .status = (uint8_t)status,
        };
        page_watch_allocated(allocator, event, caller);
    }
    return status;
}

void page_watch_free(struct page_allocator *allocator, pfn_t block, unsigned order,
                     const void *caller) {
    struct page_info info = page_inspect(allocator, block);
    struct page_event event = {
        .sequence = page_watch_sequence(allocator),
        .operation = PAGE_OPERATION_FREE,
        .first = block,
        .count = order <= PAGE_ORDER_MAX ? UINT64_C(1) << order : 0,
        .order = (uint8_t)order,
        .owner = (uint8_t)(info.state == PAGE_STATE_ALLOCATED ? info.owner : PAGE_OWNER_OTHER),
    };
    page_watch_record(allocator, event, caller);
}
