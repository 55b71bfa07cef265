// SPDX-License-Identifier: MIT
// Reads the files of tests/maps/ (tests/maps/README.md has the format) and of the collection MAPS=.
#pragma once

#include <mm/memmap.h>

#define MAP_FILE_CLAIMS 8

struct map_file {
    struct efi_descriptor *entries;
    size_t count;
    unsigned physical_bits;
    bool special_use;
    struct memmap_claim claims[MAP_FILE_CLAIMS];
    size_t claim_count;
    char *expected; // lines "region: …" and "finding: …" of the file, without "# "; "" for none
};

// Reads a file of descriptors or of e820 lines. Exits with a message when it cannot.
struct map_file map_file_read(const char *path);
void map_file_free(struct map_file *file);

// Calls `visit` for every NNN.txt of a folder, in the order of their names. Returns how many there
// were; -1 when there is no such folder.
int map_folder_visit(const char *folder, void (*visit)(const char *path));
