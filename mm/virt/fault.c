// SPDX-License-Identifier: MIT
// Page faults in the user half: a frame for who may have one, a reason for who may not.
//
//   no entry               a cleared frame, mapped as the region says
//   entry, not writable    its only user: made writable; shared: replaced by a copy
//   entry that allows it   somebody was quicker, or the CPU remembered an older entry: try again
#include "regions.h"

#include <mm/assert.h>
#include <string.h>

const char *space_fault_name(enum space_fault fault) {
    static const char *const names[SPACE_FAULT_COUNT_] = {
        "resolved",        "not user memory",      "nothing is mapped there", "a guard page",
        "it is read-only", "it is not executable", "out of memory",
    };
    return fault < SPACE_FAULT_COUNT_ ? names[fault] : "?";
}

static enum space_fault why_nothing(const struct space *space, uint64_t address) {
    if (address < space->regions.begin || address >= space->regions.end) {
        return SPACE_FAULT_NOT_USER;
    }
    uint64_t page = align_down(address, PAGE_SIZE);
    const struct range *below = ranges_before(&space->regions, vaddr(address));
    const struct range *above = ranges_from(&space->regions, vaddr(address));
    bool guard = (below != NULL && below->end == page) ||
                 (above != NULL && above->begin == page + PAGE_SIZE);
    return guard ? SPACE_FAULT_GUARD : SPACE_FAULT_NO_REGION;
}

// A frame with the contents of another one; cleared when that is PAGE_NO_FRAME.
static pfn_t copy_of(struct space *space, pfn_t original) {
    pfn_t frame = page_alloc_frame(space->spaces->pages, PAGE_OWNER_USER);
    if (frame.value == PAGE_NO_FRAME.value) {
        return frame;
    }
    void *memory = port_direct_map(paddr_of(frame));
    if (original.value == PAGE_NO_FRAME.value) {
        memset(memory, 0, PAGE_SIZE);
    } else {
        memcpy(memory, port_direct_map(paddr_of(original)), PAGE_SIZE);
    }
    return frame;
}

static enum space_fault fill(struct space *space, vaddr_t page, uint32_t attributes) {
    pfn_t frame = copy_of(space, PAGE_NO_FRAME);
    if (frame.value == PAGE_NO_FRAME.value) {
        return SPACE_FAULT_NO_MEMORY;
    }
    if (tables_map(&space->tables, page, 1, paddr_of(frame), attributes | SPACE_PAGE) !=
        TABLES_OK) {
        page_free_frame(space->spaces->pages, frame);
        return SPACE_FAULT_NO_MEMORY;
    }
    space->resident++;
    return SPACE_FAULT_RESOLVED;
}

// The page is mapped read-only, to `old`, and is to be written, whatever its region allows.
static enum space_fault own(struct space *space, vaddr_t page, pfn_t old, uint32_t attributes) {
    if (shares_users(&space->spaces->shares, old) == 1) {
        enum tables_status status =
            tables_protect(&space->tables, page, 1, attributes, SPACE_ATTRIBUTES, NULL);
        ASSERT(status == TABLES_OK);
        return SPACE_FAULT_RESOLVED;
    }
    pfn_t frame = copy_of(space, old);
    if (frame.value == PAGE_NO_FRAME.value) {
        return SPACE_FAULT_NO_MEMORY;
    }
    enum tables_status status =
        tables_replace(&space->tables, page, frame, attributes | SPACE_PAGE, NULL);
    ASSERT(status == TABLES_OK);
    space_drop_frame(space, old);
    return SPACE_FAULT_RESOLVED;
}

static enum space_fault check_access(const struct space *space, vaddr_t address, unsigned access,
                                     const struct range **found) {
    const struct range *range = ranges_find(&space->regions, address);
    *found = range;
    if (range == NULL) {
        return why_nothing(space, address.value);
    }
    if ((access & SPACE_WRITES) != 0 && (range->tag & PAGING_WRITE) == 0) {
        return SPACE_FAULT_READ_ONLY;
    }
    if ((access & SPACE_EXECUTES) != 0 && (range->tag & PAGING_EXECUTE) == 0) {
        return SPACE_FAULT_NOT_EXECUTABLE;
    }
    return SPACE_FAULT_RESOLVED;
}

// Locked. The frame is in `*frame` when it is resolved.
static enum space_fault resolve(struct space *space, vaddr_t address, unsigned access) {
    const struct range *range;
    enum space_fault fault = check_access(space, address, access, &range);
    if (fault != SPACE_FAULT_RESOLVED) {
        return fault;
    }
    vaddr_t page = vaddr(align_down(address.value, PAGE_SIZE));
    struct paging_range mapped;
    if (!tables_query(&space->tables, page, &mapped)) {
        return fill(space, page, range->tag);
    }
    if ((access & SPACE_WRITES) != 0 && (mapped.attributes & PAGING_WRITE) == 0) {
        return own(space, page, pfn_of(mapped.to), range->tag);
    }
    return SPACE_FAULT_RESOLVED;
}

enum space_fault space_fault(struct space *space, vaddr_t address, unsigned access) {
    unsigned long flags = lock_acquire(&space->lock);
    enum space_fault fault = resolve(space, address, access);
    lock_release(&space->lock, flags);
    return fault;
}

enum space_fault space_populate(struct space *space, vaddr_t begin, uint64_t pages) {
    for (uint64_t i = 0; i < pages; i++) {
        vaddr_t page = vaddr(begin.value + (i << PAGE_SHIFT));
        enum space_fault fault = space_fault(space, page, SPACE_WRITES);
        if (fault == SPACE_FAULT_READ_ONLY) {
            fault = space_fault(space, page, 0);
        }
        if (fault != SPACE_FAULT_RESOLVED) {
            return fault;
        }
    }
    return SPACE_FAULT_RESOLVED;
}

// A pointer to the memory behind `address`, to be written or only read. Locked.
static enum space_fault reach(struct space *space, vaddr_t address, bool write, uint8_t **out) {
    const struct range *range;
    enum space_fault fault = check_access(space, address, 0, &range);
    if (fault == SPACE_FAULT_RESOLVED) {
        fault = resolve(space, address, 0);
    }
    vaddr_t page = vaddr(align_down(address.value, PAGE_SIZE));
    struct paging_range mapped;
    if (fault == SPACE_FAULT_RESOLVED && tables_query(&space->tables, page, &mapped) && write &&
        (mapped.attributes & PAGING_WRITE) == 0) {
        fault = own(space, page, pfn_of(mapped.to), range->tag);
    }
    if (fault == SPACE_FAULT_RESOLVED) {
        bool is_mapped = tables_query(&space->tables, page, &mapped);
        ASSERT(is_mapped);
        *out = (uint8_t *)port_direct_map(mapped.to) + (address.value - page.value);
    }
    return fault;
}

// Copies page by page.
static enum space_fault copy(struct space *space, uint64_t address, uint8_t *buffer, uint64_t bytes,
                             bool write) {
    enum space_fault fault = SPACE_FAULT_RESOLVED;
    while (bytes != 0 && fault == SPACE_FAULT_RESOLVED) {
        uint64_t room = PAGE_SIZE - (address & (PAGE_SIZE - 1));
        uint64_t part = bytes < room ? bytes : room;
        uint8_t *memory;
        unsigned long flags = lock_acquire(&space->lock);
        fault = reach(space, vaddr(address), write, &memory);
        if (fault == SPACE_FAULT_RESOLVED) {
            memcpy(write ? memory : buffer, write ? buffer : memory, part);
        }
        lock_release(&space->lock, flags);
        address += part;
        buffer += part;
        bytes -= part;
    }
    return fault;
}

enum space_fault space_write(struct space *space, vaddr_t to, const void *from, uint64_t bytes) {
    return copy(space, to.value, (uint8_t *)(uintptr_t)from, bytes, true);
}

enum space_fault space_read(struct space *space, void *to, vaddr_t from, uint64_t bytes) {
    return copy(space, from.value, to, bytes, false);
}
