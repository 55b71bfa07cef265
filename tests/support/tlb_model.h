// SPDX-License-Identifier: MIT
// An MMU that remembers as much as it may: the hosted CPUs of the tests of page tables.
//
// Each CPU has a TLB and paging-structure caches (Intel SDM vol. 3A, 4.10.2 and 4.10.3). Whenever
// an entry of a page table is written (port_entry_written), before and after every flush, and at
// every access, each CPU fetches what it can reach, from memory and from the upper entries that it
// remembers, and keeps all of it: leaf entries of every size at once, upper entries at every level,
// global or not, several versions of one entry beside each other. It forgets only what a flush
// names (port_tlb_flush), and on that only what INVLPG must drop at least: translations of the very
// address, and the upper entries that lead to it.
//
// An access then looks at everything that the CPU might use. All of it has to give what the caller
// expects; the first that does not is the model's failure.
#pragma once

#include <mm/paging.h>

#define TLB_CPUS  2
#define TLB_SLOTS 8192 // remembered entries a CPU: a power of two

struct tlb_slot {
    uint64_t tag;   // level, kind and address
    uint64_t value; // an entry, with the rights of those above it
    uint64_t epoch; // alive while it is the CPU's
};

struct tlb_cpu {
    struct page_tables *loaded;
    uint64_t epoch, global_epoch;
    struct tlb_slot slots[TLB_SLOTS];
};

// Ways to do a flush wrongly, for tests of the model.
enum tlb_defect {
    TLB_SOUND,
    TLB_DROPPED,         // every 16th flush is not done
    TLB_LATE,            // each is done only when the next one comes: after tables were freed
    TLB_ONE_CPU,         // only on the CPU that asks
    TLB_UPPER_FORGOTTEN, // the paging-structure caches are left as they are
    TLB_GLOBAL_KEPT,     // "everything" leaves global entries
    TLB_SHORT,           // the last page of each range is left out
    TLB_DEFECTS_,
};

struct tlb_model {
    struct page_allocator *pages;
    enum tlb_defect defect;
    struct tlb_flush postponed; // TLB_LATE
    bool has_postponed;
    uint64_t flushes, fetches, accesses, dropped;
    uint64_t random;
    const char *failure; // NULL, or what went wrong first,
    uint64_t failed_at;  // at this address,
    unsigned failed_cpu; // on this CPU
    struct tlb_cpu cpus[TLB_CPUS];
};

// The model becomes the machine: hooks into the port. All CPUs have `tables` loaded.
void tlb_model_start(struct tlb_model *model, struct page_allocator *pages,
                     struct page_tables *tables);
void tlb_model_stop(struct tlb_model *model);

// What MOV to CR3 does.
void tlb_model_load(struct tlb_model *model, unsigned cpu, struct page_tables *tables);

// What a page should mean to a CPU.
struct tlb_expected {
    bool mapped;
    uint64_t frame;
    uint32_t attributes;
};

// Reads or writes the page: false, with the failure noted, when the CPU might see anything else
// than what is expected.
bool tlb_model_access(struct tlb_model *model, unsigned cpu, uint64_t page, bool write,
                      const struct tlb_expected *expected);
