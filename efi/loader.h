// SPDX-License-Identifier: MIT
// The loader's state, and its steps in the order in which main.c takes them.
//
// Every step returns an EFI_STATUS; when it fails it has said why on the console (text/console.h,
// fail) and has changed nothing that main.c does not undo: all memory is had through
// firmware/memory.h, which knows what to give back.
#pragma once

#include <firmware/uefi.h>
#include <handover/layout.h>
#include <kernel/elf.h>
#include <machine/machine.h>
#include <options/options.h>

#include <strata/boot.h>

// Memory taken from the firmware, so that it can be given back; what is for the kernel gets into
// the contract under its kind.
struct loader_memory {
    uint64_t address, pages;
    uint32_t kind; // enum boot_range_kind; 0 for the loader's own use
};
#define LOADER_MEMORY_MAX (BOOT_BADRAM_MAX + BOOT_RANGE_MAX)

// Where the firmware's console is.
enum loader_console {
    CONSOLE_UNKNOWN,   // the firmware does not say
    CONSOLE_SERIAL,    // a serial port, perhaps beside others
    CONSOLE_ELSEWHERE, // errors go to COM1 as well
};

struct loader_log {
    char *text;
    size_t length, capacity;
    bool full; // lines were lost, and its last line says so
    enum loader_console console;
};

struct loader {
    EFI_HANDLE image;
    EFI_SYSTEM_TABLE *system;
    EFI_BOOT_SERVICES *boot; // NULL once boot services are over
    EFI_LOADED_IMAGE *loaded;
    EFI_FILE_HANDLE volume; // the root of the volume we were started from; NULL for none
    struct machine_features machine;
    struct loader_log log;
    struct options options;

    struct loader_memory memory[LOADER_MEMORY_MAX];
    size_t memory_count;

    const void *kernel_bytes; // the kernel's file, as it was found
    size_t kernel_size;
    struct elf_image kernel;
    uint64_t random[2]; // for the addresses
    uint64_t stack_top; // physical

    struct boot_info *info;   // the contract, as far as it is filled in
    uint64_t tables_capacity; // configuration tables that there is room for
    struct efi_map map;       // the firmware's map in our buffer, as last read
    uint64_t map_capacity;    // bytes of that buffer
    UINTN map_key;            // what the firmware wants back at exit
    struct {
        struct efi_descriptor *asked;   // as the file has them
        struct efi_descriptor *handed;  // room for what is handed over
        uint64_t asked_count, capacity; // of `handed`; 0: nothing is replayed
    } replay;
    struct machine_jump jump; // where to go
};

// options/read.c: the options file, then the LoadOptions. Under Secure Boot those that the loader
// carries, which its signature covers; a file that says anything else is refused.
EFI_STATUS options_read(struct loader *loader);

// firmware/badram.c: takes the memory that must not be touched out of the firmware's hands.
EFI_STATUS badram_take(struct loader *loader);

// firmware/replay.c: the map of another machine is read; and, once boot services have ended, laid
// over the real one in the contract.
EFI_STATUS replay_read(struct loader *loader);
void replay_apply(struct loader *loader);

// kernel/load.c: the kernel's file, checked; then its place, relocated to a random address.
EFI_STATUS kernel_find(struct loader *loader);
EFI_STATUS kernel_place(struct loader *loader);

// firmware/random.c: the random numbers for the addresses.
EFI_STATUS random_collect(struct loader *loader);

// firmware/collect.c: whether Secure Boot is on; what the firmware knows: tables, screen, names.
// The tables are copied once more when nothing can change them any longer.
EFI_STATUS collect_secure_boot(struct loader *loader);
EFI_STATUS collect_firmware(struct loader *loader);
void collect_tables(struct loader *loader);

// handover/contract.c: the contract; the stack and the trampoline; the named ranges as they are by
// now, and how many; the contract's last words.
EFI_STATUS contract_begin(struct loader *loader);
EFI_STATUS contract_room(struct loader *loader);
uint32_t contract_ranges(const struct loader *loader, struct boot_range ranges[BOOT_RANGE_MAX]);
void contract_finish(struct loader *loader);

// firmware/map.c: the firmware's map, read into a buffer that grows with it and lasts until the
// exit. And read once more into that buffer as it is: all that is allowed between two attempts to
// exit.
EFI_STATUS map_read(struct loader *loader);
// Keeps a copy of the map as it is now for the kernel to compare with.
EFI_STATUS map_keep_first(struct loader *loader);
EFI_STATUS map_reread(struct loader *loader);

// handover/address_space.c: the first page tables.
EFI_STATUS address_space_build(struct loader *loader);

// text/menu.c: what a person may want before it goes on. EFI_ABORTED: not to go on.
EFI_STATUS menu_show(struct loader *loader);

// firmware/record.c: the map and what Strata makes of it, written to the volume.
EFI_STATUS record_write(struct loader *loader);

// firmware/exit.c: the end of boot services. After the first attempt there is no firmware to return
// to: when it is refused for good, this says so on COM1 and stops.
EFI_STATUS exit_boot_services(struct loader *loader);
