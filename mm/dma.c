// SPDX-License-Identifier: MIT
// Memory for devices: page_alloc_contig in bytes, cleared.
//
// A boundary smaller than a page never stands in the way of a buffer that begins at a page and is
// no larger than it; a larger one is a multiple of whole pages, so rounding the buffer up to pages
// does not make it cross.
#include <mm/dma.h>
#include <mm/report.h>
#include <string.h>

static uint64_t pages_of(uint64_t bytes) {
    return bytes / PAGE_SIZE + (bytes % PAGE_SIZE != 0);
}

static bool power_of_two_or_none(uint64_t value) {
    return (value & (value - 1)) == 0;
}

static void log_refusal(uint64_t bytes, const struct page_refusal *refusal) {
    char sentences[400];
    struct text_buffer text;
    text_buffer_init(&text, sentences, sizeof(sentences));
    report_refusal(&text.text, refusal);
    port_log(PORT_WARNING, "dma: %lu bytes refused: %s", bytes, sentences);
}

enum page_status dma_alloc(struct page_allocator *allocator, uint64_t bytes, uint64_t align,
                           paddr_t ceiling, uint64_t boundary, struct dma_buffer *out,
                           struct page_refusal *refusal) {
    pfn_t first;
    struct page_refusal why;
    if (!power_of_two_or_none(boundary) || (boundary != 0 && bytes > boundary)) {
        return PAGE_BAD_REQUEST;
    }
    enum page_status status =
        page_alloc_contig(allocator, pages_of(bytes), align, ceiling,
                          boundary < PAGE_SIZE ? 0 : boundary, PAGE_OWNER_DMA, &first, &why);
    if (status == PAGE_OK) {
        *out = (struct dma_buffer){paddr_of(first), port_direct_map(paddr_of(first)), bytes};
        memset(out->pointer, 0, pages_of(bytes) * PAGE_SIZE);
    }
    if (status == PAGE_NO_MEMORY && refusal != NULL) {
        *refusal = why;
    } else if (status == PAGE_NO_MEMORY) {
        log_refusal(bytes, &why);
    }
    return status;
}

void dma_free(struct page_allocator *allocator, struct dma_buffer *buffer) {
    page_free_contig(allocator, pfn_of(buffer->address), pages_of(buffer->bytes));
    *buffer = (struct dma_buffer){.bytes = 0};
}
