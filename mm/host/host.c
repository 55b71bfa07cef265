// SPDX-License-Identifier: MIT
// The hosted port: physical memory is a reservation of address space, a panic is a message and a
// longjmp or an abort.
#include "host.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

uint8_t *host_ram;
uint64_t host_ram_begin, host_direct_map;
_Thread_local unsigned host_cpu;
_Thread_local uint32_t host_gate;
#ifdef STRATA_DEBUG
_Thread_local unsigned long host_interrupts_off;
#endif
_Thread_local jmp_buf host_panic_jump;
_Thread_local bool host_panic_armed;
_Thread_local char host_panic_message[512];
enum port_level host_log_level = PORT_WARNING;
const char *host_code_name;
void (*host_entry_written)(const uint64_t *entry, uint64_t address, unsigned level);
void (*host_tlb_flush)(const struct tlb_flush *flush);
void (*host_tables_load)(pfn_t root);

static uint64_t host_ram_bytes;

#if HOST_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>

// Where anything was hidden: unmapping memory does not show it again.
static uint64_t hidden_begin = UINT64_MAX, hidden_end;

void host_memory_hide(const void *begin, uint64_t bytes) {
    uint64_t from = (uint64_t)begin, to = from + bytes;
    uint64_t first = __atomic_load_n(&hidden_begin, __ATOMIC_RELAXED);
    uint64_t last = __atomic_load_n(&hidden_end, __ATOMIC_RELAXED);
    while (from < first && !__atomic_compare_exchange_n(&hidden_begin, &first, from, true,
                                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    while (to > last && !__atomic_compare_exchange_n(&hidden_end, &last, to, true, __ATOMIC_RELAXED,
                                                     __ATOMIC_RELAXED)) {
    }
    __asan_poison_memory_region(begin, bytes);
}

void host_memory_show(const void *begin, uint64_t bytes) {
    __asan_unpoison_memory_region(begin, bytes);
}

static void show_all(void) {
    if (hidden_begin < hidden_end) {
        host_memory_show((const void *)hidden_begin, hidden_end - hidden_begin);
    }
    hidden_begin = UINT64_MAX;
    hidden_end = 0;
}
#else
static void show_all(void) {}
#endif

// What is aligned in physical memory, up to 1 GiB, is aligned in the process as well.
void host_memory(paddr_t begin, uint64_t bytes) {
    if (host_ram != NULL) {
        show_all();
        munmap(host_ram, host_ram_bytes);
    }
    uint8_t *memory = mmap(NULL, bytes + GIB, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        fprintf(stderr, "cannot reserve %lu bytes of address space to play physical memory\n",
                bytes);
        exit(2);
    }
    uint64_t before = (begin.value - (uint64_t)memory) & (GIB - 1);
    if (before != 0) {
        munmap(memory, before);
    }
    munmap(memory + before + bytes, GIB - before);
    host_ram = memory + before;
    host_ram_begin = begin.value;
    host_direct_map = (uint64_t)host_ram - begin.value;
    host_ram_bytes = bytes;
}

void host_cpu_set(unsigned cpu) {
    host_cpu = host_gate = cpu;
}

void host_panic_end(void) {
    host_panic_armed = false;
}

void port_panic(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(host_panic_message, sizeof(host_panic_message), format, arguments);
    va_end(arguments);
    if (host_panic_armed) {
        host_panic_armed = false;
        host_gate = host_cpu; // whoever held it does not go on
        longjmp(host_panic_jump, 1);
    }
    fprintf(stderr, "panic: %s\n", host_panic_message);
    abort();
}

// A hosted program does not carry its symbols.
const char *port_code_name(uint32_t offset, uint32_t *into) {
    (void)offset;
    *into = 16;
    return host_code_name;
}

void port_log(enum port_level level, const char *format, ...) {
    if (level > host_log_level) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

void port_tlb_flush(const struct tlb_flush *flush) {
    if (host_tlb_flush != NULL) {
        host_tlb_flush(flush);
    }
}
