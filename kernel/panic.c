// SPDX-License-Identifier: MIT
// Panics, and the parts that exception reports share with them.
#include <lib/symbols.h>
#include <mm/port.h>
#include <panic.h>
#include <screen/early.h>
#include <stacks.h>
#include <state.h>
#include <x86/cpu.h>

#define DEBUG_EXIT_PORT 0xf4
#define BACKTRACE_MOST  24

static unsigned panic_depth;

struct text *panic_begin(bool *again) {
    cpu_interrupts_off();
    panic_depth++;
    *again = panic_depth > 1;
    if (panic_depth > 2) {
        return NULL;
    }
    struct text *out = strata.console;
    console_panic(&strata.tty);
    if (!*again) {
        screen_panic(&strata);
    }
    if (!*again && strata.log.out == NULL) {
        log_open(&strata.log, out);
    }
    return out;
}

void panic_print_code(struct text *out, uint64_t address) {
    uint64_t image = (uint64_t)kernel_image_begin, into;
    const char *name = symbol_find(&symbol_table_kernel, address - image, &into);
    text_printf(out, "0x%016lx", address);
    if (name != NULL) {
        text_printf(out, " %s+0x%lx", name, into);
    }
}

// A return address may be one past a call that ends its function: `back` is 1 then, and the call
// itself is looked up.
static void print_call(struct text *out, uint64_t address, uint64_t back) {
    uint64_t image = (uint64_t)kernel_image_begin, into;
    const char *name = symbol_find(&symbol_table_kernel, address - back - image, &into);
    text_printf(out, "  0x%016lx", address);
    if (name != NULL) {
        text_printf(out, " %s+0x%lx (image+0x%lx)\n", name, into + back, address - image);
    } else {
        text_puts(out, " outside the kernel's code\n");
    }
}

void panic_backtrace(struct text *out, uint64_t address, uint64_t caller, uint64_t frame_pointer) {
    struct stack_range stacks[STACKS_MAX];
    size_t stack_count = stacks_list(&strata, stacks);
    uint64_t calls[BACKTRACE_MOST];
    enum backtrace_end end;
    size_t count = backtrace_walk(stacks, stack_count, frame_pointer, calls, BACKTRACE_MOST, &end);
    text_printf(out, "calls, innermost first (image at 0x%lx):\n", (uint64_t)kernel_image_begin);
    if (address != 0) {
        print_call(out, address, 0);
    }
    if (caller != 0) {
        print_call(out, caller, 1);
    }
    for (size_t i = 0; i < count; i++) {
        print_call(out, calls[i], 1);
    }
    if (end == BACKTRACE_BROKEN) {
        text_puts(out, "  (the stack is broken from here)\n");
    } else if (end == BACKTRACE_FULL) {
        text_puts(out, "  (and more)\n");
    }
}

void panic_exit_emulator(enum panic_exit value) {
    serial_drain(&strata.serial);
    if (strata.info != NULL && strata.info->options.exit_on_panic != 0) {
        cpu_out8(DEBUG_EXIT_PORT, (uint8_t)value);
    }
}

_Noreturn void panic_stop(void) {
    if (panic_depth <= 2) {
        text_puts(strata.console, "stopped.\n");
        console_flush(&strata.tty);
    }
    panic_exit_emulator(PANIC_EXIT_FAILED);
    cpu_stop();
}

_Noreturn void port_panic(const char *format, ...) {
    bool again;
    va_list arguments;
    va_start(arguments, format);
    catch_panicked(&strata.catcher, format, arguments);
    va_end(arguments);
    struct text *out = panic_begin(&again);
    if (out != NULL) {
        text_style(out, TEXT_ERROR);
        text_puts(out, again ? "\npanic inside a panic: " : "\npanic: ");
        va_start(arguments, format);
        text_vprintf(out, format, arguments);
        va_end(arguments);
        text_style(out, TEXT_PLAIN);
        text_puts(out, "\n");
    }
    if (out != NULL && !again) {
        panic_backtrace(out, 0, 0, cpu_frame_pointer());
    }
    panic_stop();
}

void port_log(enum port_level level, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    log_vprintf(&strata.log, level, format, arguments);
    va_end(arguments);
}

const char *port_code_name(uint32_t offset, uint32_t *into) {
    uint64_t within;
    const char *name = symbol_find(&symbol_table_kernel, offset, &within);
    *into = name != NULL ? (uint32_t)within : 0;
    return name;
}
