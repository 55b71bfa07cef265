// SPDX-License-Identifier: MIT
// Watching a page allocator at work: failing requests on purpose, knowing who asked for each block,
// and recording everything that it does.
//
//    page_alloc ──> gate open?  ── yes ──> the CPU's stack         nobody watches: nothing is asked
//                      │ no
//                      v
//                  a watch?  ── no ──> the sections
//                      │ yes
//                      v
//                  fail it?  remember the caller, write an event
//
// While a watch is attached the gates of all stacks are shut, so each request takes the slow way,
// which asks for the watch. So the fast way does not know that there is such a thing.
//
// What a watch needs in memory the caller supplies (struct page_watch, a trace's storage); only the
// tables of call sites are the allocator's own metadata, for they grow with what is allocated.
#pragma once

#include <mm/page.h>

// Failing requests. A request is a call of page_alloc or page_alloc_contig, and each piece of
// metadata that page_reserve, page_retire, page_release or page_alloc_contig need on their way. A
// request that is made to fail returns PAGE_NO_MEMORY and leaves everything as it was.
enum page_failing {
    PAGE_FAIL_NEVER,
    PAGE_FAIL_NTH,    // the n-th from now, and no other
    PAGE_FAIL_EVERY,  // each n-th
    PAGE_FAIL_RANDOM, // one in n, at random
    PAGE_FAIL_COUNT_,
};

// "never", "nth", "every", "random": as the option fail= and the monitor have them.
const char *page_failing_name(enum page_failing failing);

struct page_failures {
    enum page_failing failing;
    uint64_t n;
    uint64_t seed;     // of PAGE_FAIL_RANDOM: the same seed fails the same requests
    uint64_t requests; // since this was set
    uint64_t injected; // of these, made to fail
};

// What was done to the allocator.
enum page_operation {
    PAGE_OPERATION_ALLOC,
    PAGE_OPERATION_FREE,
    PAGE_OPERATION_CONTIG,
    PAGE_OPERATION_FREE_CONTIG,
    PAGE_OPERATION_RESERVE,
    PAGE_OPERATION_RELEASE,
    PAGE_OPERATION_RETIRE,
    PAGE_OPERATION_METADATA, // a table of call sites was made
    PAGE_OPERATION_COUNT_,
};

// "alloc", "free", "contig", … : stable, used in records.
const char *page_operation_name(enum page_operation operation);

// One call. Calls that can never succeed (PAGE_BAD_REQUEST) are not recorded.
struct page_event {
    uint64_t sequence; // from 1; 0 while it is being written
    pfn_t first;       // what was given out (status PAGE_OK), or what the call is about
    uint64_t count;    // frames
    paddr_t ceiling;   // of an allocation
    uint32_t caller;   // who called, as an offset in the program's text (port_text)
    uint8_t operation; // enum page_operation
    uint8_t status;    // enum page_status
    uint8_t order;     // alloc, free
    uint8_t owner;     // alloc, contig; free: of the block that is there
    uint8_t align_log, boundary_log; // contig: log2 of the bytes; 0 for none
    uint8_t cpu;
    bool atomic;   // alloc: page_alloc_atomic
    bool injected; // it failed because it was made to
};

// A section as it was when a trace began.
struct page_start_section {
    uint32_t index;
    uint32_t span;     // frames that have a state byte, of a split one
    uint8_t kind;      // enum section_kind, never absent
    bool own_metadata; // a split one's metadata is the last thing in it
    uint8_t state;     // enum page_state of a taken one
    uint8_t owner;     // of an allocated one
};

// What lay one behind the other in a split section when a trace began: `count` blocks. Frames that
// no run names were not the allocator's.
struct page_start_run {
    pfn_t first;
    uint32_t count;
    uint8_t state; // enum page_state
    uint8_t order; // 0 for other than free and allocated blocks
    uint8_t owner; // of allocated blocks
};

// A recording: how everything was at its start, and the last events since.
struct page_trace {
    bool recording;
    uint64_t section_count; // of the allocator, absent ones too
    struct page_reserves reserves;
    struct page_start_section *sections;
    uint64_t start_section_count;
    struct page_start_run *runs;
    uint64_t run_count;
    struct page_event *events; // the event of sequence s is in slot (s - 1) % capacity
    uint64_t capacity;
    uint64_t recorded; // events since the start; those beyond `capacity` have overwritten the first
};

struct page_watch {
    struct page_failures failures;
    struct page_trace trace;
    pfn_t *sites;      // for each section, where its table of call sites is, 0 for none; or NULL
    pfn_t sites_begin; // where that itself is
    bool injected[PORT_CPU_MAX]; // a request of the call that this CPU is in was made to fail
};

// Attaches a watch, cleared and doing nothing yet, and detaches it again, which ends all that it
// did and gives the tables of call sites back. The CPUs' stacks are empty while it is attached.
// False, with nothing changed, when there is a watch already or this comes from an interrupt in the
// middle of an allocation. No other CPU may be inside the allocator meanwhile, nor be stopped there
// by an interrupt.
bool page_watch_start(struct page_allocator *allocator, struct page_watch *watch);
void page_watch_stop(struct page_allocator *allocator);

// Begins to fail requests, counting them from 0; PAGE_FAIL_NEVER ends it. n is at least 1. A random
// choice is logged with its seed. Any context.
void page_fail(struct page_watch *watch, enum page_failing failing, uint64_t n, uint64_t seed);

// Keeps the caller of each allocation from now on: 1 MiB of metadata for each section that has
// allocated blocks, made when the first is allocated. False when there is no memory to begin with;
// a section for which there is none later keeps no callers. Needs a watch.
bool page_sites_start(struct page_allocator *allocator);

// Who allocated the block that begins at `block`, as an offset in the program's text; 0 when that
// is not known.  O(1).
uint32_t page_site_of(struct page_allocator *allocator, pfn_t block);

// What one place in the program has allocated and not freed.
struct page_site {
    uint32_t caller; // 0: allocated before callers were kept
    uint8_t owner;   // enum page_owner; one place that allocates for two owners is two sites
    uint64_t blocks, pages;
};

// Counts what is allocated by owner and caller, and sorts it, most pages first. Stores up to
// `capacity` sites and returns how many; what belongs to others is added up in `*rest` (unless
// NULL), whose caller and owner mean nothing. `owner`: that one only, or PAGE_OWNER_COUNT_ for all.
// O(frames of split sections + blocks * capacity at worst); locks a section at a time.
size_t page_sites(struct page_allocator *allocator, enum page_owner owner, struct page_site *sites,
                  size_t capacity, struct page_site *rest);

// How many bytes a trace of the last `events` events needs now.  O(frames of split sections).
uint64_t page_trace_bytes(struct page_allocator *allocator, uint64_t events);

// Begins to record, in `bytes` of `storage`, 8-byte aligned. `*events` is how many events to keep
// at least; it becomes how many there is room for. False, with nothing changed, when how everything
// is now does not fit. Needs a watch; no other CPU may be inside the allocator.
// O(frames of split sections).
bool page_trace_start(struct page_allocator *allocator, void *storage, uint64_t bytes,
                      uint64_t *events);

// Ends the recording. What was recorded stays in the storage until page_watch_stop or the next
// start; it is the caller's again after that.
void page_trace_stop(struct page_allocator *allocator);
