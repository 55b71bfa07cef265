// SPDX-License-Identifier: MIT
// The machine that a map describes, brought up as the kernel would: conversion, boot allocator,
// page allocator, reclaiming. Its memory is address space without pages behind it.
#pragma once

#include <mm/ledger.h>
#include <mm/memmap.h>
#include <mm/page.h>

struct machine {
    struct efi_map firmware;
    struct memmap map;
    struct page_allocator pages;
    bool has_pages; // there is a page allocator; else `without` says why not
    char without[160];
    uint64_t reclaimed[MEMORY_CLASS_COUNT_]; // pages, by the class they had
    void *storage;
};

struct machine_options {
    unsigned physical_bits;
    bool special_use;
};

// Converts the map. False when nothing can be made of it; its findings say why.
bool machine_convert(struct machine *machine, struct efi_map firmware,
                     const struct machine_options *options);
// Builds the page allocator over it and gives it what only the boot needed.
void machine_bring_up(struct machine *machine);
// NULL, or the sentence that does not hold: map, page allocator, ledger.
const char *machine_check(struct machine *machine);
void machine_free(struct machine *machine);
