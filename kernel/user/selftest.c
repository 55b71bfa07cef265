// SPDX-License-Identifier: MIT
// Cases for user mode. Each says what has to happen; what happened is printed whatever it was.
#include <user/selftest.h>

#include <user/run.h>
#include <x86/trap.h>

extern const uint8_t user_programs[] __attribute__((visibility("hidden")));
extern const uint8_t user_programs_end[] __attribute__((visibility("hidden")));
extern const uint8_t user_touch[] __attribute__((visibility("hidden")));
extern const uint8_t user_write[] __attribute__((visibility("hidden")));
extern const uint8_t user_read[] __attribute__((visibility("hidden")));
extern const uint8_t user_jump[] __attribute__((visibility("hidden")));
extern const uint8_t user_privileged[] __attribute__((visibility("hidden")));

#define CODE       UINT64_C(0x400000) // where the programs are,
#define CODE_PAGES 1
#define DATA       UINT64_C(0x600000) // and memory for them: a guard lies on either side
#define DATA_PAGES 16
#define GUARD      (DATA + DATA_PAGES * PAGE_SIZE)

struct selftest {
    struct text *out;
    struct kernel *kernel;
    struct space parent, child;
    unsigned passed, failed;
};

static void run(struct selftest *test, struct space *space, const uint8_t *program, uint64_t first,
                uint64_t second, struct user_result *result) {
    uint64_t entry = CODE + (uint64_t)(program - user_programs);
    user_run(test->kernel, space, vaddr(entry), first, second, result);
}

static void print(struct selftest *test, const char *name, bool good, struct space *space,
                  const struct user_result *result) {
    text_printf(test->out, "user: %s: %s: ", name, good ? "ok" : "FAILED");
    user_explain(test->out, space, result);
    text_puts(test->out, "\n");
    *(good ? &test->passed : &test->failed) += 1;
}

// The program has to end with `value`, after `resolved` page faults.
static void expect_value(struct selftest *test, const char *name, struct space *space,
                         const uint8_t *program, uint64_t first, uint64_t second, uint64_t value,
                         uint64_t resolved) {
    struct user_result result;
    run(test, space, program, first, second, &result);
    bool good = result.exited && result.value == value && result.resolved == resolved;
    print(test, name, good, space, &result);
}

// The program has to be stopped at `address` for that reason.
static void expect_stop(struct selftest *test, const char *name, const uint8_t *program,
                        uint64_t address, enum space_fault fault) {
    struct user_result result;
    run(test, &test->parent, program, address, 0, &result);
    bool good = !result.exited && result.vector == TRAP_PAGE_FAULT && result.address == address &&
                result.fault == fault;
    print(test, name, good, &test->parent, &result);
}

static void expect_exception(struct selftest *test, const char *name, const uint8_t *program,
                             uint64_t first, uint64_t vector) {
    struct user_result result;
    run(test, &test->parent, program, first, 0, &result);
    print(test, name, !result.exited && result.vector == vector, &test->parent, &result);
}

static bool make_parent(struct selftest *test) {
    struct space *space = &test->parent;
    uint64_t bytes = (uint64_t)(user_programs_end - user_programs);
    if (space_create(&test->kernel->spaces, space) != SPACE_OK) {
        return false;
    }
    if (space_map_at(space, vaddr(CODE), CODE_PAGES, PAGING_EXECUTE) == SPACE_OK &&
        space_map_at(space, vaddr(DATA), DATA_PAGES, PAGING_WRITE) == SPACE_OK &&
        space_write(space, vaddr(CODE), user_programs, bytes) == SPACE_FAULT_RESOLVED) {
        return true;
    }
    space_destroy(space);
    return false;
}

// Nobody sees what another wrote after they were parted.
static void clones(struct selftest *test) {
    expect_value(test, "parent writes", &test->parent, user_write, DATA, 1, 0, 0);
    if (space_clone(&test->parent, &test->child) != SPACE_OK) {
        text_puts(test->out, "user: clone: FAILED: no memory\n");
        test->failed++;
        return;
    }
    expect_value(test, "clone reads what the parent wrote", &test->child, user_read, DATA, 0, 1, 0);
    expect_value(test, "clone writes", &test->child, user_write, DATA, 2, 0, 1);
    expect_value(test, "clone reads its own", &test->child, user_read, DATA, 0, 2, 0);
    expect_value(test, "parent does not see it", &test->parent, user_read, DATA, 0, 1, 0);
    expect_value(test, "parent writes again", &test->parent, user_write, DATA, 3, 0, 1);
    expect_value(test, "clone does not see it", &test->child, user_read, DATA, 0, 2, 0);
    space_destroy(&test->child);
}

static void trespasses(struct selftest *test) {
    const struct kernel *kernel = test->kernel;
    bool no_execute = controls_have(&kernel->controls, CONTROL_NX);
    expect_stop(test, "reads the kernel's code", user_read, kernel->info->kernel_virtual.value,
                SPACE_FAULT_NOT_USER);
    expect_stop(test, "writes to the direct map", user_write, kernel->info->direct_map.value + MIB,
                SPACE_FAULT_NOT_USER);
    expect_stop(test, "jumps into the kernel", user_jump, kernel->info->kernel_virtual.value,
                SPACE_FAULT_NOT_USER);
    expect_stop(test, "touches the guard", user_write, GUARD, SPACE_FAULT_GUARD);
    expect_stop(test, "reads a null pointer", user_read, 0, SPACE_FAULT_NOT_USER);
    expect_stop(test, "reads where nothing is", user_read, UINT64_C(0x7f0000000000),
                SPACE_FAULT_NO_REGION);
    expect_stop(test, "writes to its code", user_write, CODE, SPACE_FAULT_READ_ONLY);
    if (no_execute) {
        expect_stop(test, "executes data", user_jump, DATA + 8, SPACE_FAULT_NOT_EXECUTABLE);
    } else {
        text_puts(test->out, "user: executes data: not tried: this CPU lacks NX\n");
    }
    expect_exception(test, "loads page tables", user_privileged, 0, TRAP_PROTECTION);
    expect_exception(test, "reads an address that is not canonical", user_read,
                     UINT64_C(0x8000000000000000), TRAP_PROTECTION);
}

static uint64_t used_pages(struct kernel *kernel) {
    struct page_census census;
    page_drain(&kernel->pages);
    spaces_trim(&kernel->spaces);
    page_census(&kernel->pages, &census);
    return census.owned_pages[PAGE_OWNER_USER] + census.owned_pages[PAGE_OWNER_PAGE_TABLE] +
           census.owned_pages[PAGE_OWNER_KERNEL];
}

bool user_selftest(struct text *out, struct kernel *kernel) {
    struct selftest test = {.out = out, .kernel = kernel};
    uint64_t before = used_pages(kernel);
    if (!kernel->own_tables || !make_parent(&test)) {
        text_puts(out, "user: FAILED: there is no memory for an address space\n");
        return false;
    }
    expect_value(&test, "touches new memory", &test.parent, user_touch, DATA, DATA_PAGES,
                 DATA_PAGES, DATA_PAGES);
    clones(&test);
    trespasses(&test);
    const char *broken = space_check(&test.parent);
    space_destroy(&test.parent);
    uint64_t after = used_pages(kernel);
    bool good = test.failed == 0 && broken == NULL && before == after;
    text_printf(out, "user: %u ok, %u failed; %lu pages in use before, %lu after; %s\n",
                test.passed, test.failed, before, after, broken != NULL ? broken : "check: ok");
    return good;
}
