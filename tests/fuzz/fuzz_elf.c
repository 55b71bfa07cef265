// SPDX-License-Identifier: MIT
// Any bytes as a kernel's file: refused with a reason, or loaded into exactly the memory that the
// check announced, with nothing writable and executable.
#include <stdlib.h>
#include <string.h>

#include <kernel/elf.h>

#define LOADED_MAX (4 * MIB) // larger images are checked and not loaded: that only costs time

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct elf_image image;
    char defect[ELF_DEFECT_BYTES];
    if (!elf_check(&image, data, size, defect)) {
        if (strlen(defect) < 10) {
            abort();
        }
        return 0;
    }
    uint64_t end = image.begin;
    for (size_t i = 0; i < image.segment_count; i++) {
        const struct elf_segment *segment = &image.segments[i];
        if ((segment->write && segment->execute) || segment->begin < end) {
            abort();
        }
        end = align_up(segment->begin + segment->memory_bytes, PAGE_SIZE);
    }
    if (end != image.end) {
        abort();
    }
    if (image.end > image.begin && image.end - image.begin <= LOADED_MAX) {
        void *memory = malloc(image.end - image.begin);
        elf_load(&image, memory, UINT64_C(0xffffffff80000000));
        free(memory);
    }
    return 0;
}
