// SPDX-License-Identifier: MIT
// Copies the tables into pages of the page allocator and builds a new RSDP and XSDT over them.
//
// The tables are packed, largest first, into as few blocks as follow from their sizes: the first
// block is the largest power of two that they fill, the next the largest that the rest fills. A
// copy is taken of bytes that were verified a moment before, compared with them, and verified
// again; then the FADT's pointers to the DSDT, the XSDT and the RSDP are made new. The FACS stays
// where it is, so pointers to it are right as they are. All or nothing: a failure frees every
// block.
//
//   C1  a copy equals its original but for the FADT's two pointers and checksum
//                                                               board_reclaim (in every test)
//   C2  every copied table, the XSDT and the RSDP add up to 0   board_reclaim (in every test)
//   C3  after a failure the free count is what it was           no_memory_keeps_everything
#include "internal.h"

#include <string.h>

#define COPY_ALIGN UINT64_C(16)
// A FADT without X_DSDT can point no higher.
#define LOW_CEILING (4 * GIB)

static bool is_dsdt(const struct acpi_table *table) {
    return strcmp(table->signature, "DSDT") == 0;
}

// Copied as it is: all good tables but the RSDP and the root tables, which are made anew.
static bool is_copied(const struct acpi *acpi, size_t index) {
    const struct acpi_table *table = &acpi->tables[index];
    return index != 0 && table->state == ACPI_TABLE_GOOD && !table->replaced;
}

static uint64_t room_of(uint64_t bytes) {
    return align_up(bytes, COPY_ALIGN);
}

static uint32_t xsdt_bytes(const struct acpi *acpi) {
    uint32_t bytes = ACPI_HEADER_BYTES;
    for (size_t i = 0; i < acpi->table_count; i++) {
        if (is_copied(acpi, i) && !is_dsdt(&acpi->tables[i])) {
            bytes += 8;
        }
    }
    return bytes;
}

static uint64_t total_room(const struct acpi *acpi) {
    uint64_t bytes = room_of(RSDP_V2_BYTES) + room_of(xsdt_bytes(acpi));
    for (size_t i = 0; i < acpi->table_count; i++) {
        bytes += is_copied(acpi, i) ? room_of(acpi->tables[i].length) : 0;
    }
    return bytes;
}

static paddr_t ceiling_of(const struct acpi *acpi) {
    struct view fadt = acpi_first(acpi, "FACP");
    bool short_fadt = fadt.length != 0 && fadt.length < FADT_X_DSDT_END;
    return short_fadt ? paddr(LOW_CEILING) : PAGE_ANYWHERE;
}

static unsigned log2_of(uint64_t value) {
    return 63 - (unsigned)__builtin_clzll(value);
}

// Takes a new block: at least `bytes`, and rather as much as `rest` fills.
static struct acpi_buffer *add_buffer(struct acpi *acpi, struct page_allocator *allocator,
                                      paddr_t ceiling, uint64_t bytes, uint64_t rest) {
    uint64_t pages = (bytes + PAGE_SIZE - 1) / PAGE_SIZE;
    unsigned least = pages <= 1 ? 0 : log2_of(pages - 1) + 1;
    uint64_t filled = rest / PAGE_SIZE;
    unsigned wanted = filled == 0 ? 0 : log2_of(filled);
    if (acpi->buffer_count == ACPI_BUFFER_MAX) {
        return NULL;
    }
    struct acpi_buffer *buffer = &acpi->buffers[acpi->buffer_count];
    *buffer = (struct acpi_buffer){.order = wanted > least ? wanted : least};
    while (page_alloc(allocator, buffer->order, ceiling, PAGE_OWNER_ACPI, &buffer->block) !=
           PAGE_OK) {
        if (buffer->order == least) {
            return NULL;
        }
        buffer->order--;
    }
    acpi->buffer_count++;
    return buffer;
}

struct packing {
    struct acpi *acpi;
    struct page_allocator *allocator;
    paddr_t ceiling;
    uint64_t rest; // bytes that have no place yet
};

// A place for `bytes` bytes in a block that has room, or in a new one; address 0 when there is
// none.
static paddr_t place(struct packing *packing, uint64_t bytes) {
    struct acpi *acpi = packing->acpi;
    uint64_t room = room_of(bytes);
    struct acpi_buffer *buffer = NULL;
    for (size_t i = 0; i < acpi->buffer_count && buffer == NULL; i++) {
        uint64_t size = PAGE_SIZE << acpi->buffers[i].order;
        buffer = size - acpi->buffers[i].used >= room ? &acpi->buffers[i] : NULL;
    }
    if (buffer == NULL) {
        buffer = add_buffer(acpi, packing->allocator, packing->ceiling, room, packing->rest);
    }
    if (buffer == NULL) {
        return paddr(0);
    }
    paddr_t address = paddr(paddr_of(buffer->block).value + buffer->used);
    memset((uint8_t *)port_direct_map(address) + bytes, 0, room - bytes);
    buffer->used += room;
    packing->rest -= room;
    return address;
}

// The longest table that is to be copied and has not been; table_count when all have.
static size_t next_longest(const struct acpi *acpi) {
    size_t longest = acpi->table_count;
    for (size_t i = 0; i < acpi->table_count; i++) {
        if (is_copied(acpi, i) && acpi->tables[i].copy.value == 0 &&
            (longest == acpi->table_count ||
             acpi->tables[i].length > acpi->tables[longest].length)) {
            longest = i;
        }
    }
    return longest;
}

static const char *copy_table(struct packing *packing, struct acpi_table *table) {
    paddr_t address = place(packing, table->length);
    if (address.value == 0) {
        return "no memory for the copies";
    }
    const uint8_t *from = acpi_bytes(packing->acpi, table->address.value, table->length);
    uint8_t *to = port_direct_map(address);
    struct view copy = {to, table->length};
    bool good = from != NULL && byte_sum(from, table->length) == 0;
    if (good) {
        memcpy(to, from, table->length);
        good = view_u32(copy, HEADER_LENGTH) == table->length && byte_sum(to, table->length) == 0 &&
               memcmp(to, from, table->length) == 0;
    }
    if (!good) {
        return "a table changed after it was found";
    }
    table->copy = address;
    packing->acpi->copied_count++;
    packing->acpi->copied_bytes += table->length;
    return NULL;
}

static void put(uint8_t *bytes, uint64_t value, unsigned width) {
    memcpy(bytes, &value, width);
}

static void set_checksum(uint8_t *bytes, uint64_t count, uint64_t offset) {
    bytes[offset] = 0;
    bytes[offset] = (uint8_t)-byte_sum(bytes, count);
}

// Every FADT that pointed to a DSDT that was copied points to the copy.
static void patch_fadt(struct acpi *acpi, const struct acpi_table *fadt) {
    uint8_t *bytes = port_direct_map(fadt->copy);
    struct view view = {bytes, fadt->length};
    uint64_t old = view_u64(view, FADT_X_DSDT);
    uint64_t low = view_u32(view, FADT_DSDT);
    for (size_t i = 0; i < acpi->table_count; i++) {
        const struct acpi_table *dsdt = &acpi->tables[i];
        uint64_t address = dsdt->address.value;
        if (!is_dsdt(dsdt) || dsdt->copy.value == 0 || (address != old && address != low)) {
            continue;
        }
        uint64_t copy = dsdt->copy.value;
        if (fadt->length >= FADT_X_DSDT_END) {
            put(bytes + FADT_X_DSDT, copy, 8);
        }
        if (fadt->length >= FADT_DSDT + 4) {
            put(bytes + FADT_DSDT, copy < LOW_CEILING ? copy : 0, 4);
        }
        set_checksum(bytes, fadt->length, HEADER_CHECKSUM);
        return;
    }
}

// A new XSDT with the old root's identification: the copies, in the order of the old entries.
static const char *build_xsdt(struct packing *packing, struct acpi_table *root) {
    static const char signature[4] = {'X', 'S', 'D', 'T'};
    struct acpi *acpi = packing->acpi;
    uint32_t length = xsdt_bytes(acpi);
    paddr_t address = place(packing, length);
    const uint8_t *old = acpi_bytes(acpi, root->address.value, ACPI_HEADER_BYTES);
    if (address.value == 0 || old == NULL) {
        return "no memory for the copies";
    }
    uint8_t *bytes = port_direct_map(address);
    memcpy(bytes, old, ACPI_HEADER_BYTES);
    memcpy(bytes, signature, sizeof(signature));
    put(bytes + HEADER_LENGTH, length, 4);
    bytes[HEADER_REVISION] = 1;
    uint64_t at = ACPI_HEADER_BYTES;
    for (size_t i = 0; i < acpi->table_count; i++) {
        if (is_copied(acpi, i) && !is_dsdt(&acpi->tables[i])) {
            put(bytes + at, acpi->tables[i].copy.value, 8);
            at += 8;
        }
    }
    set_checksum(bytes, length, HEADER_CHECKSUM);
    root->copy = address;
    root->length = length;
    return NULL;
}

// A new RSDP of revision 2, whose XSDT is ours. It names no RSDT: that could not point above 4 GiB.
static const char *build_rsdp(struct packing *packing, const struct acpi_table *root) {
    struct acpi *acpi = packing->acpi;
    paddr_t address = place(packing, RSDP_V2_BYTES);
    const uint8_t *old = acpi_bytes(acpi, acpi->tables[0].address.value, RSDP_V1_BYTES);
    if (address.value == 0 || old == NULL) {
        return "no memory for the copies";
    }
    uint8_t *bytes = port_direct_map(address);
    memset(bytes, 0, RSDP_V2_BYTES);
    memcpy(bytes, old, RSDP_REVISION);
    bytes[RSDP_REVISION] = 2;
    put(bytes + RSDP_LENGTH, RSDP_V2_BYTES, 4);
    put(bytes + RSDP_XSDT, root->copy.value, 8);
    set_checksum(bytes, RSDP_V1_BYTES, 8);
    set_checksum(bytes, RSDP_V2_BYTES, RSDP_EXTENDED_CHECKSUM);
    acpi->tables[0].copy = address;
    acpi->rsdp = address;
    acpi->copied_count += 2;
    acpi->copied_bytes += RSDP_V2_BYTES + root->length;
    return NULL;
}

static const char *copy_all(struct packing *packing) {
    struct acpi *acpi = packing->acpi;
    struct acpi_table *root = &acpi->tables[acpi->root];
    const char *defect = NULL;
    size_t next;
    while (defect == NULL && (next = next_longest(acpi)) != acpi->table_count) {
        defect = copy_table(packing, &acpi->tables[next]);
    }
    for (size_t i = 0; i < acpi->table_count && defect == NULL; i++) {
        if (acpi->tables[i].copy.value != 0 && strcmp(acpi->tables[i].signature, "FACP") == 0) {
            patch_fadt(acpi, &acpi->tables[i]);
        }
    }
    if (defect == NULL) {
        defect = build_xsdt(packing, root);
    }
    return defect != NULL ? defect : build_rsdp(packing, root);
}

static void undo(struct acpi *acpi, struct page_allocator *allocator) {
    while (acpi->buffer_count != 0) {
        struct acpi_buffer *buffer = &acpi->buffers[--acpi->buffer_count];
        page_free(allocator, buffer->block, buffer->order);
    }
    for (size_t i = 0; i < acpi->table_count; i++) {
        acpi->tables[i].copy = paddr(0);
        if (acpi->tables[i].replaced) {
            acpi->tables[i].length = acpi->tables[i].held;
        }
    }
    acpi->copied_count = 0;
    acpi->copied_bytes = 0;
}

const char *acpi_copy(struct acpi *acpi, struct page_allocator *allocator) {
    struct packing packing = {acpi, allocator, ceiling_of(acpi), total_room(acpi)};
    const char *defect = copy_all(&packing);
    if (defect != NULL) {
        undo(acpi, allocator);
    }
    return defect;
}
