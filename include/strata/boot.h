// SPDX-License-Identifier: MIT
// The boot contract: everything that the loader tells the kernel.
//
// The loader fills in one `struct boot_info`, in memory of type EfiLoaderData, after it has left
// boot services, and jumps to the kernel's entry with a pointer to it. The contract holds physical
// addresses only and no pointers. The map is the firmware's, byte for byte: nothing is
// pre-digested. Each piece of memory that the loader made for the kernel is in `ranges` under a
// name, so that the kernel can keep or reclaim each one knowingly.
//
// State of the machine at the kernel's entry:
//   RDI   virtual address of the boot_info, through the direct map
//   RSP   top of the boot stack (range BOOT_RANGE_STACK, through the direct map), 16-byte aligned
//         minus 8, as if called
//   CR3   the loader's tables: the page that jumps, at its own address (gone once the kernel builds
//         its tables); the direct map at `direct_map`; the kernel's segments at `kernel_virtual`
//         with their own permissions; nothing is both writable and executable
//   IF=0, DF=0, CR0.WP=1, CR0.NE=1, EFER.NXE=1 where the CPU has NX; GDT and IDT are still the
//   firmware's or the loader's and must be replaced before anything can trap
//
// A kernel that finds another magic, version, size or checksum must stop with a message
// (boot_info_defect).
#pragma once

#include <strata/efi.h>
#include <strata/types.h>

#define BOOT_MAGIC   UINT64_C(0x0041544152545308) // "\bSTRATA\0" read as a little-endian number
#define BOOT_VERSION 8

// What a named range is. The kernel keeps or reclaims by this name.
enum boot_range_kind {
    BOOT_RANGE_KERNEL = 1,  // the kernel's image, all segments
    BOOT_RANGE_INFO,        // this structure
    BOOT_RANGE_MAP,         // the firmware's map
    BOOT_RANGE_PAGE_TABLES, // the loader's page tables
    BOOT_RANGE_STACK,       // the boot stack
    BOOT_RANGE_WORKSPACE,   // empty room for the converted map (boot_info.workspace_bytes)
    BOOT_RANGE_LOG,         // what the loader had to say, as text
    BOOT_RANGE_TABLES,      // the copy of the configuration table array
    BOOT_RANGE_TRAMPOLINE,  // one page below 640 KiB, for starting other CPUs
    BOOT_RANGE_FIRST_MAP,   // the firmware's map as the loader found it
    BOOT_RANGE_KIND_COUNT_,
};

struct boot_range {
    paddr_t begin;
    uint64_t pages;
    uint32_t kind; // enum boot_range_kind
    uint32_t padding;
};

// How much room the converted map needs for a firmware map of `descriptors` entries: the loader
// allocates it, zeroed.
#define BOOT_WORKSPACE_BYTES(descriptors) (64 * KIB + UINT64_C(384) * (descriptors))

#define BOOT_RANGE_MAX       32
#define BOOT_BADRAM_MAX      64
#define BOOT_OPTION_TEXT_MAX 2048
#define BOOT_GUARD_MAX       24
#define BOOT_RESERVE_DEFAULT UINT64_MAX // the kernel chooses

// A range of frames that an option declares bad: [begin, end), page-aligned by the option parser
// (rounded outward).
struct boot_badram {
    paddr_t begin, end;
};

// Which requests for memory are made to fail.
enum boot_failing {
    BOOT_FAIL_NEVER,
    BOOT_FAIL_NTH,
    BOOT_FAIL_EVERY,
    BOOT_FAIL_RANDOM,
    BOOT_FAIL_COUNT_,
};

// How the firmware's runtime services are called.
enum boot_runtime {
    BOOT_RUNTIME_IDENTITY, // at their physical addresses
    BOOT_RUNTIME_VIRTUAL,  // at virtual ones, after SetVirtualAddressMap
    BOOT_RUNTIME_OFF,      // not at all
    BOOT_RUNTIME_COUNT_,
};

// Which serial port the kernel talks over.
enum boot_serial {
    BOOT_SERIAL_AUTO,   // the one that the ACPI tables name, else COM1
    BOOT_SERIAL_OFF,    // none
    BOOT_SERIAL_PORT,   // at that I/O port
    BOOT_SERIAL_MEMORY, // with registers in memory, four bytes apart
    BOOT_SERIAL_COUNT_,
};

enum boot_log_level { BOOT_LOG_ERROR, BOOT_LOG_WARNING, BOOT_LOG_INFO, BOOT_LOG_DEBUG };

enum {
    BOOT_DEBUG_OWNER = 1, // who allocated each page is kept
    BOOT_DEBUG_SLAB = 2,  // red zones, poison and call sites of objects
};

enum {
    BOOT_CLEAR_ALLOC = 1, // objects are cleared when they are handed out,
    BOOT_CLEAR_FREE = 2,  // and when they are given back
};

// What the person asked for, already parsed by the loader; `text` is what they wrote, for showing.
// The table in efi/options/options.c has the name, the values and a line of help for each.
struct boot_options {
    uint32_t kaslr;         // 1: random bases (default); 0: fixed ones
    uint32_t acpi_keep;     // 1: ACPI reclaim memory is kept
    uint32_t record;        // 1: the map is written to the ESP (default)
    uint32_t special_use;   // 1: special-purpose memory is given out
    uint32_t log_level;     // enum boot_log_level; BOOT_LOG_INFO by default
    uint32_t exit_on_panic; // 1: a panic ends QEMU through its isa-debug-exit device at port 0xf4
    uint32_t badram_count;
    uint32_t memtest_passes;    // over all free memory, before it is given out; 0 for none
    uint32_t debug;             // BOOT_DEBUG_… bits
    uint32_t fail;              // enum boot_failing
    uint32_t runtime;           // enum boot_runtime
    uint32_t clear;             // BOOT_CLEAR_… bits
    uint32_t page_seconds;      // how long each page is shown to nobody; 0: none is
    uint32_t serial;            // enum boot_serial
    char guard[BOOT_GUARD_MAX]; // the cache whose objects get pages of their own, or a size; ""
    uint32_t guard_begin;       // 1: the object lies at the begin of its pages; 0: at the end
    uint32_t padding;
    uint64_t serial_address;
    uint64_t fail_n;    // at least 1 when requests are made to fail
    uint64_t fail_seed; // of BOOT_FAIL_RANDOM; 0: the kernel chooses
    // What ordinary requests leave free, in bytes, whole pages; or BOOT_RESERVE_DEFAULT.
    uint64_t reserve_below_16m, reserve_below_4g, reserve_atomic;
    struct boot_badram badram[BOOT_BADRAM_MAX];
    char run[512]; // monitor commands, separated by ';', to run before the prompt; "" for none
    char text[BOOT_OPTION_TEXT_MAX]; // the options as given, separated by spaces
};

enum boot_pixel_format {
    BOOT_PIXEL_NONE,
    BOOT_PIXEL_RGBX,
    BOOT_PIXEL_BGRX,
    BOOT_PIXEL_MASK,
    BOOT_PIXEL_BLT_ONLY
};

struct boot_framebuffer {
    paddr_t base; // 0 when there is none
    uint64_t bytes;
    uint32_t width, height;                                  // pixels
    uint32_t pitch_pixels;                                   // pixels from one line to the next
    uint32_t format;                                         // enum boot_pixel_format
    uint32_t red_mask, green_mask, blue_mask, reserved_mask; // for BOOT_PIXEL_MASK
};

struct boot_info {
    uint64_t magic;    // BOOT_MAGIC
    uint32_t version;  // BOOT_VERSION
    uint32_t size;     // sizeof(struct boot_info)
    uint64_t checksum; // boot_info_checksum() with this field 0

    // The firmware's map at exit; or, when something is replayed, another machine's, laid over it.
    paddr_t map;
    uint64_t map_bytes;
    uint32_t map_stride;
    uint32_t map_version;
    uint32_t replayed; // descriptors of the other machine's map; 0: the map is this machine's
    // Pieces of them that there was no room for, and those that wrap; UINT32_MAX: no room at all.
    uint32_t replay_left_out;

    // The map when the loader began, with the same stride and version.
    paddr_t first_map; // 0 when it was not kept
    uint64_t first_map_bytes;

    // Room for the converted map, zeroed: at least BOOT_WORKSPACE_BYTES of the map's descriptors.
    paddr_t workspace;
    uint64_t workspace_bytes;

    // The system table's configuration tables, copied: `table_count` of struct
    // efi_configuration_table.
    paddr_t tables;
    uint64_t table_count;
    paddr_t rsdp;   // ACPI 2.0 entry if there is one, else 1.0; 0 when the firmware has neither
    paddr_t smbios; // SMBIOS 3 entry point, else 2; 0 for none
    paddr_t memory_attributes; // EFI_MEMORY_ATTRIBUTES_TABLE; 0 for none
    paddr_t system_table;      // EFI_SYSTEM_TABLE (the runtime services are found from it)

    // Where everything is.
    paddr_t kernel_physical; // 2 MiB-aligned
    vaddr_t kernel_virtual;  // 2 MiB-aligned, in the top 2 GiB
    uint64_t kernel_bytes;
    vaddr_t direct_map;        // physical address p is mapped at direct_map + p
    uint64_t direct_map_bytes; // [0, this) of physical space is covered, where the map names memory
    paddr_t page_tables;       // the root (CR3)
    uint32_t paging_levels;    // 4 or 5
    uint32_t random_sources;   // bit 0 EFI_RNG_PROTOCOL, bit 1 RDRAND, bit 2 TSC and the map
    uint64_t random_seed;      // for addresses that the kernel chooses; 0 without kaslr
    paddr_t trampoline;        // one page below 640 KiB; 0 when none could be had

    // Text of the loader: lines, UTF-8, not NUL-terminated.
    paddr_t log;
    uint64_t log_bytes;
    uint32_t log_shown; // 1: it stood on a serial line already, as far as log_level let it
    uint32_t log_padding;

    // Time stamps (TSC): efi_main entered, the last GetMemoryMap called, the jump.
    uint64_t tsc_loader, tsc_exit, tsc_jump;
    uint32_t exit_attempts; // calls of ExitBootServices
    uint32_t secure_boot;   // 1 when the firmware enforces it

    uint32_t uefi_revision; // major << 16 | minor
    uint32_t firmware_revision;
    char firmware_vendor[64]; // UTF-8, NUL-terminated

    struct boot_framebuffer framebuffer;
    struct boot_options options;

    uint32_t range_count;
    uint32_t padding;
    struct boot_range ranges[BOOT_RANGE_MAX];
};

// The 64-bit FNV-1a hash of the structure, its checksum field read as 0.  O(size).
static inline uint64_t boot_info_checksum(const struct boot_info *info) {
    const uint8_t *bytes = (const uint8_t *)info;
    size_t skip = offsetof(struct boot_info, checksum);
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < sizeof(*info); i++) {
        uint8_t byte = i - skip < sizeof(info->checksum) ? 0 : bytes[i];
        hash = (hash ^ byte) * UINT64_C(0x100000001b3);
    }
    return hash;
}

// NULL when this kernel can trust the contract, else what is wrong with it. Reads no further than
// the fields it has found to be there.
static inline const char *boot_info_defect(const struct boot_info *info) {
    if (info->magic != BOOT_MAGIC) {
        return "the boot contract's magic is wrong: this is not a Strata loader's boot_info";
    }
    if (info->version != BOOT_VERSION) {
        return "the boot contract's version is not this kernel's: loader and kernel do not belong "
               "together";
    }
    if (info->size != sizeof(*info)) {
        return "the boot contract's size is not this kernel's: loader and kernel do not belong "
               "together";
    }
    if (info->checksum != boot_info_checksum(info)) {
        return "the boot contract's checksum is wrong: it was damaged on the way";
    }
    return NULL;
}
