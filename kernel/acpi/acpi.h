// SPDX-License-Identifier: MIT
// ACPI: the tables are found and verified, everything in ACPI reclaim memory is accounted for, the
// tables are copied out, and only then their pages are given to the page allocator.
//
//    firmware's ACPI reclaim memory                      the page allocator's memory
//    +-------+-------+-------+-------+-------+           +------------------------------+
//    | XSDT  | FACP  |   BGRT image  | nobody|           | RSDP XSDT FACP APIC DSDT …   |
//    | RSDP  | DSDT  |   (pinned)    |       |           +------------------------------+
//    +---|---+---|---+---------------+---|---+             ^ owner PAGE_OWNER_ACPI: what every
//        +-------+-----------------------+--> released       reader of tables uses from then on
//
// Two calls, in this order:
//   acpi_find     before the boot allocator carves anything: reads tables, and takes pages of
//                 usable or loader memory that hold any out of the map, so that nobody gets them
//   acpi_reclaim  once there is a page allocator: audit, copy, release
// In between and afterwards acpi_next_pin says which pages of boot-services or loader memory must
// stay, because something lies there that is not ours to move.
//
// Nothing that firmware wrote is trusted: an address is read only where the map names memory, a
// table only where its length and checksum hold. Format: ACPI specification 6.5, chapter 5.2; UEFI
// 2.10, section 4.6 (configuration tables).
//
// The code of this folder but power.c is pure: it touches physical memory through port_direct_map,
// so it runs hosted against fake memory (tests/unit/test_acpi*.c). No locks: one CPU, at boot.
#pragma once

#include <mm/memmap.h>
#include <mm/page.h>
#include <strata/efi.h>
#include <strata/text.h>

#define ACPI_TABLE_MAX  256  // tables that can be known; with more everything is kept
#define ACPI_DATA_MAX   96   // things other than tables that can be known; with more, as above
#define ACPI_RUN_MAX    256  // runs of like pages in the audit; pages beyond are kept
#define ACPI_BUFFER_MAX 16   // blocks of pages for the copies
#define ACPI_ENTRY_MAX  4096 // entries of XSDT or RSDT that are looked at

enum acpi_table_state {
    ACPI_TABLE_GOOD,         // length and checksum hold
    ACPI_TABLE_UNREADABLE,   // its header is not in memory that the map names
    ACPI_TABLE_BAD_LENGTH,   // shorter than its header, absurd, or beyond the memory that it is in
    ACPI_TABLE_BAD_CHECKSUM, // not trusted, kept where it is
};

// A table that something points to. The RSDP counts as one, the first.
struct acpi_table {
    paddr_t address;           // where the firmware put it
    paddr_t copy;              // where readers find it now; 0: not copied
    uint32_t length;           // bytes, as its header says; 0 when that cannot be read
    uint32_t held;             // bytes from `address` that are taken to be its own
    char signature[5];         // unprintable bytes as '?'
    uint8_t state;             // enum acpi_table_state
    uint8_t lies_in;           // enum memory_class of its first byte when it was found
    bool replaced;             // a root table whose work a new one does
    char oem[7], oem_table[9]; // identification, unprintable bytes as '?'
};

// Something other than a table that a table or the firmware's configuration tables point to.
struct acpi_data {
    const char *name; // "BGRT image", "memory attributes table", …
    paddr_t address;
    uint64_t bytes;       // what its header says, or as much as must be taken to be its own
    struct efi_guid guid; // for a configuration table
    bool configuration;   // it is one
    bool keep;            // stays where it is; else only firmware used it, before the exit
    bool guessed;         // `bytes` is the rest of its page: no header says how long it is
    uint8_t lies_in;      // enum memory_class
};

// What a page of ACPI reclaim memory holds; of several things the last in this list counts.
enum acpi_page_kind {
    ACPI_PAGE_UNREFERENCED, // nothing that anybody points to
    ACPI_PAGE_SPENT,        // data that only the firmware used, before the exit
    ACPI_PAGE_TABLE,        // tables, all of them good
    ACPI_PAGE_PINNED,       // data that is not ours to move, or a bad table
    ACPI_PAGE_KIND_COUNT_,
};

// "unreferenced", "spent", "table", "pinned": stable, used in records.
const char *acpi_page_kind_name(enum acpi_page_kind kind);

// Neighbouring pages of the audited memory that are alike.
struct acpi_run {
    paddr_t begin, end; // page-aligned
    uint16_t kind;      // enum acpi_page_kind
    uint16_t item;      // what pins it (private)
    bool reclaimed;
};

struct acpi_buffer {
    pfn_t block;
    unsigned order;
    uint64_t used; // bytes
};

struct acpi_input {
    paddr_t rsdp; // 0: the firmware names none
    const struct efi_configuration_table *tables;
    size_t table_count;
    struct efi_map firmware;
    uint64_t direct_map_bytes; // port_direct_map reaches [0, this) where the map names memory
    bool keep;                 // acpi=keep: nothing is copied, nothing is given back
};

// How much memory is installed, as SMBIOS says.
struct smbios_memory {
    const char *defect; // NULL, or why the sums say nothing
    unsigned slots;     // for devices of system memory
    unsigned devices;   // that are in them
    uint64_t installed; // bytes of them
    uint64_t mapped;    // bytes of the ranges that they are mapped to; 0: not said
};

struct acpi {
    struct memmap *map;
    struct efi_map firmware;
    uint64_t reach; // bytes of physical memory that can be read
    bool keep;
    const char *defect; // NULL, or why there are no tables: "the firmware names no RSDP", …
    const char *kept;   // NULL, or why nothing was given back: "acpi=keep", …
    uint8_t revision;   // of the RSDP
    paddr_t rsdp;       // what readers start from: the firmware's, after acpi_reclaim ours

    struct acpi_table tables[ACPI_TABLE_MAX];
    size_t table_count;
    size_t root; // which of them was walked: an XSDT or an RSDT
    struct acpi_data data[ACPI_DATA_MAX];
    size_t data_count;
    bool overflow;                            // more tables or data than fit
    uint32_t zero_entries, duplicate_entries; // of the root table: skipped

    struct acpi_run runs[ACPI_RUN_MAX];
    size_t run_count;
    uint64_t pages;                             // audited
    uint64_t kind_pages[ACPI_PAGE_KIND_COUNT_]; // … by what they hold
    uint64_t reclaimed_pages;                   // … that the page allocator got
    uint64_t unlisted_pages;                    // … kept because `runs` is full

    struct acpi_buffer buffers[ACPI_BUFFER_MAX];
    size_t buffer_count;
    size_t copied_count;   // tables, RSDP included
    uint64_t copied_bytes; // of them

    struct smbios_memory smbios;
};

// Finds every table and everything that the tables and the configuration tables point to. Adds
// findings to `map`, gives pages of usable and loader memory that hold any of it the class
// MEMORY_KERNEL, and register windows (local APIC, I/O APIC, HPET, ECAM) that overlap RAM the class
// MEMORY_MMIO. Never fails: what cannot be read is recorded as such, `acpi->defect` says when there
// are no tables. `map` and the firmware's descriptors stay in use; `input->tables` is read during
// the call only.
// O(bytes of tables + tables²).
void acpi_find(struct acpi *acpi, const struct acpi_input *input, struct memmap *map);

// Compares the map with SRAT's ranges of memory, and with the sizes that SMBIOS gives (`smbios` is
// its entry point, 0 for none): adds findings, changes nothing else. After acpi_find, and before
// any memory is reclaimed.  O(bytes of the SMBIOS structures + ranges x regions).
void acpi_compare_memory(struct acpi *acpi, paddr_t smbios);

// Audits all MEMORY_ACPI regions, copies the tables, points every reader at the copies and gives
// the pages to `allocator` and the class MEMORY_USABLE in the map. When that cannot be done
// (told to keep, no tables, no memory for the copies, a table that changed) everything stays
// where it is and `acpi->kept` says why; then it may be called again, when there is memory, say.
// Panics when the allocator's free count does not rise by exactly the reclaimed pages.  O(pages
// + tables²).
void acpi_reclaim(struct acpi *acpi, struct page_allocator *allocator);

// Pages that must stay where they are, and why.
struct acpi_pin {
    paddr_t begin, end; // page-aligned
    char reason[48];
};

// The lowest pages of [begin, end) that something lies in that was not moved and is needed: for
// whoever gives boot-services or loader memory back. Returns false when there are none. When not
// all could be recorded the whole range is pinned.  O(tables + data).
bool acpi_next_pin(const struct acpi *acpi, paddr_t begin, paddr_t end, struct acpi_pin *pin);

// A good table, where it lies now, and its length; NULL when there is none. `instance` counts from
// 0 among tables of one signature.  O(tables).
const uint8_t *acpi_table(const struct acpi *acpi, const char *signature, unsigned instance,
                          uint32_t *length);

// A window of device registers that a table names.
enum acpi_window_kind {
    ACPI_WINDOW_IO_APIC,
    ACPI_WINDOW_LOCAL_APIC,
    ACPI_WINDOW_ECAM, // PCI configuration space, a MiB for each bus
    ACPI_WINDOW_HPET,
    ACPI_WINDOW_KIND_COUNT_,
};

struct acpi_window {
    enum acpi_window_kind kind;
    uint64_t begin, end;          // bytes, begin < end
    unsigned number;              // the I/O APIC's ID, the ECAM's segment, the HPET's number
    unsigned first_bus, last_bus; // of an ECAM window
};

// Calls `visit` for each, in the order of the tables: nothing is known of where they lie, but that
// none wraps.  O(bytes of MADT and MCFG).
void acpi_windows(const struct acpi *acpi,
                  void (*visit)(void *context, const struct acpi_window *window), void *context);

// A CPU that the MADT names.
struct acpi_cpu {
    uint32_t apic_id;
    bool enabled;        // it is there
    bool can_be_enabled; // it is not, but may be plugged in
    bool has_node;       // the SRAT gives it to one:
    uint32_t node;
};

// The next one, from `*at` (0 at first) on, which moves on. False when there are no more.
// O(bytes of the SRAT).
bool acpi_next_cpu(const struct acpi *acpi, uint64_t *at, struct acpi_cpu *out);

// Power and reset, as values to write; kernel/acpi/power.h executes them.
enum acpi_space { ACPI_SPACE_NONE, ACPI_SPACE_MEMORY, ACPI_SPACE_IO, ACPI_SPACE_PCI };

struct acpi_register {
    enum acpi_space space;
    uint8_t bytes;    // access width: 1, 2, 4 or 8
    uint64_t address; // port, physical address, or device << 32 | function << 16 | offset on bus 0
};

// Soft off (ACPI 6.5, 7.4.1 and 16.1).
struct acpi_poweroff_plan {
    const char *missing; // NULL, or why there is no plan
    // To leave legacy mode first, when bit 0 (SCI_EN) of control[0] reads 0: write `enable` to the
    // port, wait for the bit. Port 0: the hardware has no legacy mode.
    uint16_t enable_port;
    uint8_t enable;
    // Then for each register: keep its bits outside `mask`, set `value`; then set `go` as well.
    struct acpi_register control[2]; // PM1a and PM1b, or the sleep control register and none
    uint16_t value[2];
    uint16_t mask, go;
};

struct acpi_reset_plan {
    const char *missing;
    struct acpi_register target;
    uint8_t value;
};

void acpi_poweroff_plan(const struct acpi *acpi, struct acpi_poweroff_plan *plan);
void acpi_reset_plan(const struct acpi *acpi, struct acpi_reset_plan *plan);

// The sleep types of S5 in a block of AML: finds Name (_S5_, Package {a, b, …}) and takes it only
// when every byte of it is in bounds and the elements are integers. False when there is none.
// O(length).
bool acpi_aml_s5(const uint8_t *aml, uint32_t length, uint8_t types[2]);

// acpi: 18 pages: 14 reclaimed, 4 pinned (BGRT image), tables copied 11 (37 KiB)
// Without a newline.
void acpi_summary(struct text *out, const struct acpi *acpi);

// Everything that is known: tables, other data, the audit's pages, what the tables say about the
// machine.
void acpi_report(struct text *out, const struct acpi *acpi);

// Records, one JSON object a line:
//   {"record":"acpi-table","signature":"FACP","address":"0x…","length":244,"oem":"BOCHS ",
//    "state":"good","class":"acpi","copy":"0x…"}                                    (one line)
//   {"record":"acpi-data","name":"BGRT image","address":"0x…","bytes":"0x…","class":"bootsvc",
//    "pinned":true}
//   {"record":"acpi-run","start":"0x…","end":"0x…","kind":"table","reclaimed":true}
//   {"record":"acpi","pages":18,"reclaimed":14,"pinned":4,"copied":11,"bytes":"0x…","kept":null}
// `state` is good, unreadable, bad-length or bad-checksum; `kind` is an acpi_page_kind_name;
// `copy` is null when there is none, `kept` null or the reason.
void acpi_records(struct text *out, const struct acpi *acpi);

// A serial port of the 16550's kind that a table names as the console.
struct acpi_serial {
    const char *table; // "SPCR" or "DBG2"
    uint64_t address;
    bool memory;     // an address in memory; else an I/O port
    unsigned stride; // bytes from one register to the next
    unsigned baud;   // 0: as it is set
};

// False when no table names one that could be used.
bool acpi_find_serial(const struct acpi *acpi, struct acpi_serial *out);
