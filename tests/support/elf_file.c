// SPDX-License-Identifier: MIT
// A good kernel file. See elf_file.h.
#include "elf_file.h"

#include <string.h>

void elf_file_put(struct elf_file *file, size_t at, uint64_t value, size_t size) {
    memcpy(file->bytes + at, &value, size);
}

size_t elf_file_program(unsigned index, size_t field) {
    return PROGRAMS + index * PROGRAM_BYTES + field;
}

void elf_file_put_program(struct elf_file *file, unsigned index, uint32_t type, uint32_t flags,
                          uint64_t offset, uint64_t address, uint64_t file_bytes,
                          uint64_t memory_bytes) {
    elf_file_put(file, elf_file_program(index, P_TYPE), type, 4);
    elf_file_put(file, elf_file_program(index, P_FLAGS), flags, 4);
    elf_file_put(file, elf_file_program(index, P_OFFSET), offset, 8);
    elf_file_put(file, elf_file_program(index, P_ADDRESS), address, 8);
    elf_file_put(file, elf_file_program(index, P_ADDRESS) + 8, address, 8);
    elf_file_put(file, elf_file_program(index, P_FILE), file_bytes, 8);
    elf_file_put(file, elf_file_program(index, P_MEMORY), memory_bytes, 8);
    elf_file_put(file, elf_file_program(index, P_ALIGN), type == 1 ? 0x100 : 8, 8);
}

static void put_relocation(struct elf_file *file, unsigned index, uint64_t offset,
                           uint64_t addend) {
    elf_file_put(file, RELOCATIONS + index * 24, offset, 8);
    elf_file_put(file, RELOCATIONS + index * 24 + 8, 8, 8);
    elf_file_put(file, RELOCATIONS + index * 24 + 16, addend, 8);
}

struct elf_file elf_file_good(void) {
    struct elf_file file;
    for (size_t i = 0; i < FILE_BYTES; i++) {
        file.bytes[i] = (uint8_t)(i * 7 + 1);
    }
    memset(file.bytes, 0, 0x280);
    memcpy(file.bytes,
           "\x7f"
           "ELF\x02\x01\x01",
           7);
    elf_file_put(&file, 16, 3, 2);
    elf_file_put(&file, 18, 62, 2);
    elf_file_put(&file, 20, 1, 4);
    elf_file_put(&file, 24, BASE + 0x10, 8);
    elf_file_put(&file, 32, PROGRAMS, 8);
    elf_file_put(&file, 52, 64, 2);
    elf_file_put(&file, 54, PROGRAM_BYTES, 2);
    elf_file_put(&file, 56, PROGRAM_COUNT, 2);
    elf_file_put_program(&file, TEXT, 1, 5, 0x300, BASE, 0x80, 0x80);
    elf_file_put_program(&file, CONSTANTS, 1, 4, 0x100, BASE + 0x1000, 0x200, 0x200);
    elf_file_put_program(&file, DATA, 1, 6, 0x300, BASE + 0x2000, 0x100, 0x1234);
    elf_file_put_program(&file, DYNAMIC, 2, 4, TABLE, BASE + 0x1080, 0x60, 0x60);
    static const uint64_t table[] = {7, BASE + 0x1100, 8, 72, 9, 24, 0x6ffffff9, 3, 0, 0};
    memcpy(file.bytes + TABLE, table, sizeof(table));
    put_relocation(&file, 0, BASE + 0x1008, BASE + 0x20);
    put_relocation(&file, 1, BASE + 0x2003, BASE + 0x2008); // at an odd address
    put_relocation(&file, 2, BASE + 0x2000 + 0x1234 - 8, BASE);
    return file;
}
