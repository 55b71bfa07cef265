// SPDX-License-Identifier: MIT
// Every reachable state of a small buddy, over every pattern of holes.
//
// The world is one section of which the first FRAMES frames (8 or 16) may be RAM; a mask says which
// are. A state is which blocks are allocated; what is free follows from it. States are numbered by
// walking the tree of blocks:
//
//   order 0: hole 0, free 1, allocated 2          3 states
//   order k: left * n(k-1) + right, or n(k-1)²    n(k) = n(k-1)² + 1 states: the last is "allocated
//   as one block"
//
// so that n(4) = 104,080,805 states over all 65,536 masks of 16 frames, 458,330 of them without
// holes. From each state every transition is made: page_alloc of every order without and with a
// ceiling, page_free of every block. After each one the walker (page_check) and an oracle that
// knows nothing of bitmaps must agree. The run ends with the number of states seen, which must be
// all of them.
//
//   buddy [--frames 8|16] [--masks FIRST LAST] [--jobs N]
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <host/host.h>
#include <page/internal.h>

#define FRAMES_MAX 16
#define SPAN       FRAMES_MAX
#define BASE       UINT64_C(0) // the world's first frame

static unsigned frames = FRAMES_MAX, levels = 4;
static uint64_t node_states[PAGE_ORDER_COUNT]; // n(k)

// What the oracle knows: for each frame whether it is RAM, and the order of the allocated block
// that begins there.
struct oracle {
    bool ram[FRAMES_MAX];
    int16_t head[FRAMES_MAX]; // -1: none
};

// The world, and all of it that a transition of the first 64 frames can change.
static struct page_allocator allocator;
static struct section section;
static _Alignas(64) uint16_t hints[32];
static void *storage;

struct snapshot {
    struct section section;
    uint16_t hint;
    uint8_t state[SPAN];
    uint8_t summaries[offsetof(struct bitmap, word)];
    uint64_t word[BITMAP_ORDERS];
    int64_t owned;
};

static void save(struct snapshot *to) {
    to->section = section;
    to->hint = hints[0];
    to->owned = allocator.cpus[0].owned_pages[PAGE_OWNER_TEST];
    memcpy(to->state, section.state, SPAN);
    memcpy(to->summaries, section.bitmap, sizeof(to->summaries));
    for (unsigned order = 0; order < BITMAP_ORDERS; order++) {
        to->word[order] = bitmap_words(section.bitmap, order)[0];
    }
}

static void restore(const struct snapshot *from) {
    section = from->section;
    hints[0] = from->hint;
    allocator.cpus[0].owned_pages[PAGE_OWNER_TEST] = from->owned;
    memcpy(section.state, from->state, SPAN);
    memcpy(section.bitmap, from->summaries, sizeof(from->summaries));
    for (unsigned order = 0; order < BITMAP_ORDERS; order++) {
        bitmap_words(section.bitmap, order)[0] = from->word[order];
    }
}

static void world_create(void) {
    storage = aligned_alloc(64, section_metadata_bytes(SPAN));
    section_open(&section, storage, SPAN, STATE_UNMANAGED);
    allocator = (struct page_allocator){.sections = &section, .hints = hints, .section_count = 1};
    for (unsigned order = 0; order < PAGE_STACK_ORDERS; order++) {
        allocator.cpus[0].stacks[order].gate = 1; // closed: the sections are what is explored
    }
}

// Puts the production structures into the oracle's state, through the production code.
static void world_build(const struct snapshot *empty, const struct oracle *oracle) {
    restore(empty);
    for (unsigned frame = 0; frame < frames;) {
        int order = oracle->head[frame];
        if (order >= 0) {
            section.state[frame] = state_of((unsigned)order, PAGE_OWNER_TEST);
            memset(section.state + frame + 1, STATE_NONE, (1u << order) - 1);
            allocator.cpus[0].owned_pages[PAGE_OWNER_TEST] += 1 << order;
            frame += 1u << order;
            continue;
        }
        if (oracle->ram[frame]) {
            section.state[frame] = STATE_NONE;
            section_put(&section, frame, 0);
        }
        frame++;
    }
    page_update_hint(&allocator, 0);
}

// The state's number, and back.
static uint64_t encode(const struct oracle *oracle, unsigned frame, unsigned order) {
    if (oracle->head[frame] == (int)order) {
        return node_states[order] - 1;
    }
    if (order == 0) {
        return oracle->ram[frame];
    }
    return encode(oracle, frame, order - 1) * node_states[order - 1] +
           encode(oracle, frame + (1u << (order - 1)), order - 1);
}

static void decode(uint64_t number, struct oracle *oracle, unsigned frame, unsigned order) {
    oracle->head[frame] = -1;
    if (number == node_states[order] - 1) {
        for (unsigned i = 0; i < 1u << order; i++) {
            oracle->ram[frame + i] = true;
            oracle->head[frame + i] = -1;
        }
        oracle->head[frame] = (int16_t)order;
    } else if (order == 0) {
        oracle->ram[frame] = number == 1;
    } else {
        decode(number / node_states[order - 1], oracle, frame, order - 1);
        decode(number % node_states[order - 1], oracle, frame + (1u << (order - 1)), order - 1);
    }
}

static _Noreturn void fail(const struct oracle *oracle, const char *what) {
    fprintf(stderr, "violation: %s\n  frames:", what);
    for (unsigned frame = 0; frame < frames; frame++) {
        if (oracle->head[frame] >= 0) {
            fprintf(stderr, " %d", oracle->head[frame]);
        } else {
            fprintf(stderr, " %c", oracle->ram[frame] ? 'f' : '-');
        }
    }
    fprintf(stderr, "  (a number: a block of that order begins; f: free or inside; -: a hole)\n");
    exit(1);
}

// Which frames are free, as bits.
static uint32_t free_frames(const struct oracle *oracle) {
    uint32_t free = 0;
    for (unsigned frame = 0; frame < frames;) {
        int order = oracle->head[frame];
        free |= order < 0 && oracle->ram[frame] ? 1u << frame : 0;
        frame += order < 0 ? 1 : 1u << order;
    }
    return free;
}

// Whether all of the aligned block is free.
static bool block_free(uint32_t free, unsigned frame, unsigned order) {
    uint32_t bits = (uint32_t)((UINT64_C(1) << (1u << order)) - 1) << frame;
    return (free & bits) == bits;
}

// The order of the largest aligned free block that holds this frame.
static unsigned maximal(uint32_t free, unsigned frame, unsigned order) {
    while (order < levels && block_free(free, frame >> (order + 1) << (order + 1), order + 1)) {
        order++;
    }
    return order;
}

// What page_alloc has to return: from the smallest free block that will do, of these the highest,
// and in it the highest place below the ceiling. -1 for none.
static int expected_block(uint32_t free, unsigned order, unsigned ceiling) {
    int best = -1;
    unsigned best_order = 0;
    for (unsigned frame = 0; frame + (1u << order) <= ceiling; frame += 1u << order) {
        if (!block_free(free, frame, order)) {
            continue;
        }
        unsigned from = maximal(free, frame, order);
        if (best < 0 || from <= best_order) {
            best = (int)frame;
            best_order = from;
        }
    }
    return best;
}

// The production structures must be in exactly the oracle's state.
static void compare(const struct oracle *oracle) {
    const char *broken = page_check(&allocator);
    if (broken != NULL) {
        fail(oracle, broken);
    }
    for (unsigned frame = 0; frame < frames; frame++) {
        uint8_t expected = oracle->head[frame] >= 0
                               ? state_of((unsigned)oracle->head[frame], PAGE_OWNER_TEST)
                           : oracle->ram[frame] ? STATE_NONE
                                                : STATE_UNMANAGED;
        if (section.state[frame] != expected) {
            fail(oracle, "a state byte is not what the oracle expects");
        }
    }
    if (section.free_pages != (uint32_t)__builtin_popcount(free_frames(oracle))) {
        fail(oracle, "the free pages are not what the oracle expects");
    }
}

// States seen, shared by the jobs (masks have disjoint states), and the queue of one mask.
static uint64_t *seen;
static uint32_t *queue;
static size_t queue_length;

static void visit(const struct oracle *oracle) {
    uint64_t number = encode(oracle, 0, levels);
    if ((seen[number / 64] >> (number % 64) & 1) == 0) {
        __atomic_fetch_or(&seen[number / 64], UINT64_C(1) << (number % 64), __ATOMIC_RELAXED);
        queue[queue_length++] = (uint32_t)number;
    }
}

static uint64_t transitions;

static void try_alloc(const struct oracle *before, unsigned order, unsigned ceiling) {
    struct oracle after = *before;
    int expected = expected_block(free_frames(before), order, ceiling < frames ? ceiling : frames);
    pfn_t block = pfn(~UINT64_C(0));
    paddr_t limit = ceiling > FRAMES_MAX ? PAGE_ANYWHERE : paddr(ceiling * PAGE_SIZE);
    enum page_status status = page_alloc(&allocator, order, limit, PAGE_OWNER_TEST, &block);
    if ((status == PAGE_OK) != (expected >= 0)) {
        fail(before, expected >= 0 ? "a request that can be satisfied was refused"
                                   : "a request that cannot be satisfied was granted");
    }
    if (status == PAGE_OK) {
        if (block.value != (uint64_t)expected) {
            fail(before, "the block is not the highest of the smallest that will do");
        }
        after.head[expected] = (int16_t)order;
    }
    compare(&after);
    visit(&after);
    transitions++;
}

static void try_free(const struct oracle *before, unsigned frame) {
    struct oracle after = *before;
    page_free(&allocator, pfn(BASE + frame), (unsigned)before->head[frame]);
    after.head[frame] = -1;
    compare(&after);
    visit(&after);
    transitions++;
}

static void expand(const struct snapshot *empty, uint64_t number) {
    struct oracle oracle;
    struct snapshot here;
    decode(number, &oracle, 0, levels);
    world_build(empty, &oracle);
    save(&here);
    for (unsigned order = 0; order <= levels; order++) {
        try_alloc(&oracle, order, FRAMES_MAX + 1);
        restore(&here);
        // One ceiling for each order and state; the states together see all of them.
        try_alloc(&oracle, order, (unsigned)((number + order * 7) % (frames + 1)));
        restore(&here);
    }
    for (unsigned frame = 0; frame < frames; frame++) {
        if (oracle.head[frame] >= 0) {
            try_free(&oracle, frame);
            restore(&here);
        }
    }
}

static void explore_mask(const struct snapshot *empty, uint32_t mask) {
    struct oracle start;
    for (unsigned frame = 0; frame < frames; frame++) {
        start.ram[frame] = (mask >> frame & 1) != 0;
        start.head[frame] = -1;
    }
    queue_length = 0;
    visit(&start);
    for (size_t next = 0; next < queue_length; next++) {
        expand(empty, queue[next]);
    }
}

// How many states the masks FIRST … LAST have: holes multiply out per mask.
static uint64_t states_of_mask(uint32_t mask, unsigned frame, unsigned order) {
    if (order == 0) {
        return 1 + (mask >> frame & 1);
    }
    uint64_t left = states_of_mask(mask, frame, order - 1);
    uint64_t right = states_of_mask(mask, frame + (1u << (order - 1)), order - 1);
    uint32_t bits = ((uint32_t)((UINT64_C(1) << (1u << order)) - 1)) << frame;
    return left * right + ((mask & bits) == bits);
}

static void *shared(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        perror("mmap");
        exit(2);
    }
    return memory;
}

// Every jobs-th mask from FIRST + job. Returns the process's exit status.
static int run_job(unsigned job, unsigned jobs, uint32_t first, uint32_t last,
                   _Atomic uint64_t *total) {
    struct snapshot empty;
    world_create();
    save(&empty);
    for (uint32_t mask = first + job; mask <= last; mask += jobs) {
        explore_mask(&empty, mask);
    }
    *total += transitions;
    return 0;
}

static int report(uint32_t first, uint32_t last, uint64_t done) {
    uint64_t count = 0, expected = 0;
    for (uint64_t i = 0; i <= node_states[levels] / 64; i++) {
        count += (unsigned)__builtin_popcountll(seen[i]);
    }
    for (uint64_t mask = first; mask <= last; mask++) {
        expected += states_of_mask((uint32_t)mask, 0, levels);
    }
    printf("%u frames, masks 0x%x to 0x%x: %lu states of %lu, %lu transitions, 0 violations\n",
           frames, first, last, count, expected, done);
    if (count != expected) {
        fprintf(stderr, "violation: not every state was reached\n");
        return 1;
    }
    return 0;
}

static int run(uint32_t first, uint32_t last, unsigned jobs) {
    seen = shared(node_states[levels] / 8 + 64);
    _Atomic uint64_t *total = shared(sizeof(*total));
    queue = malloc(sizeof(*queue) * node_states[levels]);
    for (unsigned job = 1; job < jobs; job++) {
        if (fork() == 0) {
            _exit(run_job(job, jobs, first, last, total));
        }
    }
    int failed = run_job(0, jobs, first, last, total);
    int status;
    while (wait(&status) > 0) {
        failed |= status != 0;
    }
    return failed != 0 ? 1 : report(first, last, *total);
}

static int usage(void) {
    fprintf(stderr, "usage: buddy [--frames 8|16] [--masks FIRST LAST] [--jobs N]\n");
    return 2;
}

int main(int argc, char **argv) {
    unsigned long first = 0, last = ~0ul, jobs = 1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--frames") == 0 && i + 1 < argc) {
            frames = (unsigned)strtoul(argv[++i], NULL, 0);
        } else if (strcmp(argv[i], "--masks") == 0 && i + 2 < argc) {
            first = strtoul(argv[++i], NULL, 0);
            last = strtoul(argv[++i], NULL, 0);
        } else if (strcmp(argv[i], "--jobs") == 0 && i + 1 < argc) {
            jobs = strtoul(argv[++i], NULL, 0);
        } else {
            return usage();
        }
    }
    if ((frames != 8 && frames != 16) || jobs == 0 || jobs > 64) {
        return usage();
    }
    levels = frames == 8 ? 3 : 4;
    node_states[0] = 3;
    for (unsigned order = 1; order <= levels; order++) {
        node_states[order] = node_states[order - 1] * node_states[order - 1] + 1;
    }
    unsigned long all = (1ul << frames) - 1;
    last = last < all ? last : all;
    return first > last ? usage() : run((uint32_t)first, (uint32_t)last, (unsigned)jobs);
}
