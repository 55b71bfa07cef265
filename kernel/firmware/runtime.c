// SPDX-License-Identifier: MIT
// Calls into firmware, and the way back out of it.
//   R1  nothing but runtime memory, stack and mailbox is mapped in the user half    test_runtime.py
//   R2  an exception inside a service comes back as EFI_STATUS_ABORTED, once        test_runtime.py
//   R3  the kernel's tables are loaded again whatever the service did
#include <firmware/runtime.h>

#include <firmware/internal.h>
#include <mm/port.h>
#include <paging/fault.h>
#include <string.h>
#include <x86/trap.h>

_Static_assert(offsetof(struct firmware_call, arguments) == 8 &&
                   offsetof(struct firmware_call, tables) == 48 &&
                   offsetof(struct firmware_call, stack) == 56 &&
                   offsetof(struct firmware_call, kernel_stack) == 64 &&
                   offsetof(struct firmware_call, kernel_tables) == 72,
               "call.S has these offsets");

uint64_t firmware_enter(struct firmware_call *call);
extern const uint8_t firmware_leave[] __attribute__((visibility("hidden")));

// Where each service's address is in the table (UEFI 2.10, 4.5).
static const struct {
    const char *name;
    uint64_t offset;
} services[RUNTIME_SERVICE_COUNT_] = {
    [RUNTIME_GET_TIME] = {"GetTime", 24},
    [RUNTIME_SET_VIRTUAL_ADDRESS_MAP] = {"SetVirtualAddressMap", 56},
    [RUNTIME_GET_VARIABLE] = {"GetVariable", 72},
    [RUNTIME_GET_NEXT_VARIABLE_NAME] = {"GetNextVariableName", 80},
    [RUNTIME_RESET_SYSTEM] = {"ResetSystem", 104},
};

const char *efi_status_name(uint64_t status) {
    static const char *const names[] = {
        "success",          "load error",           "invalid parameter",
        "unsupported",      "bad buffer size",      "buffer too small",
        "not ready",        "device error",         "write protected",
        "out of resources", "volume corrupted",     "volume full",
        "no media",         "media changed",        "not found",
        "access denied",    "no response",          "no mapping",
        "timeout",          "not started",          "already started",
        "aborted",          "ICMP error",           "TFTP error",
        "protocol error",   "incompatible version", "security violation",
    };
    uint64_t number = status & ~EFI_STATUS_ERROR;
    bool known = number < sizeof(names) / sizeof(names[0]);
    return known && (status == 0 || number != status) ? names[number] : NULL;
}

void *runtime_mailbox(struct kernel *kernel, uint64_t *address) {
    struct runtime *runtime = &kernel->runtime;
    if (runtime->state == RUNTIME_UNTRIED) {
        runtime_start(kernel);
    }
    if (runtime->state != RUNTIME_READY) {
        return NULL;
    }
    *address = paddr_of(runtime->block).value + (1 + RUNTIME_STACK_PAGES) * PAGE_SIZE;
    return port_direct_map(paddr(*address));
}

uint64_t runtime_enter(struct kernel *kernel, enum runtime_service service,
                       const uint64_t arguments[5]) {
    struct runtime *runtime = &kernel->runtime;
    struct firmware_call call = {
        .tables = paddr_of(runtime->tables.root).value,
        .stack = paddr_of(runtime->block).value + (1 + RUNTIME_STACK_PAGES) * PAGE_SIZE,
    };
    memcpy(call.arguments, arguments, sizeof(call.arguments));
    memcpy(&call.function, port_direct_map(paddr(runtime->services + services[service].offset)),
           sizeof(call.function));
    runtime->service = service;
    runtime->calls++;
    runtime->tables.space.cpus |= UINT64_C(1) << port_cpu();
    runtime->active = &call;
    uint64_t status = firmware_enter(&call);
    runtime->active = NULL;
    runtime->tables.space.cpus &= ~(UINT64_C(1) << port_cpu());
    return status;
}

uint64_t runtime_call(struct kernel *kernel, enum runtime_service service,
                      const uint64_t arguments[5]) {
    uint64_t mailbox;
    if (runtime_mailbox(kernel, &mailbox) == NULL) {
        return EFI_STATUS_ABORTED;
    }
    return runtime_enter(kernel, service, arguments);
}

static void explain_access(struct text *out, uint64_t error, uint64_t address) {
    const char *access = (error & TRAP_ERROR_FETCH) != 0   ? "instruction fetch from"
                         : (error & TRAP_ERROR_WRITE) != 0 ? "write to"
                                                           : "read of";
    text_printf(out, ": %s 0x%016lx, %s", access, address,
                (error & TRAP_ERROR_PRESENT) != 0 ? "which its permissions forbid"
                                                  : "where nothing is mapped for it");
}

static void report_exception(struct kernel *kernel, const struct trap_frame *frame,
                             uint64_t fault_address) {
    char line[200];
    struct text_buffer reason;
    text_buffer_init(&reason, line, sizeof(line));
    if (frame->vector == TRAP_PAGE_FAULT) {
        explain_access(&reason.text, frame->error, fault_address);
    }
    port_log(PORT_ERROR, "the firmware failed in %s: exception %lu (%s), at 0x%lx%s",
             services[kernel->runtime.service].name, frame->vector, trap_name(frame->vector),
             frame->rip, line);
    if (frame->vector == TRAP_PAGE_FAULT && kernel->log.level >= PORT_INFO) {
        fault_explain_address(kernel->console, kernel, vaddr(fault_address));
    }
    port_log(PORT_ERROR, "runtime services are switched off");
}

bool runtime_recover(struct kernel *kernel, struct trap_frame *frame) {
    struct runtime *runtime = &kernel->runtime;
    struct firmware_call *call = runtime->active;
    if (call == NULL || frame->vector == TRAP_NMI || frame->vector == TRAP_MACHINE_CHECK) {
        return false;
    }
    uint64_t fault_address = cpu_read_cr2();
    runtime->active = NULL; // a fault in this report is the kernel's
    runtime->state = RUNTIME_OFF;
    runtime->why_off = "an exception happened inside of one";
    report_exception(kernel, frame, fault_address);
    frame->rbx = (uint64_t)call;
    frame->rax = EFI_STATUS_ABORTED;
    frame->rip = (uint64_t)firmware_leave;
    frame->rsp = call->kernel_stack;
    frame->cs = SEGMENT_CODE;
    frame->ss = SEGMENT_DATA;
    frame->rflags = CPU_RFLAGS_FIXED;
    return true;
}

// Pages that services can write to and execute, in all mappings of them.
static uint64_t writable_code(const struct kernel *kernel) {
    const unsigned both = WALK_CAN_WRITE | WALK_CAN_EXECUTE;
    struct walker walker = paging_walker(kernel);
    struct walk_run run;
    vaddr_t last = vaddr(LAYOUT_USER_END - 1);
    uint64_t pages = 0;
    walker.root = paddr_of(kernel->runtime.tables.root);
    for (uint64_t at = 0; walk_next(&run, &walker, vaddr(at), last) && run.begin.value < last.value;
         at = run.last.value + 1) {
        pages += (run.permissions & both) == both
                     ? (run.last.value - run.begin.value) / PAGE_SIZE + 1
                     : 0;
    }
    return pages;
}

void runtime_report(struct text *out, struct kernel *kernel) {
    struct runtime *runtime = &kernel->runtime;
    uint64_t mailbox;
    if (runtime_mailbox(kernel, &mailbox) == NULL) {
        text_printf(out, "runtime services: off: %s\n", runtime->why_off);
        return;
    }
    text_printf(out, "runtime services: called at %s addresses, %lu calls so far\n",
                runtime->virtual ? "virtual" : "physical", runtime->calls);
    text_printf(out, "  memory: %lu pages of code, %lu of data, %lu of registers; %lu refused\n",
                runtime->code_pages, runtime->data_pages, runtime->device_pages,
                runtime->refused_pages);
    if (runtime->attribute_entries != 0) {
        text_printf(out, "  memory attributes table: %lu entries applied; ",
                    runtime->attribute_entries);
    } else {
        text_puts(out, "  no memory attributes table: ");
    }
    text_printf(out, "%lu pages are writable and executable\n", writable_code(kernel));
}

void runtime_records(struct text *out, const struct kernel *kernel) {
    static const char *const states[] = {"untried", "ready", "off"};
    const struct runtime *runtime = &kernel->runtime;
    text_printf(out,
                "{\"record\":\"runtime\",\"state\":\"%s\",\"virtual\":%s,\"code\":%lu,"
                "\"data\":%lu,\"device\":%lu,\"refused\":%lu,\"attribute_entries\":%lu,"
                "\"calls\":%lu,\"why_off\":",
                states[runtime->state], runtime->virtual ? "true" : "false", runtime->code_pages,
                runtime->data_pages, runtime->device_pages, runtime->refused_pages,
                runtime->attribute_entries, runtime->calls);
    if (runtime->why_off != NULL) {
        text_json_string(out, runtime->why_off);
        text_puts(out, "}\n");
    } else {
        text_puts(out, "null}\n");
    }
}
