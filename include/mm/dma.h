// SPDX-License-Identifier: MIT
// Memory that devices read and write: contiguous, and where the device can reach it.
//
// A device names memory by its physical address, can often reach only a part of it, and sometimes
// counts with an adder that does not carry: a buffer must then not cross a multiple of some size.
//
//        request             align   below    crossing no     is refused only when
//     |<--- bytes --->|
//   ──┬───────────────┬──────────────────────┬─── physical    no free run anywhere
//     at a multiple   all of it below the    ┊                has such a place
//     of `align`      ceiling                no multiple of `boundary` inside
//
// Devices that ask for it:
//   UHCI frame list and schedule   dma_alloc(pages, 28 * KIB, 4 * KIB, DMA_BELOW_4G, 0, …)
//   any device with 32-bit DMA     dma_alloc(pages, bytes, 0, DMA_BELOW_4G, 0, …)
//   xHCI transfer ring             dma_alloc(pages, bytes, 64, PAGE_ANYWHERE, 64 * KIB, …)
//   ISA DMA, channels 0 to 3       dma_alloc(pages, bytes, 0, DMA_BELOW_16M, 64 * KIB, …)
//   ISA DMA, channels 5 to 7       dma_alloc(pages, bytes, 0, DMA_BELOW_16M, 128 * KIB, …)
// Sources: Intel, UHCI Design Guide 1.1, 1.2 (a frame list is 4 KiB, aligned to its size, at a
// 32-bit address); xHCI Specification 1.2, table 6-1 (a ring segment is aligned to 64 bytes and
// crosses no 64 KiB boundary); Intel 8237A data sheet and the IBM PC/AT's page registers (24 bits
// of address, of which 16 are counted; 17 by the second controller).
#pragma once

#include <mm/page.h>

#define DMA_BELOW_16M ((paddr_t){16 * MIB})
#define DMA_BELOW_4G  ((paddr_t){4 * GIB})

struct dma_buffer {
    paddr_t address; // what the device is told
    void *pointer;   // the same memory for the CPU, through the direct map
    uint64_t bytes;  // as asked for; the rest of the last page is the caller's as well
};

// Takes `bytes` of contiguous memory, cleared, for PAGE_OWNER_DMA: whole pages, so aligned to 4 KiB
// at least. They begin at a multiple of `align` bytes, end at or below `ceiling` (rounded down to a
// page), and cross no multiple of `boundary` bytes; both are powers of two, 0 for none.
// PAGE_NO_MEMORY when no free memory satisfies it: `*out` is unchanged and `*refusal` says why,
// which report_refusal puts into sentences. With NULL for `refusal` these go into the log.
// PAGE_BAD_REQUEST when no memory ever could: no bytes, more than `boundary`, no power of two.
// O(bytes), and as page_alloc_contig.  Any context.
enum page_status dma_alloc(struct page_allocator *allocator, uint64_t bytes, uint64_t align,
                           paddr_t ceiling, uint64_t boundary, struct dma_buffer *out,
                           struct page_refusal *refusal);

// Gives back what dma_alloc filled in, and empties it. Panics, as page_free does, when it is not
// that.
void dma_free(struct page_allocator *allocator, struct dma_buffer *buffer);
