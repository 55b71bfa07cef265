// SPDX-License-Identifier: MIT
// Address spaces: what a program may touch, and the memory behind it.
//
//   user half   page 0 │ region rw │  guard │ region rx │      …      │ region rw │ last page
//                        ▪ ▪   ▪              ▪ ▪                       ▪▪▪
//   frames               a b   c              d e   ▪: a page that was touched, and has a frame
//
// A region is a range of pages with permissions. It costs a record, and nothing else until it is
// touched: then the page fault takes a frame, clears it and maps it (demand-zero). A clone has the
// same regions and, at first, the same frames; all are read-only until somebody writes to one and
// gets a frame of their own (copy-on-write). How many have a frame is counted in mm/shares.h.
//
// Nothing is writable and executable at once: code is written by the kernel (space_write), or
// before its region is made executable.
//
// An operation that fails leaves the address space as it was. Each takes the space's lock,
// LOCK_SPACE, then those of the counts, tables and page allocator; any context but NMI, with these
// free. The kernel's half belongs to the kernel's tables and is the same in all spaces.
#pragma once

#include <mm/nodes.h>
#include <mm/paging.h>
#include <mm/ranges.h>
#include <mm/shares.h>

// What all address spaces have in common. Fields are private to mm/virt/.
struct spaces {
    struct page_allocator *pages;
    struct page_tables *kernel;
    struct shares shares;
    struct lock lock;                    // of `regions`
    struct node_pool nodes;              // records of regions
    vaddr_t begin, end;                  // where regions may lie
    uint64_t count;                      // of address spaces
    struct space *current[PORT_CPU_MAX]; // whose tables each CPU has loaded; NULL: the kernel's
};

// An address space. Fields are private to mm/virt/, but for those that say so.
struct space {
    struct lock lock;
    struct spaces *spaces;
    struct page_tables tables;
    struct ranges regions;
    uint64_t resident; // public to read: pages that have a frame, shared or not
};

enum space_status {
    SPACE_OK,
    SPACE_NO_MEMORY,
    SPACE_NO_ROOM,     // no gap is large enough
    SPACE_BAD_REQUEST, // no pages, not of pages, outside the user half, writable and executable
    SPACE_TAKEN,       // a region lies there already
    SPACE_NOT_MAPPED,  // a part of the range is in no region
};

// "ok", "no memory", …
const char *space_status_name(enum space_status status);

// Address spaces beside the kernel's tables, with regions in [begin, end). Frames lie below
// `memory_end`. Nothing is taken yet.
void spaces_init(struct spaces *spaces, struct page_tables *kernel, struct page_allocator *pages,
                 vaddr_t begin, vaddr_t end, paddr_t memory_end);

// Gives back what is kept for later: with no address space left, everything.
void spaces_trim(struct spaces *spaces);

// An address space without regions, in the caller's storage. SPACE_NO_MEMORY with nothing taken.
// O(1).
enum space_status space_create(struct spaces *spaces, struct space *space);

// Gives back everything, each frame that nobody else has. No CPU has it loaded, nobody uses it.
// O(regions + pages that have a frame + tables).
void space_destroy(struct space *space);

// Makes `child` a copy of `parent` as it is now. SPACE_NO_MEMORY with nothing changed.
// O(regions + pages that have a frame).
enum space_status space_clone(struct space *parent, struct space *child);

// This CPU uses `space` from now on; NULL: none, the kernel's tables.
void space_switch(struct spaces *spaces, struct space *space);

// A region of `pages` pages, the lowest place at or above `from` with a guard page on both sides,
// else the lowest place below; `attributes` are PAGING_WRITE, PAGING_EXECUTE or neither. Its memory
// reads as zeros.  O(log regions).
enum space_status space_map(struct space *space, vaddr_t from, uint64_t pages, uint32_t attributes,
                            vaddr_t *out);

// A region exactly there; guards are not looked at. One with a neighbour of the same attributes.
enum space_status space_map_at(struct space *space, vaddr_t begin, uint64_t pages,
                               uint32_t attributes);

// Takes [begin, begin + pages) away, whatever of it lies in regions; what is left of a region on
// either side stays. SPACE_NO_MEMORY, for a record, when it cuts a region in two.
// O(log regions + regions + pages that have a frame).
enum space_status space_unmap(struct space *space, vaddr_t begin, uint64_t pages);

// Changes the permissions of the range, all of which lies in regions.
// O(log regions + regions + pages that have a frame).
enum space_status space_protect(struct space *space, vaddr_t begin, uint64_t pages,
                                uint32_t attributes);

// What a program tried to do.
#define SPACE_WRITES   1u
#define SPACE_EXECUTES 2u // neither: it reads

enum space_fault {
    SPACE_FAULT_RESOLVED,       // it may try again
    SPACE_FAULT_NOT_USER,       // the address is not in the user half: the kernel's, or nobody's
    SPACE_FAULT_NO_REGION,      // nothing is there
    SPACE_FAULT_GUARD,          // nothing is there, but a region ends or begins within a page
    SPACE_FAULT_READ_ONLY,      // written to what may only be read
    SPACE_FAULT_NOT_EXECUTABLE, // executed data
    SPACE_FAULT_NO_MEMORY,      // it may, but there is no frame or no table
    SPACE_FAULT_COUNT_,
};

// "resolved", "not user memory", …: the reason in words.
const char *space_fault_name(enum space_fault fault);

// Resolves a page fault: a frame for a page without one, one of their own for a shared one. Nothing
// is changed unless it is resolved.  O(log regions + levels), and clearing or copying a page.
enum space_fault space_fault(struct space *space, vaddr_t address, unsigned access);

// Takes frames for the whole range now, as if every page had been written to (read, where it may
// not be written). The first fault that is not resolved ends it; what came before stays.
enum space_fault space_populate(struct space *space, vaddr_t begin, uint64_t pages);

// Copies between the kernel's memory and the space's, through the direct map, whatever is loaded.
// Writing ignores the permissions of the region, not its existence, and breaks sharing. Ends at the
// first fault that is not resolved.
enum space_fault space_write(struct space *space, vaddr_t to, const void *from, uint64_t bytes);
enum space_fault space_read(struct space *space, void *to, vaddr_t from, uint64_t bytes);

// A region, for reports.
struct space_region {
    vaddr_t begin, end;
    uint32_t attributes;
};

// The region that ends above `address` and begins first. False when there is none, or the space's
// lock cannot be had in a moment, as with vm_window_look.
bool space_next_region(struct space *space, vaddr_t address, struct space_region *region);

// NULL, or the sentence that does not hold.  O(regions + pages that have a frame + tables).
const char *space_check(struct space *space);
