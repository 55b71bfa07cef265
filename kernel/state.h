// SPDX-License-Identifier: MIT
// The running kernel: the one instance of everything that mm/ and kernel/ keep in structs.
#pragma once

#include <acpi/acpi.h>
#include <catch.h>
#include <clock.h>
#include <console.h>
#include <devices/serial.h>
#include <firmware/runtime.h>
#include <lib/backtrace.h>
#include <log.h>
#include <mm/ioremap.h>
#include <mm/kmalloc.h>
#include <mm/mempool.h>
#include <mm/object_guard.h>
#include <mm/paging.h>
#include <mm/space.h>
#include <mm/watch.h>
#include <monitor/lock.h>
#include <paging/layout.h>
#include <paging/walk.h>
#include <phases.h>
#include <strata/boot.h>
#include <tripwire.h>
#include <user/run.h>
#include <x86/control.h>
#include <x86/features.h>
#include <x86/segments.h>

// What handlers of interrupts may hold at once: objects of so many bytes.
#define INTERRUPT_OBJECTS      16
#define INTERRUPT_OBJECT_BYTES 256

struct kernel {
    const struct boot_info *info; // NULL until the contract was found good
    struct serial serial;
    struct console tty;   // serial line, screen and keyboard as one
    struct text *console; // its text: where everything for people goes
    struct command_lock lock;
    struct clock clock;
    struct log log;
    struct phases phases;
    struct segments segments;
    struct stack_range stack; // that all but the IST handlers run on
    struct cpu_features cpu;
    struct controls controls;
    struct layout layout;
    bool own_tables; // the kernel is off the loader's page tables and stack
    struct page_tables tables;
    struct vm_window vmalloc, mmio, stacks; // when the tables are
    struct ioremap ioremap;
    void *screen; // the framebuffer, write-combining; NULL: none
    struct spaces spaces;
    uint64_t stray_interrupts;
    void (*timer)(void); // called by the timer's interrupts, or NULL
    struct efi_map firmware_map;
    struct memmap map;
    struct page_allocator pages;
    struct page_watch watch;
    struct kmalloc kmalloc;
    struct object_cache interrupt_cache;
    struct mempool interrupt_pool; // for who handles interrupts; cache NULL: there is none
    void *interrupt_stock[INTERRUPT_OBJECTS];
    struct object_guard guard; // started when heap.guard leads here
    pfn_t trace_storage;       // of a recording
    uint64_t trace_pages;      // 0: there is none
    struct acpi acpi;
    struct runtime runtime;
    struct user user;
    struct tripwire low_wire, bootsvc_wire;
    struct catcher catcher; // of the self-test
};

extern struct kernel strata;
