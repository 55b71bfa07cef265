// SPDX-License-Identifier: MIT
// The kernel's file: a static position-independent ELF executable, checked before it is trusted.
//
//    file      header | program headers | text | read-only | data | relocations …
//    memory    [begin              text R-X | read-only R-- | data RW-, zeroes              end)
//
// Pure: bytes in, a description or a sentence out. Whatever the bytes are, nothing outside them is
// read, and elf_load writes nothing outside the image. Source: System V ABI, generic and AMD64
// supplement (ELF-64 object file format 1.5).
#pragma once

#include <strata/types.h>

#define ELF_SEGMENT_MAX  16
#define ELF_IMAGE_MAX    (256 * MIB) // an image larger than this is a mistake
#define ELF_ALIGN_MAX    (2 * MIB)   // the loader places images at multiples of this
#define ELF_DEFECT_BYTES 200

struct elf_segment {
    uint64_t begin;        // link address, page-aligned
    uint64_t memory_bytes; // what it takes in memory; the tail beyond the file's bytes is zero
    uint64_t offset;       // in the file
    uint64_t file_bytes;
    bool write, execute; // never both
};

struct elf_image {
    const uint8_t *bytes;
    size_t size;
    uint64_t begin, end; // link addresses, whole pages; begin is as aligned as any segment asks
    uint64_t entry;      // link address, in the file's bytes of an executable segment
    struct elf_segment segments[ELF_SEGMENT_MAX]; // ascending, disjoint by pages
    size_t segment_count;
    uint64_t relocations; // offset in the file
    uint64_t relocation_count;
};

// Checks everything that elf_load and the page tables rely on: class, machine, the bounds of every
// header, segment and relocation, no overlap, no segment both writable and executable, the entry in
// an executable one. False with what is wrong, and where, in `defect`. O(segments^2 + relocations).
bool elf_check(struct elf_image *image, const void *bytes, size_t size,
               char defect[ELF_DEFECT_BYTES]);

// Writes the image of elf_check, end - begin bytes, at `memory`, relocated to run with its begin at
// the virtual address `base`, a multiple of ELF_ALIGN_MAX. Every byte of the memory is written.
void elf_load(const struct elf_image *image, void *memory, uint64_t base);
