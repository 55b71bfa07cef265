// SPDX-License-Identifier: MIT
// Another kernel that uses Strata's mm/: booted by a multiboot loader, with a BIOS's memory map.
//
//     map  ──> descriptors ──> regions ──> boot allocator ──> page allocator ──> kmalloc
//
// Everything of Strata that it uses is mm/ and include/; strata_port.h is what it gave for that.
#include <mm/bootmem.h>
#include <mm/kmalloc.h>
#include <mm/ledger.h>
#include <mm/report.h>
#include <stdarg.h>
#include <string.h>

#define MULTIBOOT_MAGIC   0x2badb002
#define MULTIBOOT_HAS_MAP (1u << 6)
#define DESCRIPTORS_MAX   64
#define PHYSICAL_BITS     32 // entry.S maps 4 GiB: what lies above is not looked at
#define SERIAL            0x3f8
#define SERIAL_STATUS     (SERIAL + 5)
#define SERIAL_HAS_ROOM   0x20
#define QEMU_EXIT         0xf4
#define STATUS_FINE       16 // QEMU ends with 33
#define STATUS_PANIC      17 // and with 35
#define SERIAL_WAIT_MAX   100000

struct multiboot {
    uint32_t flags;
    uint32_t others[10];
    uint32_t map_bytes, map;
};

struct multiboot_entry {
    uint32_t size; // of what follows
    uint64_t begin, bytes;
    uint32_t type;
} __attribute__((packed));

// entry.S
void machine_out(uint16_t port, uint8_t byte);
uint8_t machine_in(uint16_t port);
_Noreturn void machine_stop(void);
extern const uint8_t image_end[];
_Noreturn void example_main(uint32_t magic, const struct multiboot *info);

// The only instances.
uint32_t machine_gate;
static struct memmap map;
static struct page_allocator pages;
static struct kmalloc heap;
static struct efi_descriptor descriptors[DESCRIPTORS_MAX];
static _Alignas(16) uint8_t storage[96 * KIB];

static void serial_write(struct text *self, const char *bytes, size_t count) {
    (void)self;
    for (size_t i = 0; i < count; i++) {
        for (unsigned wait = 0; wait < SERIAL_WAIT_MAX; wait++) {
            if ((machine_in(SERIAL_STATUS) & SERIAL_HAS_ROOM) != 0) {
                break;
            }
        }
        machine_out(SERIAL, (uint8_t)bytes[i]);
    }
}

static struct text console = {.write = serial_write};

_Noreturn static void stop(uint8_t status) {
    machine_out(QEMU_EXIT, status);
    machine_stop();
}

// The port's functions that are not inline.

void port_log(enum port_level level, const char *format, ...) {
    if (level > PORT_INFO) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    text_vprintf(&console, format, arguments);
    va_end(arguments);
    text_puts(&console, "\n");
}

void port_panic(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    text_puts(&console, "panic: ");
    text_vprintf(&console, format, arguments);
    text_puts(&console, "\n");
    va_end(arguments);
    stop(STATUS_PANIC);
}

const char *port_code_name(uint32_t offset, uint32_t *into) {
    (void)offset;
    *into = 0;
    return NULL;
}

void port_tlb_flush(const struct tlb_flush *flush) {
    (void)flush; // no page table ever changes
}

// The BIOS's kinds of memory as UEFI's (ACPI 6.4, table 15-374): all that mm/ reads is descriptors.
static uint32_t type_of(uint32_t kind) {
    switch (kind) {
    case 1:
        return EFI_CONVENTIONAL;
    case 3:
        return EFI_ACPI_RECLAIM;
    case 4:
        return EFI_ACPI_NVS;
    case 5:
        return EFI_UNUSABLE;
    default:
        return EFI_RESERVED;
    }
}

static uint64_t read_map(const struct multiboot *info) {
    uint64_t count = 0;
    uintptr_t at = info->map, end = at + info->map_bytes;
    while (at + sizeof(struct multiboot_entry) <= end && count < DESCRIPTORS_MAX) {
        struct multiboot_entry entry;
        memcpy(&entry, (const void *)at, sizeof(entry));
        // A BIOS's ranges may end anywhere: memory inward to whole pages, all else outward.
        bool memory = entry.type == 1;
        uint64_t end_byte = entry.begin + entry.bytes;
        uint64_t begin =
            memory ? align_up(entry.begin, PAGE_SIZE) : align_down(entry.begin, PAGE_SIZE);
        uint64_t last = memory ? align_down(end_byte, PAGE_SIZE) : align_up(end_byte, PAGE_SIZE);
        descriptors[count++] = (struct efi_descriptor){
            .type = type_of(entry.type),
            .physical_start = begin,
            .pages = last > begin ? (last - begin) / PAGE_SIZE : 0,
            .attributes = EFI_ATTRIBUTE_WB,
        };
        at += entry.size + sizeof(entry.size);
    }
    return count;
}

static void bring_up(const struct multiboot *info) {
    struct bootmem boot;
    const struct memmap_claim image = {
        .begin = paddr(MIB), .end = paddr((uintptr_t)image_end), .class = MEMORY_KERNEL};
    const struct memmap_input input = {
        .map = {descriptors, read_map(info) * sizeof(descriptors[0]), sizeof(descriptors[0]), 1},
        .physical_bits = PHYSICAL_BITS,
        .claims = &image,
        .claim_count = 1,
    };
    if (memmap_convert(&map, &input, storage, sizeof(storage)) != MEMMAP_OK) {
        port_panic("nothing can be made of the memory map");
    }
    report_efi_map(&console, &input.map);
    report_regions(&console, &map);
    report_findings(&console, &map);
    bootmem_init(&boot, &map);
    if (!page_init(&pages, &boot) || !kmalloc_init(&heap, &pages, NULL)) {
        port_panic("no memory for the allocators");
    }
}

// Some of everything, taken and given back.
static void use_memory(void) {
    pfn_t block, run;
    void *objects[64];
    if (page_alloc(&pages, 9, PAGE_ANYWHERE, PAGE_OWNER_USER, &block) != PAGE_OK ||
        page_alloc_contig(&pages, 77, 0, paddr(16 * MIB), 0, PAGE_OWNER_DMA, &run, NULL) !=
            PAGE_OK) {
        port_panic("2 MiB and 77 frames below 16 MiB are not to be had");
    }
    for (size_t i = 0; i < 64; i++) {
        objects[i] = kmalloc_alloc(&heap, 8 + i * 100, OBJECT_ZERO);
        if (objects[i] == NULL) {
            port_panic("no %zu bytes", 8 + i * 100);
        }
        memset(objects[i], (int)i, 8 + i * 100);
    }
    report_buddy(&console, &pages);
    for (size_t i = 0; i < 64; i++) {
        kmalloc_free(&heap, objects[i]);
    }
    page_free_contig(&pages, run, 77);
    page_free(&pages, block, 9);
}

void example_main(uint32_t magic, const struct multiboot *info) {
    struct ledger ledger;
    text_puts(&console, "A small kernel with Strata's mm\n");
    if (magic != MULTIBOOT_MAGIC || (info->flags & MULTIBOOT_HAS_MAP) == 0) {
        port_panic("this wants a multiboot loader, and a memory map from it");
    }
    bring_up(info);
    use_memory();
    ledger_compute(&ledger, &map, &pages);
    report_ledger(&console, &ledger);
    const char *broken = page_check(&pages);
    broken = broken != NULL ? broken : memmap_check(&map);
    broken = broken != NULL ? broken : ledger.mismatch;
    text_printf(&console, "check: %s\n", broken != NULL ? broken : "ok");
    stop(broken == NULL && ledger.unaccounted == 0 ? STATUS_FINE : STATUS_PANIC);
}
