// SPDX-License-Identifier: MIT
// What a person or a program reads: the firmware's map, the regions, the findings, the buddy and
// the ledger, as text and as JSON records. The kernel and the hosted map tool print with this same
// code.
//
// Records are one JSON object a line. Field names are stable: one may be added, none is renamed.
// Numbers that may exceed
// 2^53 are strings, "0x…".
#pragma once

#include <mm/ledger.h>
#include <mm/memmap.h>
#include <mm/page.h>
#include <strata/text.h>

// "Conventional", "Boot services data", …; "unknown" for a number that the specification does not
// define.
const char *efi_type_name(uint32_t type);
// "UC|WC|WT|WB|RUNTIME" into `buffer` (at least 96 bytes); returns `buffer`.
char *efi_attribute_names(uint64_t attributes, char *buffer);

// Text. Each starts with a heading line and ends with a newline.
void report_efi_map(struct text *out, const struct efi_map *map);
void report_regions(struct text *out, const struct memmap *map);
void report_findings(struct text *out, const struct memmap *map);
void report_buddy(struct text *out, struct page_allocator *allocator);
void report_ledger(struct text *out, const struct ledger *ledger);

// Words for the middle of a line: what a frame is ("allocated, in a block of order 3 at 0x12000,
// owner dma"), and, in whole sentences, why a request for contiguous frames was refused.
void report_frame(struct text *out, const struct page_info *info);
void report_refusal(struct text *out, const struct page_refusal *refusal);

// Records.
//   {"record":"efi","index":0,"type":7,"name":"Conventional","start":"0x…","pages":159,
//    "attributes":"0x…"}   (one line)
//   {"record":"region","start":"0x…","end":"0x…","class":"usable"}
//   {"record":"finding","kind":"overlap","severity":"warning","text":"…"}
//   {"record":"section","index":0,"start":"0x…","state":"split","free":[…19 counts, order 0 to
//   18…]}
//   {"record":"ledger","account":"free","bytes":"0x…"}   … and the accounts "total", "unaccounted",
//   "left-by-firmware", "not-ram", "described"
void record_efi_map(struct text *out, const struct efi_map *map);
void record_regions(struct text *out, const struct memmap *map);
void record_findings(struct text *out, const struct memmap *map);
void record_buddy(struct text *out, struct page_allocator *allocator);
void record_ledger(struct text *out, const struct ledger *ledger);
