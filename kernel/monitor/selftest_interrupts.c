// SPDX-License-Identifier: MIT
// kmalloc from interrupts: a timer interrupts a loop that allocates and frees, and allocates and
// frees itself, at whatever instruction it comes. Both write patterns and find them again.
#include <devices/pit.h>
#include <kmalloc.h>
#include <monitor/selftest.h>
#include <x86/cpu.h>

#define LIVE       64
#define INTERRUPTS UINT64_C(3000)
#define HZ         8000
// Ticks after which the timer is taken for dead: 20 s at 1 GHz, some at more.
#define PATIENCE UINT64_C(20000000000)

struct party {
    struct {
        uint64_t *memory;
        uint64_t words, pattern;
    } live[LIVE];
    uint64_t random, operations, spoilt, refused;
};

static struct party loop, interrupt;

static uint64_t next_random(struct party *party) {
    party->random ^= party->random << 13;
    party->random ^= party->random >> 7;
    party->random ^= party->random << 17;
    return party->random;
}

static void release(struct party *party, unsigned at) {
    uint64_t *memory = party->live[at].memory, words = party->live[at].words;
    for (uint64_t i = 0; i < words; i++) {
        party->spoilt += memory[i] != party->live[at].pattern;
    }
    kfree(memory);
    party->live[at].memory = NULL;
}

static void operate(struct party *party) {
    uint64_t random = next_random(party);
    unsigned at = random % LIVE;
    party->operations++;
    if (party->live[at].memory != NULL) {
        release(party, at);
        return;
    }
    // A few classes only, so that both meet in them.
    uint64_t words = UINT64_C(1) << (random >> 8) % 7;
    uint64_t *memory = kmalloc(words * sizeof(*memory), OBJECT_ATOMIC);
    if (memory == NULL) {
        party->refused++;
        return;
    }
    for (uint64_t i = 0; i < words; i++) {
        memory[i] = random;
    }
    party->live[at].memory = memory;
    party->live[at].words = words;
    party->live[at].pattern = random;
}

// What the handler holds of the pool for interrupts.
static struct {
    uint64_t *objects[INTERRUPT_OBJECTS], patterns[INTERRUPT_OBJECTS];
    uint64_t taken, spoilt, refused;
} pooled;

static void release_pooled(unsigned at) {
    pooled.spoilt += *pooled.objects[at] != pooled.patterns[at];
    mempool_free(&strata.interrupt_pool, pooled.objects[at]);
    pooled.objects[at] = NULL;
}

static void operate_pool(void) {
    unsigned at = next_random(&interrupt) % INTERRUPT_OBJECTS;
    if (strata.interrupt_pool.cache == NULL) {
        return;
    }
    if (pooled.objects[at] != NULL) {
        release_pooled(at);
        return;
    }
    pooled.objects[at] = mempool_alloc(&strata.interrupt_pool);
    if (pooled.objects[at] == NULL) {
        pooled.refused++;
        return;
    }
    pooled.taken++;
    pooled.patterns[at] = *pooled.objects[at] = interrupt.random;
}

static void on_interrupt(void) {
    operate_pool();
    for (unsigned i = 0; i < 4; i++) {
        operate(&interrupt);
    }
}

static void release_all(struct party *party) {
    for (unsigned at = 0; at < LIVE; at++) {
        if (party->live[at].memory != NULL) {
            release(party, at);
        }
    }
}

static uint64_t count_around(void) {
    uint64_t around = 0;
    for (unsigned class = 0; class < KMALLOC_CLASSES; class ++) {
        around += strata.kmalloc.classes[class].around;
    }
    return around;
}

static void judge(struct text *out, bool held, const char *sentence, uint64_t *passed,
                  uint64_t *failed) {
    *passed += held;
    *failed += !held;
    if (!held) {
        text_printf(out, "  does not hold: %s\n", sentence);
    }
}

void selftest_interrupts(uint64_t *passed, uint64_t *failed, struct text *out) {
    uint64_t around = count_around(), begin = cpu_tsc();
    pooled.taken = pooled.spoilt = pooled.refused = 0;
    loop = (struct party){.random = 88172645463325252u};
    interrupt = (struct party){.random = 1181783497276652981u};
    pit_start(HZ, on_interrupt);
    cpu_irq_restore(CPU_RFLAGS_IF);
    while (interrupt.operations < 4 * INTERRUPTS && cpu_tsc() - begin < PATIENCE) {
        operate(&loop);
        cpu_nothing(); // the interrupt counts as well
    }
    cpu_interrupts_off();
    pit_stop();
    release_all(&loop);
    release_all(&interrupt);
    for (unsigned at = 0; at < INTERRUPT_OBJECTS; at++) {
        if (pooled.objects[at] != NULL) {
            release_pooled(at);
        }
    }
    around = count_around() - around;
    text_printf(out, "  %lu timer interrupts in %lu operations, %lu found a gate held\n",
                interrupt.operations / 4, loop.operations, around);
    judge(out, interrupt.operations >= 4 * INTERRUPTS, "the timer interrupts", passed, failed);
    judge(out, strata.kmalloc.heap.options.debug || around != 0, "some come at a held gate", passed,
          failed);
    judge(out, loop.spoilt + interrupt.spoilt == 0, "nobody's memory changes", passed, failed);
    judge(out, strata.interrupt_pool.cache != NULL && pooled.taken > INTERRUPTS / 4,
          "interrupts take from their pool", passed, failed);
    judge(out, pooled.spoilt + pooled.refused == 0, "the pool keeps its word", passed, failed);
    judge(out,
          strata.interrupt_pool.out == 0 &&
              mempool_verdict(&strata.interrupt_pool) == MEMPOOL_GUARANTEED,
          "the pool's worst case is guaranteed", passed, failed);
    judge(out, loop.refused + interrupt.refused == 0, "everybody is served", passed, failed);
    judge(out, object_check(&strata.kmalloc.heap) == NULL, "every invariant", passed, failed);
}
