// SPDX-License-Identifier: MIT
// Exceptions in words (Intel SDM vol. 3, table 6-1; error codes: 4.7 for page faults, 6.13 for
// selectors). Pure: tests/unit/test_explain.c.
#include <x86/trap.h>

const char *trap_name(uint64_t vector) {
    static const char *const names[TRAP_EXCEPTIONS] = {
        [0] = "divide error",
        [1] = "debug",
        [2] = "non-maskable interrupt",
        [3] = "breakpoint",
        [4] = "overflow",
        [5] = "bound range exceeded",
        [6] = "invalid opcode",
        [7] = "device not available",
        [8] = "double fault",
        [10] = "invalid TSS",
        [11] = "segment not present",
        [12] = "stack-segment fault",
        [13] = "general protection",
        [14] = "page fault",
        [16] = "x87 floating-point error",
        [17] = "alignment check",
        [18] = "machine check",
        [19] = "SIMD floating-point exception",
        [20] = "virtualization exception",
        [21] = "control protection",
        [28] = "hypervisor injection",
        [29] = "VMM communication",
        [30] = "security exception",
    };
    if (vector >= TRAP_EXCEPTIONS) {
        return "interrupt";
    }
    return names[vector] != NULL ? names[vector] : "reserved exception";
}

// The rest of a page fault's error code.
#define FAULT_RESERVED_BIT 0x8
#define FAULT_KEY          0x20
#define FAULT_SHADOW_STACK 0x40

static const char *fault_reason(uint64_t error) {
    if ((error & TRAP_ERROR_PRESENT) == 0) {
        return "nothing is mapped there";
    }
    if ((error & FAULT_RESERVED_BIT) != 0) {
        return "a page-table entry has a reserved bit set";
    }
    if ((error & FAULT_KEY) != 0) {
        return "a protection key forbids it";
    }
    return "the page's permissions forbid it";
}

static void explain_page_fault(struct text *out, uint64_t error, uint64_t address) {
    const char *access = (error & TRAP_ERROR_FETCH) != 0   ? "instruction fetch from"
                         : (error & TRAP_ERROR_WRITE) != 0 ? "write to"
                                                           : "read of";
    text_printf(out, "%s%s 0x%016lx by %s: %s",
                (error & FAULT_SHADOW_STACK) != 0 ? "shadow-stack " : "", access, address,
                (error & TRAP_ERROR_USER) != 0 ? "user code" : "the kernel", fault_reason(error));
    if (address < PAGE_SIZE) {
        text_puts(out, " (a null pointer)");
    }
}

static void explain_selector(struct text *out, uint64_t error) {
    if (error == 0) {
        text_puts(out, "no segment is to blame");
        return;
    }
    const char *table = (error & 2) != 0 ? "IDT" : (error & 4) != 0 ? "LDT" : "GDT";
    text_printf(out, "entry %lu of the %s%s", error >> 3 & 0x1fff, table,
                (error & 1) != 0 ? ", while delivering an event from outside" : "");
}

bool trap_explain_error(struct text *out, uint64_t vector, uint64_t error, uint64_t fault_address) {
    if (vector == TRAP_PAGE_FAULT) {
        explain_page_fault(out, error, fault_address);
        return true;
    }
    if (vector >= TRAP_INVALID_TSS && vector <= TRAP_PROTECTION) {
        explain_selector(out, error);
        return true;
    }
    return false;
}
