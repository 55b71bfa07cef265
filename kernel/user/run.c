// SPDX-License-Identifier: MIT
// From ring 0 to ring 3 and back.
//   U1  a program comes back as a result, whatever it does               test_user.py
//   U2  afterwards the kernel's tables are loaded, and nobody runs       test_user.py
#include <user/run.h>

#include <state.h>
#include <x86/trap.h>

_Static_assert(offsetof(struct user_call, arguments) == 8 &&
                   offsetof(struct user_call, stack) == 24 &&
                   offsetof(struct user_call, kernel_stack) == 32 &&
                   offsetof(struct user_call, rsp0) == 40 && SEGMENT_USER_DATA == 0x2b &&
                   SEGMENT_USER_CODE == 0x33,
               "enter.S has these numbers");

void user_enter(struct user_call *call);
extern const uint8_t user_leave[] __attribute__((visibility("hidden")));

void user_run(struct kernel *kernel, struct space *space, vaddr_t entry, uint64_t first,
              uint64_t second, struct user_result *result) {
    struct user_call call = {
        .entry = entry.value,
        .arguments = {first, second},
        .rsp0 = segments_rsp0(&kernel->segments),
    };
    *result = (struct user_result){.fault = SPACE_FAULT_RESOLVED};
    kernel->user = (struct user){&call, space, result};
    space_switch(&kernel->spaces, space);
    user_enter(&call);
    space_switch(&kernel->spaces, NULL);
    kernel->user = (struct user){NULL, NULL, NULL};
}

// Makes the frame go back to where the program was started from.
static void user_stop(const struct user_call *call, struct trap_frame *frame) {
    frame->rip = (uint64_t)user_leave;
    frame->rsp = call->kernel_stack;
    frame->cs = SEGMENT_CODE;
    frame->ss = SEGMENT_DATA;
    frame->rflags = CPU_RFLAGS_FIXED;
}

static bool resolve(struct user *user, const struct trap_frame *frame, uint64_t address) {
    unsigned access = (frame->error & TRAP_ERROR_WRITE) != 0 ? SPACE_WRITES : 0u;
    access |= (frame->error & TRAP_ERROR_FETCH) != 0 ? SPACE_EXECUTES : 0u;
    user->result->fault = space_fault(user->space, vaddr(address), access);
    user->result->resolved += user->result->fault == SPACE_FAULT_RESOLVED;
    return user->result->fault == SPACE_FAULT_RESOLVED;
}

bool user_trap(struct kernel *kernel, struct trap_frame *frame) {
    struct user *user = &kernel->user;
    if (user->call == NULL || (frame->cs & 3) != 3 || frame->vector == TRAP_NMI ||
        frame->vector == TRAP_MACHINE_CHECK || frame->vector == TRAP_DOUBLE_FAULT) {
        return false;
    }
    uint64_t address = cpu_read_cr2();
    if (frame->vector == TRAP_PAGE_FAULT && resolve(user, frame, address)) {
        return true;
    }
    struct user_result *result = user->result;
    if (frame->vector == USER_VECTOR_EXIT) {
        result->exited = true;
        result->value = frame->rdi;
    } else {
        result->vector = frame->vector;
        result->error = frame->error;
        result->address = address;
        result->rip = frame->rip;
    }
    user_stop(user->call, frame);
    return true;
}

static void explain_place(struct text *out, struct space *space, uint64_t address) {
    struct space_region region;
    if (!space_next_region(space, vaddr(0), &region)) {
        return;
    }
    while (region.end.value <= address && space_next_region(space, region.end, &region)) {
    }
    bool inside = region.begin.value <= address && address < region.end.value;
    text_printf(out, "; %s [0x%lx, 0x%lx) r%c%c", inside ? "region" : "nearest region",
                region.begin.value, region.end.value,
                (region.attributes & PAGING_WRITE) != 0 ? 'w' : '-',
                (region.attributes & PAGING_EXECUTE) != 0 ? 'x' : '-');
}

void user_explain(struct text *out, struct space *space, const struct user_result *result) {
    if (result->exited) {
        text_printf(out, "ended with %lu, %lu page faults resolved", result->value,
                    result->resolved);
        return;
    }
    text_printf(out, "stopped by exception %lu (%s) at 0x%lx: ", result->vector,
                trap_name(result->vector), result->rip);
    trap_explain_error(out, result->vector, result->error, result->address);
    if (result->vector == TRAP_PAGE_FAULT) {
        if (result->fault != SPACE_FAULT_NO_REGION) { // which has been said
            text_printf(out, "; %s", space_fault_name(result->fault));
        }
        explain_place(out, space, result->address);
    }
}
