// SPDX-License-Identifier: MIT
// The memory map: the firmware's descriptors in, sorted regions out, a list of findings beside
// them.
//
//    descriptors (any order, any stride, overlapping, wrong)
//        7 [0x000000, 0x0a0000)   7 [0x100000, 0x800000)   10 [0x700000, 0x701000)  …
//    regions (sorted, disjoint, page-aligned, neighbours of one class merged)
//        low [0, 0xa0000)   usable [0x100000, 0x700000)   nvs [0x700000, 0x701000)   usable
//        [0x701000, 0x800000) …
//
// The conversion is pure: it reads the input, writes the caller's storage and nothing else. Where
// two descriptors overlap the more restrictive class wins; nothing in the input is trusted.
//
// Descriptors are cut into whole pages. Of usable memory only the pages that are wholly described
// count; everything else takes every page that it touches, but of memory that is given out later
// (boot services, loader, ACPI) a page that is only partly described is reserved. The pages that
// are described this way, each counted once, are `described_bytes`, and the bytes of all classes
// add up to exactly that (memmap_check). Empty descriptors, descriptors that run past the top of
// the address space or begin beyond the CPU's addresses describe nothing.
//
// Below 1 MiB nothing is given out, now or later: usable, boot-services, loader and ACPI memory is
// `low` there, page 0 with it.
#pragma once

#include <strata/efi.h>
#include <strata/text.h>
#include <strata/types.h>

// What a region is, from the least restrictive to the most: where two claims overlap, the higher
// number wins.
enum memory_class {
    MEMORY_USABLE,     // given to the page allocator
    MEMORY_BOOTSVC,    // boot services' memory: usable once everything that lies in it was copied
    MEMORY_LOADER,     // the loader's memory: usable once the kernel stands on its own
    MEMORY_ACPI,       // ACPI reclaim: usable once the tables were copied
    MEMORY_SPECIAL,    // special-purpose RAM (EFI_MEMORY_SP): kept unless asked for
    MEMORY_UNACCEPTED, // RAM of a confidential VM that was not accepted: kept
    MEMORY_PMEM,       // persistent memory: kept, not counted as RAM
    MEMORY_LOW,        // RAM below 1 MiB: kept, for firmware writes to it
    MEMORY_METADATA,   // carved by the boot allocator for the page allocator's own structures
    MEMORY_KERNEL,     // the kernel's image and what it was handed by name
    MEMORY_NVS,        // ACPI non-volatile storage: kept
    MEMORY_RUNTIME,    // runtime services: kept and mapped for them
    MEMORY_RESERVED,   // reserved, unknown, OEM, RAM without write-back: kept; not counted as RAM
    MEMORY_MMIO,       // device registers; not RAM
    MEMORY_BAD,        // never touched, not even mapped
    MEMORY_CLASS_COUNT_,
};

// "usable", "bootsvc", … : stable, used in records.
const char *memory_class_name(enum memory_class class);

// Whether bytes of this class count as RAM in the ledger.
bool memory_class_is_ram(enum memory_class class);

struct memory_region {
    paddr_t begin, end; // page-aligned, begin < end
    enum memory_class class;
};

enum finding_rule {
    FINDING_BAD_STRIDE,     // a stride shorter than a descriptor: nothing can be read
    FINDING_TRAILING_BYTES, // the map's size is no multiple of the stride
    FINDING_EMPTY_MAP,      // no descriptor at all
    FINDING_ZERO_LENGTH,    // dropped
    FINDING_WRAPS,          // runs past the top of the address space: dropped
    FINDING_MISALIGNED,     // start is no multiple of 4 KiB: usable rounded inward, others outward
    FINDING_BEYOND_PHYSICAL_WIDTH, // above what the CPU can address: clipped or dropped
    FINDING_UNSORTED,  // starts below the descriptor before it (said once, with a count)
    FINDING_OVERLAP,   // two descriptors of different class share bytes: the more restrictive wins
    FINDING_DUPLICATE, // two descriptors say the same, or overlap with the same class
    FINDING_RUNTIME_TYPE_WITHOUT_ATTRIBUTE,  // type 5 or 6: kept as runtime
    FINDING_RUNTIME_ATTRIBUTE_ON_OTHER_TYPE, // on RAM of another type: kept as runtime
    FINDING_RAM_WITHOUT_WB,                  // RAM that cannot be cached write-back: reserved
    FINDING_RAM_UNCACHED_BY_MTRR,            // the MTRRs make it uncached
    FINDING_SPECIAL_PURPOSE,                 // kept, or used with special=use
    FINDING_UNACCEPTED,                      // kept
    FINDING_UNKNOWN_TYPE,                    // reserved
    FINDING_UNDEFINED_ATTRIBUTES,            // attribute bits that no specification defines
    FINDING_TABLE_IN_USABLE_MEMORY,          // it would have been handed out: pinned
    FINDING_BAD_ATTRIBUTES_TABLE,            // its header cannot be believed: not applied
    FINDING_ATTRIBUTES_ENTRY_OUTSIDE,        // of its runtime descriptor: not applied
    FINDING_BAD_CHECKSUM,                    // RSDP or a table
    FINDING_BAD_TABLE,     // a table that cannot be read, or says an impossible length: not used
    FINDING_WINDOW_IN_RAM, // local APIC or ECAM window inside RAM: the window wins
    FINDING_RAM_OUTSIDE_NODES, // SRAT has nodes for other RAM only: used all the same
    FINDING_NODE_OUTSIDE_RAM,  // SRAT gives a node memory that the map does not call RAM: not used
    FINDING_MEMORY_SIZE,       // SMBIOS says that more, or less, is installed: the map is believed
    FINDING_RULE_COUNT_,
};

enum finding_severity { FINDING_NOTE, FINDING_WARNING, FINDING_ERROR };

#define FINDING_NO_DESCRIPTOR UINT32_MAX

struct finding {
    enum finding_rule rule;
    enum finding_severity severity;
    uint32_t descriptor[2]; // indices into the firmware's map, or FINDING_NO_DESCRIPTOR
    uint64_t begin, end;    // the bytes concerned, as far as they could be read
    uint64_t detail;        // by rule: type, attributes, class, count; see finding_print
    char name[8];           // a table's signature or a window's name; "" for none
};

// Why an entry of the attributes table was not applied; the upper half of its finding's detail, the
// entry's index being the lower.
enum attributes_defect {
    ATTRIBUTES_VALID,
    ATTRIBUTES_NO_HOME,       // not wholly inside one runtime descriptor of its type
    ATTRIBUTES_WRONG_TYPE,    // neither runtime code nor runtime data
    ATTRIBUTES_NO_PAGES,      // empty, or not page-aligned
    ATTRIBUTES_NO_PERMISSION, // neither read-only nor execute-protected
};

// What SMBIOS and the map disagree on; the detail of FINDING_MEMORY_SIZE, whose `begin` is how many
// bytes are installed and `end` what they are compared with.
enum memory_size_defect {
    MEMORY_SIZE_TOO_MUCH,    // the map has more RAM than is installed
    MEMORY_SIZE_MISSING,     // the map says nothing of much of what is installed
    MEMORY_SIZE_CONTRADICTS, // SMBIOS itself gives more addresses to it than it has bytes
};

// "zero-length", "overlap", … : stable, used in records.
const char *finding_rule_name(enum finding_rule rule);
const char *finding_severity_name(enum finding_severity severity);

// One sentence without a newline: what was found, where, and what Strata did about it.
void finding_print(struct text *out, const struct finding *finding);

// A range that somebody knows more about than the firmware's map: the loader's named ranges, bad
// frames. Rounded outward, clipped to the CPU's addresses, described even where no descriptor is;
// an empty one is ignored. The class wins over loader, boot-services and usable memory, or over
// everything when it is the more restrictive.
struct memmap_claim {
    paddr_t begin, end;
    enum memory_class class;
};

struct memmap_input {
    struct efi_map map;
    unsigned physical_bits; // the CPU's physical address width, 12 … 52; anything else: 52
    bool special_use;       // give special-purpose memory out
    const struct memmap_claim *claims;
    size_t claim_count;
};

struct memmap {
    struct memory_region *regions;
    size_t region_count, region_capacity;
    struct finding *findings;
    size_t finding_count, finding_capacity;
    size_t findings_dropped;  // findings that did not fit
    uint64_t described_bytes; // the union of all descriptors and claims, as accepted
    uint64_t class_bytes[MEMORY_CLASS_COUNT_];
};

enum memmap_status { MEMMAP_OK, MEMMAP_NO_STORAGE, MEMMAP_BAD_MAP };

// How much storage memmap_convert needs at most for this many descriptors and claims, with room for
// 64 later carves.
size_t memmap_storage_bytes(size_t descriptors, size_t claims);

// Converts. `storage` is `storage_bytes` long, 16-byte aligned, and belongs to `map` from then on.
// MEMMAP_NO_STORAGE: it is too small; MEMMAP_BAD_MAP: nothing could be read (the findings say why).
// In both cases `map` has no regions.  O(n log n) in the descriptors. May be called before anything
// else works: no locks, no logging.
enum memmap_status memmap_convert(struct memmap *map, const struct memmap_input *input,
                                  void *storage, size_t storage_bytes);

// Gives [begin, end), page-aligned and wholly inside one region, another class; splits and merges
// regions. False, with nothing changed, when the range is not inside one region, when memory below
// 1 MiB would be given out, or when the region array is full.  O(regions).
bool memmap_set_class(struct memmap *map, paddr_t begin, paddr_t end, enum memory_class class);

// The region that `address` lies in, or NULL.  O(log regions).
const struct memory_region *memmap_find(const struct memmap *map, paddr_t address);

// One past the highest byte of RAM that is not bad, 0 when there is none: a bad range far above all
// RAM must not make anybody's tables large.  O(regions).
paddr_t memmap_ram_end(const struct memmap *map);

// Checks that others can ask for once the map is converted; each adds findings. They change the map
// only: frames that the page allocator has by then must be taken from it as well (page_reserve).
// O(regions) for each region touched; should the region array be full, the whole region is kept.
//
// A table of `bytes` bytes named `name` (up to 7 characters) lies at `address`: a finding when that
// memory is usable or the loader's, and its pages become MEMORY_KERNEL. (In boot-services memory
// tables are at home: their owner copies them before it is reclaimed.) Returns true when there was
// one.
bool memmap_check_table(struct memmap *map, const char *name, paddr_t address, uint64_t bytes);
// A register window: a finding when it overlaps RAM; the overlapped pages become MEMORY_MMIO, but
// for the kernel's own, which stay what they are.
bool memmap_check_window(struct memmap *map, const char *name, paddr_t begin, paddr_t end);
// MTRRs make [begin, end) uncached: a finding for each region it touches that is given out, now or
// later; those bytes become MEMORY_RESERVED.
bool memmap_check_uncached(struct memmap *map, paddr_t begin, paddr_t end);
// A memory attributes table (UEFI 2.10, 4.6.4; the whole table, header included): a finding for
// each entry that is not inside one runtime descriptor of the same type, or says nothing that can
// be applied. Returns the number of valid entries.  About O(entries + descriptors) when both are
// sorted, O(entries x descriptors) at worst.
size_t memmap_check_attributes_table(struct memmap *map, const struct efi_map *firmware,
                                     const void *table, uint64_t table_bytes);
// The same for the table that lies at `address` and whose bytes are at `table`, as far as the
// memory goes that it lies in. Nothing is read and nothing found when that is page 0 (address 0:
// there is no table), or no RAM that anybody can have put something into.
size_t memmap_check_attributes_at(struct memmap *map, const struct efi_map *firmware,
                                  paddr_t address, const void *table);
// The first valid entry of such a table from entry `*index` on, which is moved behind it: for
// whoever applies them. False when there is none.
bool memmap_next_attributes(const struct efi_map *firmware, const void *table, uint64_t table_bytes,
                            uint64_t *index, struct efi_descriptor *entry);
// Memory that a node of a NUMA machine has, by ACPI's SRAT.
struct memmap_node_range {
    uint64_t begin, end; // bytes
    uint32_t node;
    bool present; // memory is there now, and loses its content with the power
};
// RAM above 1 MiB that no range covers, and parts of present ranges that the map does not call RAM,
// but for what firmware usually keeps for itself (an eighth of a range, at least 64 MiB, at most 1
// GiB): a finding for each. When `ranges` are not `complete` only the latter can be said. Sorts
// `ranges`; no range at all says nothing. O(ranges² + ranges x regions).
void memmap_check_nodes(struct memmap *map, struct memmap_node_range *ranges, size_t count,
                        bool complete);
// SMBIOS says that `installed` bytes are installed (0: nothing is known), and gives addresses to
// `mapped` of them: a finding when the map has more RAM, or much less; one when it contradicts
// itself.
void memmap_check_installed(struct memmap *map, uint64_t installed, uint64_t mapped);
// Adds a finding made by somebody else (a bad checksum, say). Counts it as dropped when there is no
// room.
void memmap_add_finding(struct memmap *map, const struct finding *finding);

// NULL, or the sentence that does not hold: sorted, disjoint, page-aligned, merged, classes valid,
// bytes conserved. O(regions).
const char *memmap_check(const struct memmap *map);
