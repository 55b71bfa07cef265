// SPDX-License-Identifier: MIT
// What a person or a program reads: the firmware's map, the regions, the findings, the buddy and
// the ledger, as text and as JSON records. The kernel and the hosted map tool print with this same
// code.
//
// Records are one JSON object a line. Field names are stable: one may be added, none is renamed.
// Numbers that may exceed 2^53 are strings, "0x…".
//
// All of it only looks. Nothing fails: what a sink cannot take is the sink's to count (struct
// text_buffer). The costs named are of gathering; printing costs what the sink costs, and is most
// of it. Context: whoever may use the sink, one at a time; not from an interrupt, for the sink may
// be in use. Where a page allocator is read, other CPUs may go on: each section is locked while it
// is looked at, so each line is true of its moment, and sums of several need a quiet machine.
#pragma once

#include <mm/cache.h>
#include <mm/ledger.h>
#include <mm/memmap.h>
#include <mm/object_debug.h>
#include <mm/object_guard.h>
#include <mm/page.h>
#include <mm/vmalloc.h>
#include <mm/watch.h>
#include <strata/text.h>

// "Conventional", "Boot services data", …; "unknown" for a number that the specification does not
// define.
const char *efi_type_name(uint32_t type);
// "UC|WC|WT|WB|RUNTIME" into `buffer` (at least 96 bytes); returns `buffer`.
char *efi_attribute_names(uint64_t attributes, char *buffer);

// Text for people: a heading line, then the lines; sizes are bytes with a unit, addresses
// half-open ranges of bytes.

// Each descriptor in the firmware's order, as Linux prints it with efi=debug.  O(descriptors).
void report_efi_map(struct text *out, const struct efi_map *map);
// Each region, in address order, and the sum of each class.  O(regions).
void report_regions(struct text *out, const struct memmap *map);
// Each finding in the order in which they were made, and what was done about it; how many did not
// fit.  O(findings).
void report_findings(struct text *out, const struct memmap *map);
// Free blocks of each section by order; whole sections beside one another are one line. Then what
// is free in all, in the CPUs' stacks too, what the metadata takes, and the reserves. Columns are
// as wide as the widest number.  O(bitmap words of split sections + sections), twice.
void report_buddy(struct text *out, struct page_allocator *allocator);
// Each account that has something, in KiB and as a share of RAM; the line `unaccounted N` (bytes,
// has to be 0); a counter that disagrees with what was counted, as MISMATCH.  O(accounts).
void report_ledger(struct text *out, const struct ledger *ledger);
// Object caches that have, or had, a slab.
void report_slabs(struct text *out, struct object_heap *heap);
// The pools over the heap's caches, a line each, with what can be said of their worst case.
void report_pools(struct text *out, struct object_heap *heap);
// What a CPU below PORT_CPU_MAX keeps for itself: blocks of pages by order, and objects of each
// cache that it has used. False, with nothing written, when it keeps nothing.  O(caches).
bool report_cpu(struct text *out, const struct page_allocator *allocator,
                const struct object_heap *heap, unsigned cpu);
// What object_debug_find and object_sites have found.
void report_defect(struct text *out, const struct object_defect *defect);
void report_object_sites(struct text *out, const struct object_site *sites, size_t count);

// Physical memory to scale: rows of `columns` tiles, each for as many bytes, and beside them the
// ledger as their legend. A capital letter: all of the tile is that account's; a small one: the
// largest that is not free of several; ' ' where there is no RAM. On a screen a tile has the colour
// of the account that has most of it. Rows without RAM are one line. O(blocks).
void report_tiles(struct text *out, const struct memmap *map, struct page_allocator *allocator,
                  const struct ledger *ledger, unsigned columns);

// Words for the middle of a line: what a frame is ("allocated, in a block of order 3 at 0x12000,
// owner dma"), what an address is to the object caches, and, in whole sentences, why a request for
// contiguous frames was refused.
void report_frame(struct text *out, const struct page_info *info);
void report_object(struct text *out, const struct object_info *info);
// The same of the object at an address, and where in it that is: "…; the address is its byte 0x5".
void report_object_at(struct text *out, const struct object_info *info, const void *address);
// A guarded object, and where beside it the address lies: "0x… of kmalloc-64, 64 bytes, in use,
// allocated by function+0x1c; the address is 0x0 bytes behind it".
void report_guarded(struct text *out, const struct object_guarded *guarded, const void *address);
void report_refusal(struct text *out, const struct page_refusal *refusal);

// Who called, as text in a line: "function+0x1c", "text+0x1234" when the function is not known, or
// "unknown" for 0.
void report_caller(struct text *out, uint32_t caller);
// What page_sites found, a line each.
void report_sites(struct text *out, const struct page_site *sites, size_t count,
                  const struct page_site *rest);
// What a watch does now. NULL: nobody watches.
void report_failures(struct text *out, const struct page_watch *watch);
void report_trace(struct text *out, const struct page_watch *watch);
// A window of kernel addresses: what is in use, a line each, and what waits or is kept for later.
void report_window(struct text *out, const char *name, struct vm_window *window);

// Records for programs, the same costs. Each is one line, here broken to fit:
//   {"record":"efi","index":0,"type":7,"name":"Conventional","start":"0x…","pages":159,
//    "attributes":"0x…"}
//   {"record":"region","start":"0x…","end":"0x…","class":"usable"}
//   {"record":"finding","kind":"overlap","severity":"warning","text":"…"}
//   {"record":"section","index":0,"start":"0x…","state":"split",
//    "free":[…19 counts of free blocks, order 0 to 18…]}
//   {"record":"slab","class":"64","object_size":64,"slabs":1,"objects":64,"in_use":3,
//    "slabs_most":1,"bytes":"0x…"}, and for what is beside the slabs
//   {"record":"slab-heap","large":0,"large_bytes":"0x…","overhead":"0x…","direct_map":"0x…"}
//   {"record":"ledger","account":"free","bytes":"0x…"}
//      and the accounts "total", "unaccounted", "left-by-firmware", "not-ram", "described",
//      "strata-itself"
void record_efi_map(struct text *out, const struct efi_map *map);
void record_regions(struct text *out, const struct memmap *map);
void record_findings(struct text *out, const struct memmap *map);
void record_buddy(struct text *out, struct page_allocator *allocator);
void record_ledger(struct text *out, const struct ledger *ledger);
//   {"record":"vm","window":"vmalloc","start":"0x…","pages":4,"kind":"vmalloc",
//    "physical":"0x…","cache":"write-back","caller":"function+0x1c"}   (one line; the first page's)
void record_window(struct text *out, const char *name, struct vm_window *window);
void record_slabs(struct text *out, struct object_heap *heap);
//   {"record":"pool","name":"interrupts","object_size":256,"guaranteed":16,"worst_case":16,
//    "available":16,"out":0,"out_most":0,"from_stock":0,"refused":0,"verdict":"guaranteed"}
void record_pools(struct text *out, struct object_heap *heap);

// Where the objects are: each slab and each large object, by address, then each guarded object. An
// object that lies in a CPU's magazine, or in quarantine, is free; bit i of `in_use` says that
// object i is in use, a digit has four of them, and there are as many digits as that takes, one at
// least. What is left of a slab of which pages went is a record for each piece.
// Behind 4096 slabs and large objects, and behind as many guarded ones, the rest is counted only.
//   {"record":"slab-block","cache":"kmalloc-64","start":"0x…","bytes":"0x1000","first":0,
//    "stride":64,"objects":64,"in_use":"0x0000000000000007","cpu":0}
//   {"record":"large-object","start":"0x…","bytes":"0x19000","wanted":"0x186a0","in_use":true,
//    "allocated_by":"function+0x1c","freed_by":null}
//   {"record":"guarded-object","cache":"kmalloc-112","start":"0x…","bytes":"0x1000",
//    "object":"0x…","object_size":100,"in_use":true,"allocated_by":"function+0x1c",
//    "freed_by":null}   (virtual addresses)
//   {"record":"objects-not-listed","slabs":3,"large":0,"guarded":0,"start":"0x…"}
//      where something was left out: no slab and no large object from `start` on is listed
// O(memory / 2 MiB + frames of 2 MiB with slabs + objects), and for guarded objects O(those of a
// bucket) each; takes no memory.
void record_objects(struct text *out, struct object_heap *heap);

// What the frames are: runs of neighbours in the same state; `order` and `owner` of those that are
// allocated. Free frames' blocks follow from which frames are free. Behind 4096 runs the rest is
// one, in the state "not-listed".
//   {"record":"frames","start":"0x…","end":"0x…","state":"free"}
//   {"record":"frames","start":"0x…","end":"0x…","state":"allocated","order":0,"owner":"slab"}
// O(frames of split sections).
void record_frames(struct text *out, struct page_allocator *allocator);

// A recording (mm/watch.h), which strata-replay reads: `trace`, how everything was at its start,
// and the last events, of which `trace-end` has the number. Sections that are not there were
// absent, frames that no run names were not the allocator's. A run of free frames has order 0.
//   {"record":"trace","sections":4,"recorded":14,"kept":14,"below_16m":0,"below_4g":0,"atomic":0}
//   {"record":"trace-section","index":0,"state":"split","span":262144,"own_metadata":false}
//   {"record":"trace-section","index":1,"state":"taken","as":"allocated","owner":"dma"}
//   {"record":"trace-run","start":"0x…","blocks":12,"state":"allocated","order":0,"owner":"slab"}
//   {"record":"trace-event","sequence":1,"operation":"alloc","status":"ok","start":"0x…","pages":8,
//    "order":3,"owner":"slab","ceiling":"0x…","cpu":0,"caller":"function+0x1c"}
//   {"record":"trace-end","events":14}
// All events have `start` and `pages`: what was given out, or what the call is about; beside them
// alloc has `order`, `owner`, `ceiling` and `"atomic":true`, free `order` and `owner`, contig
// `owner`, `ceiling`, `align` and `boundary` (bytes). `"injected":true`: it was made to fail.
void record_trace(struct text *out, const struct page_watch *watch);
