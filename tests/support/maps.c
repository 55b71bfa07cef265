// SPDX-License-Identifier: MIT
// Reading map files: see maps.h.
#include "maps.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECTED_BYTES ((size_t)1 << 16)

static enum memory_class class_named(const char *name) {
    for (enum memory_class class = 0; class < MEMORY_CLASS_COUNT_; class ++) {
        if (strcmp(name, memory_class_name(class)) == 0) {
            return class;
        }
    }
    fprintf(stderr, "no class is named %s\n", name);
    exit(2);
}

static void read_remark(struct map_file *file, const char *line) {
    unsigned long begin;
    unsigned long end;
    char name[16];
    if (sscanf(line, "physical-bits: %u", &file->physical_bits) == 1) {
        return;
    }
    if (strncmp(line, "special=use", 11) == 0) {
        file->special_use = true;
    } else if (file->claim_count < MAP_FILE_CLAIMS &&
               sscanf(line, "claim: [%lx, %lx) %15s", &begin, &end, name) == 3) {
        file->claims[file->claim_count++] =
            (struct memmap_claim){paddr(begin), paddr(end), class_named(name)};
    } else if (strncmp(line, "region: ", 8) == 0 || strncmp(line, "finding: ", 9) == 0) {
        size_t used = strlen(file->expected);
        snprintf(file->expected + used, EXPECTED_BYTES - used, "%s", line);
    }
}

// A table of the BIOS as the firmware's map that it was probably made from.
static uint32_t e820_efi_type(unsigned long type) {
    switch (type) {
    case 1:
    case 0xefffffff:
        return EFI_CONVENTIONAL;
    case 3:
        return EFI_ACPI_RECLAIM;
    case 4:
        return EFI_ACPI_NVS;
    case 5:
        return EFI_UNUSABLE;
    case 7:
    case 12:
        return EFI_PERSISTENT;
    default:
        return EFI_RESERVED;
    }
}

static bool read_entry(const char *line, struct efi_descriptor *entry) {
    unsigned long start;
    unsigned long size;
    unsigned long type;
    *entry = (struct efi_descriptor){0};
    if (sscanf(line, "e820 %lx %lx %li", &start, &size, (long *)&type) == 3) {
        entry->type = e820_efi_type(type);
        entry->physical_start = start;
        entry->pages = size / PAGE_SIZE + (size % PAGE_SIZE != 0);
        entry->attributes = type == 0xefffffff ? 0xf | EFI_ATTRIBUTE_SP : 0xf;
        return true;
    }
    return sscanf(line, "%" SCNu32 " %lx %lu %lx", &entry->type, &entry->physical_start,
                  &entry->pages, &entry->attributes) == 4;
}

struct map_file map_file_read(const char *path) {
    FILE *stream = fopen(path, "r");
    if (stream == NULL) {
        perror(path);
        exit(2);
    }
    struct map_file file = {.expected = calloc(1, EXPECTED_BYTES)};
    size_t capacity = 0;
    char line[512];
    while (fgets(line, sizeof(line), stream) != NULL) {
        struct efi_descriptor entry;
        if (line[0] == '#') {
            read_remark(&file, line + (line[1] == ' ' ? 2 : 1));
        } else if (read_entry(line, &entry)) {
            if (file.count == capacity) {
                capacity = capacity * 2 + 64;
                file.entries = realloc(file.entries, capacity * sizeof(*file.entries));
            }
            file.entries[file.count++] = entry;
        } else if (line[0] != '\n') {
            fprintf(stderr, "%s: not a descriptor: %s", path, line);
            exit(2);
        }
    }
    fclose(stream);
    return file;
}

void map_file_free(struct map_file *file) {
    free(file->entries);
    free(file->expected);
}

static int is_map(const struct dirent *entry) {
    const char *dot = strrchr(entry->d_name, '.');
    return dot != NULL && strcmp(dot, ".txt") == 0;
}

int map_folder_visit(const char *folder, void (*visit)(const char *path)) {
    struct dirent **names;
    int count = scandir(folder, &names, is_map, alphasort);
    for (int i = 0; i < count; i++) {
        char path[1024];
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
        visit(path);
        free(names[i]);
    }
    if (count >= 0) {
        free(names);
    }
    return count;
}
