// SPDX-License-Identifier: MIT
// Memory that badram= names is taken out of the firmware's hands, as unusable, before the loader
// takes any for the kernel: so nothing of ours lands there, and the map says it from then on. What
// is in use already cannot be had; the kernel keeps it out by the contract's list.
#include <text/console.h>

// The part of the range that lies in the descriptor, without page 0, which nobody can be given.
static struct layout_span overlap(const struct boot_badram *range,
                                  const struct efi_descriptor *descriptor) {
    struct layout_span span = {range->begin.value, range->end.value, true};
    uint64_t begin = descriptor->physical_start, end = begin + descriptor->pages * PAGE_SIZE;
    begin = begin == 0 ? PAGE_SIZE : begin;
    span.begin = span.begin < begin ? begin : span.begin;
    span.end = span.end > end ? end : span.end;
    return span;
}

static uint64_t take(struct loader *loader, struct layout_span span) {
    EFI_PHYSICAL_ADDRESS address = span.begin;
    uint64_t pages = (span.end - span.begin) / PAGE_SIZE;
    if (loader->memory_count == LOADER_MEMORY_MAX - BOOT_RANGE_MAX ||
        EFI_ERROR(
            loader->boot->AllocatePages(AllocateAddress, EfiUnusableMemory, pages, &address))) {
        return 0;
    }
    loader->memory[loader->memory_count++] = (struct loader_memory){span.begin, pages, 0};
    return pages;
}

static void expand_patterns(struct loader *loader) {
    struct boot_options *options = &loader->options.boot;
    for (uint32_t i = 0; i < loader->options.pattern_count; i++) {
        const struct badram_pattern *pattern = &loader->options.patterns[i];
        uint32_t before = options->badram_count;
        struct badram_left left = badram_expand(options, pattern, &loader->map);
        say(loader, BOOT_LOG_INFO, "badram: " X64 "," X64 " names %u ranges of RAM",
            pattern->address, pattern->mask, options->badram_count - before);
        if (left.places != 0) {
            say(loader, BOOT_LOG_ERROR,
                "badram: " X64 "," X64 " names " U64 " more, " U64 " pages, from " X64
                " on: there is room for %u ranges in all, SO THESE STAY IN USE",
                pattern->address, pattern->mask, left.places, left.pages, left.first,
                BOOT_BADRAM_MAX);
        }
    }
}

EFI_STATUS badram_take(struct loader *loader) {
    expand_patterns(loader);
    const struct boot_options *options = &loader->options.boot;
    uint64_t named = 0, taken = 0;
    for (uint32_t i = 0; i < options->badram_count; i++) {
        const struct boot_badram *range = &options->badram[i];
        named += (range->end.value - range->begin.value) / PAGE_SIZE;
        // A piece can only be had whole, so the map has to be as it is now.
        EFI_STATUS status = map_read(loader);
        if (EFI_ERROR(status)) {
            return status;
        }
        for (uint64_t at = 0; at < efi_map_count(&loader->map); at++) {
            struct efi_descriptor descriptor = efi_map_entry(&loader->map, at);
            struct layout_span span = overlap(range, &descriptor);
            if (descriptor.type == EFI_CONVENTIONAL && span.begin < span.end) {
                taken += take(loader, span);
            }
        }
    }
    if (named != 0) {
        say(loader, BOOT_LOG_INFO, "badram: " U64 " pages named, " U64 " of them taken while free",
            named, taken);
    }
    return EFI_SUCCESS;
}
