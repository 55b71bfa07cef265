// SPDX-License-Identifier: MIT
// Address spaces against an oracle: for each of up to six spaces, an array with the permissions of
// each page and what its first word holds. Programs write numbers to pages; clones must not see
// what is written later. The tables are read as the CPU would, and every translation that exists is
// remembered at once and used until a flush says that it is forgotten: by a program that reads and
// writes through it whenever it can.
//   STRATA_SEED=n STRATA_STEPS=n run another, or a longer, sequence.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "virt_world.h"
#include <host/host.h>
#include <mm/space.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RAM    (32 * MIB)
#define BEGIN  (512 * GIB - 300 * PAGE_SIZE) // across tables of all levels
#define PAGES  700
#define SPACES 6
#define NONE   0x8000u // permission of a page without region

static struct virt_world virt;
static struct spaces spaces;
static uint64_t seed;

static struct program {
    bool used;
    struct space space;
    uint32_t attributes[PAGES];
    uint64_t word[PAGES];  // what the first word of the page holds
    uint64_t frame[PAGES]; // a translation that a CPU may remember: the frame, 0 for none,
    bool writable[PAGES];  // and whether it may be written through
} programs[SPACES];

static uint64_t pick(uint64_t below) {
    return world_random(&seed) % below;
}

static uint64_t environment(const char *name, uint64_t otherwise) {
    const char *value = getenv(name);
    return value != NULL ? strtoull(value, NULL, 0) : otherwise;
}

static vaddr_t address_of(uint64_t page) {
    return vaddr(BEGIN + page * PAGE_SIZE);
}

// Which programs' translations a flush is for.
static void flush(const struct tlb_flush *flush_) {
    for (size_t i = 0; i < SPACES; i++) {
        struct program *program = &programs[i];
        if (!program->used || flush_->space != &program->space.tables.space) {
            continue;
        }
        if (flush_->everything) {
            memset(program->frame, 0, sizeof(program->frame));
        }
        for (uint32_t r = 0; r < flush_->count; r++) {
            for (uint64_t p = 0; p < flush_->ranges[r].pages; p++) {
                uint64_t page =
                    (flush_->ranges[r].begin + (p << flush_->ranges[r].shift) - BEGIN) / PAGE_SIZE;
                if (page < PAGES) {
                    program->frame[page] = 0;
                }
            }
        }
    }
}

static void create(uint64_t begin, uint64_t end) {
    virt_create(&virt, RAM, GIB);
    spaces_init(&spaces, &virt.kernel, &virt.world.pages, vaddr(begin), vaddr(end),
                paddr(RAM + MIB));
    memset(programs, 0, sizeof(programs));
    host_tlb_flush = flush;
}

static void destroy(void) {
    spaces_trim(&spaces);
    assert_int_equal(spaces.count, 0);
    assert_int_equal(spaces.nodes.frames, 0);
    assert_int_equal(spaces.shares.frames, 0);
    virt_destroy(&virt);
    host_tlb_flush = NULL;
}

// The CPU's word of a page: through what it remembers, else through the tables, which it then
// remembers. NULL when it would fault.
static uint64_t *translate(struct program *program, uint64_t page, bool write) {
    if (program->frame[page] == 0 || (write && !program->writable[page])) {
        struct paging_range mapped;
        if (!tables_query(&program->space.tables, address_of(page), &mapped) ||
            (write && (mapped.attributes & PAGING_WRITE) == 0)) {
            return NULL;
        }
        assert_int_not_equal(mapped.attributes & PAGING_USER, 0);
        program->frame[page] = pfn_of(mapped.to).value;
        program->writable[page] = (mapped.attributes & PAGING_WRITE) != 0;
    }
    return port_direct_map(paddr_of(pfn(program->frame[page])));
}

static enum space_fault expected_fault(const struct program *program, uint64_t page,
                                       unsigned access) {
    uint32_t attributes = program->attributes[page];
    if (attributes == NONE) {
        bool guard = (page > 0 && program->attributes[page - 1] != NONE) ||
                     (page + 1 < PAGES && program->attributes[page + 1] != NONE);
        return guard ? SPACE_FAULT_GUARD : SPACE_FAULT_NO_REGION;
    }
    if ((access & SPACE_WRITES) != 0 && (attributes & PAGING_WRITE) == 0) {
        return SPACE_FAULT_READ_ONLY;
    }
    if ((access & SPACE_EXECUTES) != 0 && (attributes & PAGING_EXECUTE) == 0) {
        return SPACE_FAULT_NOT_EXECUTABLE;
    }
    return SPACE_FAULT_RESOLVED;
}

// Reads or writes the page's word as a program does: until it works, or is not allowed.
static void touch(struct program *program, uint64_t page, bool write) {
    enum space_fault expected = expected_fault(program, page, write ? SPACE_WRITES : 0);
    uint64_t *word;
    for (unsigned tries = 0; (word = translate(program, page, write)) == NULL; tries++) {
        assert_true(tries < 2);
        enum space_fault fault =
            space_fault(&program->space, vaddr(address_of(page).value + pick(PAGE_SIZE)),
                        write ? SPACE_WRITES : 0);
        if (fault == SPACE_FAULT_NO_MEMORY) {
            return;
        }
        assert_int_equal(fault, expected);
        if (fault != SPACE_FAULT_RESOLVED) {
            return;
        }
    }
    assert_int_equal(expected, SPACE_FAULT_RESOLVED);
    assert_int_equal(*word, program->word[page]);
    if (write) {
        *word = program->word[page] = world_random(&seed);
    }
}

static void random_access(struct program *program) {
    uint64_t page = pick(PAGES), what = pick(8), word = 0;
    if (what < 6) {
        touch(program, page, what < 3);
        return;
    }
    if (what == 6) {
        enum space_fault fault = space_fault(&program->space, address_of(page), SPACE_EXECUTES);
        assert_true(fault == SPACE_FAULT_NO_MEMORY ||
                    fault == expected_fault(program, page, SPACE_EXECUTES));
        return;
    }
    // The kernel: permissions do not count.
    enum space_fault expected = expected_fault(program, page, 0);
    enum space_fault fault = space_read(&program->space, &word, address_of(page), sizeof(word));
    assert_true(fault == expected || fault == SPACE_FAULT_NO_MEMORY);
    if (fault == SPACE_FAULT_RESOLVED) {
        assert_int_equal(word, program->word[page]);
        word = world_random(&seed);
        fault = space_write(&program->space, address_of(page), &word, sizeof(word));
        program->word[page] = fault == SPACE_FAULT_RESOLVED ? word : program->word[page];
    }
}

static void set(struct program *program, uint64_t page, uint64_t pages, uint32_t attributes,
                bool fresh) {
    for (uint64_t p = page; p < page + pages; p++) {
        program->attributes[p] = attributes;
        if (fresh || attributes == NONE) {
            program->word[p] = 0;
        }
    }
}

static bool all(const struct program *program, uint64_t page, uint64_t pages, bool region) {
    for (uint64_t p = page; p < page + pages; p++) {
        if ((program->attributes[p] != NONE) != region) {
            return false;
        }
    }
    return true;
}

static const uint32_t permissions[] = {PAGING_WRITE, PAGING_WRITE, 0, PAGING_EXECUTE};

static void random_map(struct program *program) {
    uint64_t page = pick(PAGES), pages = 1 + pick(40);
    uint32_t attributes = permissions[pick(4)];
    if (pick(2) == 0) {
        vaddr_t out = vaddr(0);
        enum space_status status =
            space_map(&program->space, address_of(page), pages, attributes, &out);
        if (status == SPACE_OK) {
            page = (out.value - BEGIN) / PAGE_SIZE;
            assert_true(page > 0 && page + pages < PAGES);
            assert_true(all(program, page - 1, pages + 2, false));
            set(program, page, pages, attributes, true);
        } else {
            assert_true(status == SPACE_NO_ROOM || status == SPACE_NO_MEMORY);
        }
        return;
    }
    enum space_status status = space_map_at(&program->space, address_of(page), pages, attributes);
    if (page + pages > PAGES) {
        assert_int_equal(status, SPACE_BAD_REQUEST);
    } else if (status != SPACE_NO_MEMORY) {
        bool empty = all(program, page, pages, false);
        assert_int_equal(status, empty ? SPACE_OK : SPACE_TAKEN);
        set(program, page, empty ? pages : 0, attributes, true);
    }
}

static void random_change(struct program *program, bool unmap) {
    uint64_t page = pick(PAGES), pages = 1 + pick(30);
    uint32_t attributes = permissions[pick(4)];
    if (page + pages > PAGES) {
        return;
    }
    if (unmap) {
        enum space_status status = space_unmap(&program->space, address_of(page), pages);
        if (status != SPACE_NO_MEMORY) {
            assert_int_equal(status, SPACE_OK);
            set(program, page, pages, NONE, true);
        }
        return;
    }
    enum space_status status = space_protect(&program->space, address_of(page), pages, attributes);
    if (!all(program, page, pages, true)) {
        assert_int_equal(status, SPACE_NOT_MAPPED);
    } else if (status != SPACE_NO_MEMORY) {
        assert_int_equal(status, SPACE_OK);
        set(program, page, pages, attributes, false);
    }
}

static void start(struct program *program) {
    if (space_create(&spaces, &program->space) == SPACE_OK) {
        program->used = true;
        for (size_t p = 0; p < PAGES; p++) {
            program->attributes[p] = NONE;
            program->word[p] = 0;
        }
        memset(program->frame, 0, sizeof(program->frame));
    }
}

static void end(struct program *program) {
    space_destroy(&program->space);
    program->used = false;
}

static void clone(struct program *parent) {
    for (size_t i = 0; i < SPACES; i++) {
        struct program *child = &programs[i];
        if (!child->used) {
            memset(child->frame, 0, sizeof(child->frame));
            child->used = true; // flushes for it may come
            child->used = space_clone(&parent->space, &child->space) == SPACE_OK;
            memcpy(child->attributes, parent->attributes, sizeof(child->attributes));
            memcpy(child->word, parent->word, sizeof(child->word));
            return;
        }
    }
}

static void check_all(void) {
    for (size_t i = 0; i < SPACES; i++) {
        if (programs[i].used) {
            assert_null(space_check(&programs[i].space));
        }
    }
    assert_null(shares_check(&spaces.shares));
}

static void random_operation(struct program *program) {
    uint64_t what = pick(100);
    if (what < 70) {
        random_access(program);
    } else if (what < 80) {
        random_map(program);
    } else if (what < 87) {
        random_change(program, false);
    } else if (what < 94) {
        random_change(program, true);
    } else if (what < 98) {
        clone(program);
    } else {
        end(program);
    }
}

static void run(uint64_t steps, uint64_t check_every) {
    for (uint64_t step = 0; step < steps; step++) {
        struct program *program = &programs[pick(SPACES)];
        if (!program->used && pick(20) == 0) {
            start(program);
        } else if (program->used) {
            random_operation(program);
        }
        if (step % check_every == 0) {
            check_all();
        }
    }
    check_all();
    for (size_t i = 0; i < SPACES; i++) {
        if (programs[i].used) {
            end(&programs[i]);
        }
    }
}

static void random_operations(void **state) {
    (void)state;
    seed = environment("STRATA_SEED", 0x9e3779b97f4a7c15);
    uint64_t steps = environment("STRATA_STEPS", 60000);
    printf("seed 0x%lx, %lu steps\n", seed, steps);
    create(BEGIN, BEGIN + PAGES * PAGE_SIZE);
    uint64_t before = virt_free_count(&virt);
    run(steps, 100);
    spaces_trim(&spaces);
    assert_int_equal(virt_free_count(&virt), before);
    destroy();
}

// The same with one request for memory in seven refused, at random.
static void random_failures(void **state) {
    (void)state;
    seed = environment("STRATA_SEED", 0x2545f4914f6cdd1d);
    create(BEGIN, BEGIN + PAGES * PAGE_SIZE);
    uint64_t before = virt_free_count(&virt);
    virt_fail_nth(&virt, UINT64_MAX);
    page_fail(&virt.watch, PAGE_FAIL_RANDOM, 7, seed);
    host_log_level = PORT_ERROR;
    run(environment("STRATA_STEPS", 30000), 50);
    virt_fail_never(&virt);
    spaces_trim(&spaces);
    assert_int_equal(virt_free_count(&virt), before);
    destroy();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations),
        cmocka_unit_test(random_failures),
    };
    return cmocka_run_group_tests_name("space", tests, NULL, NULL);
}
