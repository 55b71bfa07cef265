// SPDX-License-Identifier: MIT
// An exception: everything that helps to find its cause, then a stop.
#include <devices/pit.h>
#include <mm/port.h>
#include <paging/fault.h>
#include <paging/image.h>
#include <panic.h>
#include <stacks.h>
#include <state.h>
#include <x86/trap.h>

static void print_registers(struct text *out, const struct trap_frame *frame) {
    text_printf(out, "  rax %016lx  rbx %016lx  rcx %016lx  rdx %016lx\n", frame->rax, frame->rbx,
                frame->rcx, frame->rdx);
    text_printf(out, "  rsi %016lx  rdi %016lx  rbp %016lx  rsp %016lx\n", frame->rsi, frame->rdi,
                frame->rbp, frame->rsp);
    text_printf(out, "  r8  %016lx  r9  %016lx  r10 %016lx  r11 %016lx\n", frame->r8, frame->r9,
                frame->r10, frame->r11);
    text_printf(out, "  r12 %016lx  r13 %016lx  r14 %016lx  r15 %016lx\n", frame->r12, frame->r13,
                frame->r14, frame->r15);
    text_printf(out, "  rip %016lx  cs %04lx  ss %04lx  rflags %lx\n", frame->rip, frame->cs,
                frame->ss, frame->rflags);
    text_printf(out, "  cr0 %lx  cr2 %016lx  cr3 %lx  cr4 %lx\n", cpu_read_cr0(), cpu_read_cr2(),
                cpu_read_cr3(), cpu_read_cr4());
}

// The CPU does not say which address a general-protection fault is about; one that is not canonical
// is a likely cause.
static void name_suspects(struct text *out, const struct trap_frame *frame) {
    const struct {
        const char *name;
        uint64_t value;
    } registers[] = {
        {"rax", frame->rax}, {"rbx", frame->rbx}, {"rcx", frame->rcx}, {"rdx", frame->rdx},
        {"rsi", frame->rsi}, {"rdi", frame->rdi}, {"rbp", frame->rbp}, {"rsp", frame->rsp},
        {"r8", frame->r8},   {"r9", frame->r9},   {"r10", frame->r10}, {"r11", frame->r11},
        {"r12", frame->r12}, {"r13", frame->r13}, {"r14", frame->r14}, {"r15", frame->r15},
        {"rip", frame->rip},
    };
    const char *heading = "not a canonical address:";
    for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
        if (!layout_canonical(vaddr(registers[i].value), strata.info->paging_levels)) {
            text_printf(out, "%s %s", heading, registers[i].name);
            heading = "";
        }
    }
    if (heading[0] == '\0') {
        text_puts(out, "\n");
    }
}

static void explain(struct text *out, const struct trap_frame *frame, uint64_t fault_address) {
    if (trap_explain_error(out, frame->vector, frame->error, fault_address)) {
        text_puts(out, "\n");
    }
    if (strata.info == NULL) {
        return;
    }
    if (frame->vector == TRAP_PAGE_FAULT) {
        fault_explain_access(out, &strata, frame->error, vaddr(fault_address));
    } else if (frame->vector == TRAP_PROTECTION || frame->vector == TRAP_STACK) {
        name_suspects(out, frame);
    } else if (frame->vector == TRAP_DOUBLE_FAULT) {
        if (stacks_explain(out, &strata, frame->rsp)) {
            fault_explain_address(out, &strata, vaddr(fault_address));
        }
    }
}

// Where the code came from that jumped to a place which is none: the return address that its call
// left on top of the stack.
static uint64_t caller_of_nowhere(const struct trap_frame *frame) {
    const uint64_t *top = (const uint64_t *)frame->rsp;
    if (image_is_code(vaddr(frame->rip)) || frame->vector == TRAP_DOUBLE_FAULT ||
        !stacks_readable(&strata, frame->rsp) || !image_is_code(vaddr(*top))) {
        return 0;
    }
    return *top;
}

static _Noreturn void report_exception(const struct trap_frame *frame) {
    uint64_t fault_address = cpu_read_cr2();
    bool again;
    struct text *out = panic_begin(&again);
    if (out != NULL) {
        text_printf(out, "\n%sexception %lu (%s), error code 0x%lx, at ",
                    again ? "inside that report: " : "", frame->vector, trap_name(frame->vector),
                    frame->error);
        panic_print_code(out, frame->rip);
        text_puts(out, "\n");
    }
    if (out != NULL && !again) {
        explain(out, frame, fault_address);
        print_registers(out, frame);
        panic_backtrace(out, frame->rip, caller_of_nowhere(frame), frame->rbp);
    }
    panic_stop();
}

void trap_handle(struct trap_frame *frame) {
    if (user_trap(&strata, frame) ||
        (frame->vector < TRAP_EXCEPTIONS && runtime_recover(&strata, frame))) {
        return;
    }
    if (frame->vector == TRAP_PAGE_FAULT) {
        catch_faulted(&strata.catcher, vaddr(cpu_read_cr2()));
    }
    if (frame->vector < TRAP_EXCEPTIONS) {
        report_exception(frame);
    }
    if (frame->vector == PIT_VECTOR && pit_interrupt()) {
        return;
    }
    strata.stray_interrupts++;
    port_log(PORT_WARNING, "interrupt %lu arrived, which nobody expects", frame->vector);
}
