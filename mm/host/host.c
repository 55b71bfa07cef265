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

// What is aligned in physical memory, up to 1 GiB, is aligned in the process as well.
void host_memory(paddr_t begin, uint64_t bytes) {
    if (host_ram != NULL) {
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
    host_cpu = cpu;
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
