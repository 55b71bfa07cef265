// SPDX-License-Identifier: MIT
// The linker script's marks as numbers.
#include <mm/port.h>
#include <paging/image.h>

extern const uint8_t kernel_text_end[] __attribute__((visibility("hidden")));
extern const uint8_t kernel_rodata_begin[] __attribute__((visibility("hidden")));
extern const uint8_t kernel_data_begin[] __attribute__((visibility("hidden")));
extern const uint8_t kernel_image_end[] __attribute__((visibility("hidden")));

static uint64_t offset_of(const uint8_t *mark) {
    return (uint64_t)mark - (uint64_t)kernel_image_begin;
}

struct layout_image image_segments(void) {
    return (struct layout_image){
        .text_end = offset_of(kernel_rodata_begin),
        .rodata_end = offset_of(kernel_data_begin),
        .data_end = offset_of(kernel_image_end),
    };
}

bool image_is_code(vaddr_t address) {
    return address.value - (uint64_t)kernel_image_begin < offset_of(kernel_text_end);
}
