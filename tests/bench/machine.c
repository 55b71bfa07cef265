// SPDX-License-Identifier: MIT
// The machine that measures: pinning, and memory for arenas and metadata.
#include "bench.h"

#include <mm/lock.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

bool machine_huge_pages = true;

void machine_pin(unsigned cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set) != 0) {
        fprintf(stderr, "cannot run on CPU %u only\n", cpu);
        exit(2);
    }
}

double machine_lock_ns(void) {
    enum { ROUNDS = 1 << 20 };
    static struct lock lock;
    double begin = cpu_ns();
    for (unsigned i = 0; i < ROUNDS; i++) {
        lock_release(&lock, lock_acquire(&lock));
    }
    return (cpu_ns() - begin) / ROUNDS;
}

// The two highest CPUs that this program may use; twice the same when there is only one.
void machine_cpus(unsigned cpus[2]) {
    cpu_set_t set;
    sched_getaffinity(0, sizeof(set), &set);
    unsigned found = 0;
    for (unsigned cpu = CPU_SETSIZE; cpu-- > 0 && found < 2;) {
        if (CPU_ISSET(cpu, &set)) {
            cpus[found++] = cpu;
        }
    }
    if (found == 1) {
        cpus[1] = cpus[0];
    }
}

const char *machine_name(void) {
    static char name[128] = "unknown processor";
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "model name : %127[^\"\\\n]", name) == 1) {
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return name;
}

void machine_advise(void *memory, uint64_t bytes) {
    madvise(memory, bytes, machine_huge_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

// Fresh, zeroed memory, aligned to 2 MiB; a page of it costs nothing until it is touched.
void *machine_map(uint64_t bytes) {
    const uint64_t huge = UINT64_C(2) << 20;
    uint8_t *memory = mmap(NULL, bytes + huge, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        fprintf(stderr, "cannot map %lu bytes\n", bytes);
        exit(2);
    }
    uint64_t before = -(uint64_t)(uintptr_t)memory & (huge - 1);
    if (before != 0) {
        munmap(memory, before);
    }
    if (before != huge) {
        munmap(memory + before + bytes, huge - before);
    }
    machine_advise(memory + before, bytes);
    return memory + before;
}

void machine_unmap(void *memory, uint64_t bytes) {
    if (memory != NULL) {
        munmap(memory, bytes);
    }
}
