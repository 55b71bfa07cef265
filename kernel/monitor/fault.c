// SPDX-License-Identifier: MIT
// One way to fail for each kind of report.
#include <kmalloc.h>
#include <mm/assert.h>
#include <mm/object_debug.h>
#include <monitor/fault.h>
#include <state.h>
#include <string.h>

// Not canonical: no address of any page table (Intel SDM vol. 1, 3.3.7.1).
#define NOT_CANONICAL UINT64_C(0x8000000000000000)

static void fault_null_read(void) {
    (void)*(volatile const uint8_t *)(uintptr_t)0x10;
}

static void fault_null_write(void) {
    *(volatile uint8_t *)(uintptr_t)0x10 = 1;
}

// What is called returns a number, and it is used, so that the call is one and not a jump.
static volatile int came_back;
static volatile uintptr_t nowhere; // 0

static void fault_null_execute(void) {
    int (*nothing)(void) = (int (*)(void))nowhere;
    came_back = nothing();
}

static void fault_text_write(void) {
    *(volatile uint8_t *)(uintptr_t)kernel_image_begin = 0;
}

static void fault_rodata_write(void) {
    static const char constant[] = "constant";
    *(volatile char *)(uintptr_t)constant = 'C';
}

static void fault_data_execute(void) {
    int (*volatile data)(void) = (int (*)(void))(uintptr_t)&strata;
    came_back = data();
}

// Deeper and deeper, to a depth that no stack has; what is added after the call keeps it from
// becoming a jump.
static unsigned fall(const volatile unsigned *above) {
    volatile unsigned here[64];
    here[0] = *above + 1;
    return here[0] == UINT32_MAX ? 0 : fall(here) + here[0];
}

static void fault_stack_overflow(void) {
    volatile unsigned top = 0;
    came_back = (int)fall(&top);
}

static void fault_guard(void) {
    volatile uint8_t *memory = vmalloc(&strata.vmalloc, 3 * PAGE_SIZE);
    if (memory != NULL) {
        memory[3 * PAGE_SIZE] = 1;
    }
}

// Touches a byte, and leaves it as it was where nothing stops that.
static void touch(volatile uint8_t *byte) {
    *byte = *byte;
}

static void fault_overflow(void) {
    uint8_t *object = kmalloc(64, 0);
    if (object != NULL) {
        touch(object + 64);
        kfree(object);
    }
}

static void fault_use_after_free(void) {
    uint8_t *object = kmalloc(64, 0);
    kfree(object);
    if (object != NULL) {
        touch(object + 16);
    }
}

// So many others come and go that its place, and its page, have long been somebody else's. What is
// written is what a freed object holds.
static void fault_use_after_reuse(void) {
    uint8_t *object = kmalloc(64, 0);
    kfree(object);
    for (unsigned i = 0; i < 5000; i++) {
        kfree(kmalloc(64, 0));
    }
    if (object != NULL) {
        *(volatile uint8_t *)(object + 16) = OBJECT_POISON;
    }
}

// Makes a page of user memory, loads its address space, and calls `touch` with it.
static void with_user_memory(void (*touch)(uint64_t address)) {
    const uint64_t address = UINT64_C(0x600000);
    static struct space space;
    if (space_create(&strata.spaces, &space) == SPACE_OK &&
        space_map_at(&space, vaddr(address), 1, PAGING_EXECUTE) == SPACE_OK &&
        space_populate(&space, vaddr(address), 1) == SPACE_FAULT_RESOLVED) {
        space_switch(&strata.spaces, &space);
        touch(address);
        space_switch(&strata.spaces, NULL);
        space_destroy(&space);
    }
}

static void read_it(uint64_t address) {
    (void)*(volatile const uint8_t *)address;
}

static void execute_it(uint64_t address) {
    static const uint8_t returns = 0xc3; // RET
    if (space_write(strata.spaces.current[0], vaddr(address), &returns, 1) ==
        SPACE_FAULT_RESOLVED) {
        came_back = ((int (*)(void))address)();
    }
}

static void fault_user_access(void) {
    with_user_memory(read_it);
}

static void fault_user_execute(void) {
    with_user_memory(execute_it);
}

static void fault_not_canonical(void) {
    (void)*(volatile const uint8_t *)NOT_CANONICAL;
}

static void fault_segment(void) {
    cpu_load_data_segment(0x50); // beyond the GDT
}

static void fault_double(void) {
    cpu_set_stack_and_push(NOT_CANONICAL);
}

static void fault_panic(void) {
    port_panic("on purpose: %s", "fault panic");
}

static void fault_assertion(void) {
    volatile unsigned two = 2;
    ASSERT(two + two == 5);
}

static void fault_again(void) {
    port_panic("on purpose: %s", (const char *)(uintptr_t)0x10);
}

static void fault_free(void) {
    page_free(&strata.pages, pfn(0), 0);
}

static const struct {
    const char *name, *what;
    void (*run)(void);
} kinds[] = {
    {"null-read", "reads through a null pointer", fault_null_read},
    {"null-write", "writes through a null pointer", fault_null_write},
    {"null-execute", "calls a null pointer", fault_null_execute},
    {"text-write", "writes to the kernel's own code", fault_text_write},
    {"rodata-write", "writes to the kernel's constants", fault_rodata_write},
    {"data-execute", "calls a place in the kernel's data", fault_data_execute},
    {"stack-overflow", "calls itself for ever", fault_stack_overflow},
    {"guard", "writes behind memory from vmalloc", fault_guard},
    {"overflow", "writes behind an object of 64 bytes: stopped with guard=64", fault_overflow},
    {"use-after-free", "touches a freed object of 64 bytes: likewise", fault_use_after_free},
    {"use-after-reuse", "writes to one whose place others had since: likewise",
     fault_use_after_reuse},
    {"user-access", "reads user memory from the kernel", fault_user_access},
    {"user-execute", "calls user memory from the kernel", fault_user_execute},
    {"non-canonical", "reads an address that is not canonical", fault_not_canonical},
    {"segment", "loads a segment that does not exist", fault_segment},
    {"double", "loses its stack: a double fault", fault_double},
    {"divide", "divides by zero", cpu_divide_by_zero},
    {"opcode", "executes an undefined instruction", cpu_undefined},
    {"breakpoint", "executes a breakpoint", cpu_breakpoint},
    {"assertion", "asserts what does not hold", fault_assertion},
    {"panic", "panics", fault_panic},
    {"again", "panics with a message that cannot be read: a fault inside the report", fault_again},
    {"free", "frees a page that was never allocated", fault_free},
};

void fault_command(struct text *out, size_t count, char **arguments) {
    (void)count;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kinds[i].name, arguments[0]) == 0) {
            text_printf(out, "going wrong: %s\n", kinds[i].what);
            kinds[i].run();
            text_puts(out, "nothing has stopped it\n");
            return;
        }
    }
    text_puts(out, "fault goes wrong on purpose, and the kernel stops; the ways are\n");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        text_printf(out, "  %-16s %s\n", kinds[i].name, kinds[i].what);
    }
}
