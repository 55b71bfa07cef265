// SPDX-License-Identifier: MIT
// An exception: everything that helps to find its cause, then a stop.
#include <mm/port.h>
#include <panic.h>
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
        if (trap_explain_error(out, frame->vector, frame->error, fault_address)) {
            text_puts(out, "\n");
        }
        print_registers(out, frame);
        panic_backtrace(out, frame->rip, frame->rbp);
    }
    panic_stop();
}

void trap_handle(const struct trap_frame *frame) {
    if (frame->vector < TRAP_EXCEPTIONS) {
        report_exception(frame);
    }
    strata.stray_interrupts++;
    port_log(PORT_WARNING, "interrupt %lu arrived, which nobody expects", frame->vector);
}
