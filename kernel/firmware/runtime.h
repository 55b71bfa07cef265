// SPDX-License-Identifier: MIT
// The firmware's runtime services, called from a kernel that stands on its own page tables.
//
//    user half of an address space of its own        kernel's half: shared
//    │ runtime memory at its physical addresses │ stack │ mailbox │ …
//
// Nothing else of the machine is mapped there. Code is r-x and data rw- as far as the memory
// attributes table says which is which. The stack has a guard page; what a service is to read or
// write lies in the mailbox. With runtime=virtual the same memory is mapped at virtual addresses as
// well, and the firmware is told of them once (SetVirtualAddressMap; UEFI 2.10, 8.4).
//
// All is made when a service is called for the first time; with runtime=virtual at boot. An
// exception inside a service ends the call, is reported, and switches the services off for good:
// who knows what state they are in.
//
// One CPU, not from interrupts.
#pragma once

#include <mm/memmap.h>
#include <mm/paging.h>
#include <strata/text.h>

struct kernel;
struct trap_frame;
struct firmware_call;

// Statuses that mean something here (UEFI 2.10, appendix D).
#define EFI_STATUS_ERROR            UINT64_C(0x8000000000000000)
#define EFI_STATUS_BUFFER_TOO_SMALL (EFI_STATUS_ERROR | 5)
#define EFI_STATUS_NOT_FOUND        (EFI_STATUS_ERROR | 14)
#define EFI_STATUS_ABORTED          (EFI_STATUS_ERROR | 21)

// "not found", …; "error 0x…" has no name: then NULL.
const char *efi_status_name(uint64_t status);

enum runtime_service {
    RUNTIME_GET_TIME,
    RUNTIME_SET_VIRTUAL_ADDRESS_MAP,
    RUNTIME_GET_VARIABLE,
    RUNTIME_GET_NEXT_VARIABLE_NAME,
    RUNTIME_RESET_SYSTEM,
    RUNTIME_SERVICE_COUNT_,
};

#define RUNTIME_STACK_PAGES   8
#define RUNTIME_MAILBOX_PAGES 4

enum runtime_state { RUNTIME_UNTRIED, RUNTIME_READY, RUNTIME_OFF };

struct runtime {
    enum runtime_state state;
    const char *why_off;
    struct page_tables tables;
    pfn_t block;       // guard, stack, mailbox
    uint64_t services; // physical address of the table of services
    bool virtual;      // SetVirtualAddressMap was called, and worked
    uint64_t code_pages, data_pages, device_pages;
    uint64_t refused_pages;     // that firmware claims and is not given
    uint64_t attribute_entries; // of the memory attributes table that were applied
    uint64_t calls;
    struct firmware_call *active; // the call under way
    enum runtime_service service; // and what it is
};

// With runtime=virtual: starts them and tells them of virtual addresses, before boot services'
// memory is given back. Otherwise does nothing: they start when the first one is called.
void runtime_go_virtual(struct kernel *kernel);

// Where the mailbox is, for the kernel and for the services; NULL when the services are off, with
// the reason in kernel->runtime.why_off.
void *runtime_mailbox(struct kernel *kernel, uint64_t *address);

// Calls a service with up to five arguments; EFI_STATUS_ABORTED when the services are off or an
// exception ended it.
uint64_t runtime_call(struct kernel *kernel, enum runtime_service service,
                      const uint64_t arguments[5]);

// Called for an exception: when it happened inside a service, reports it, makes the frame go back
// to the caller and returns true.
bool runtime_recover(struct kernel *kernel, struct trap_frame *frame);

// {"record":"runtime","state":"ready","virtual":false,"code":256,"data":646,"device":1024,
//  "refused":0,"attribute_entries":22,"calls":3,"why_off":null}   (one line; pages)
// `state` is untried, ready or off. Does not try them.
void runtime_records(struct text *out, const struct kernel *kernel);

// What is known of them, for people.
void runtime_report(struct text *out, struct kernel *kernel);
