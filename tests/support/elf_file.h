// SPDX-License-Identifier: MIT
// A small kernel file that is good, for tests to damage: text R-X at BASE, constants R-- behind it,
// data RW- with zeroes behind that; three relocations, one of them at an odd address.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Where its parts are.
enum {
    PROGRAMS = 64,
    PROGRAM_BYTES = 56,
    TEXT = 0,
    CONSTANTS = 1,
    DATA = 2,
    DYNAMIC = 3,
    PROGRAM_COUNT = 4,
    TABLE = 0x180, // dynamic
    RELOCATIONS = 0x200,
    FILE_BYTES = 0x400,
};
#define BASE UINT64_C(0x10000)

struct elf_file {
    uint8_t bytes[FILE_BYTES];
};

// Fields of a program header.
enum {
    P_TYPE = 0,
    P_FLAGS = 4,
    P_OFFSET = 8,
    P_ADDRESS = 16,
    P_FILE = 32,
    P_MEMORY = 40,
    P_ALIGN = 48
};

struct elf_file elf_file_good(void);

// The offset of a field of a program header.
size_t elf_file_program(unsigned index, size_t field);

// Writes `size` bytes of `value`, little-endian.
void elf_file_put(struct elf_file *file, size_t at, uint64_t value, size_t size);

// Writes a whole program header.
void elf_file_put_program(struct elf_file *file, unsigned index, uint32_t type, uint32_t flags,
                          uint64_t offset, uint64_t address, uint64_t file_bytes,
                          uint64_t memory_bytes);
