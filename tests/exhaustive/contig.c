// SPDX-License-Identifier: MIT
// Every request for contiguous frames, over every pattern of free frames in a small space.
//
// The space is FRAMES frames; a mask says which are free. For each mask, page_alloc_contig is asked
// for every count, alignment, boundary and ceiling that can make a difference, and must find a
// place exactly when brute force does: when some frame satisfies all the constraints by itself, of
// which tables are made before. What it takes must be such a place; a refusal must count the free
// runs as brute force counts them; and giving it back must leave everything as it was.
//
// The space lies at the beginning of a section, or, with --border, half in one section and half in
// the next.
//
//   contig [--border] [--masks FIRST LAST] [--step N] [--jobs N]
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <host/host.h>
#include <page/internal.h>

#define FRAMES   16
#define MASKS    (1u << FRAMES)
#define COUNTS   (FRAMES + 1) // 1 … 17
#define ALIGNS   6            // 1, 2, … 32
#define BOUNDS   7            // none, 1, 2, … 32
#define CEILINGS (FRAMES + 2) // after 0, 1, … 16 frames, and none

struct request {
    unsigned count, align, boundary; // frames; boundary 0: none
    unsigned limit;                  // a place ends at or below this frame of the space
    bool anywhere;                   // no ceiling at all
};

static uint64_t base; // the space's first frame
static struct page_allocator allocator;
static struct section sections[2];
static _Alignas(64) uint16_t hints[32];

// For each count, alignment and boundary, at which frames of the space a place may begin.
static uint32_t places[COUNTS + 1][ALIGNS][BOUNDS];

// All that a request can change.
struct snapshot {
    uint32_t free_pages[2];
    uint32_t hints[2];
    uint64_t words[2][BITMAP_ORDERS], orders[2];
    uint8_t state[FRAMES];
    int64_t owned;
};

static struct section *section_of(unsigned frame) {
    return &sections[(base + frame) >> SECTION_SHIFT];
}

static uint32_t index_of(unsigned frame) {
    return (uint32_t)(base + frame) & (SECTION_FRAMES - 1);
}

static void save(struct snapshot *to) {
    memset(to, 0, sizeof(*to));
    for (unsigned i = 0; i < allocator.section_count; i++) {
        to->free_pages[i] = sections[i].free_pages;
        to->hints[i] = hints[i];
        to->orders[i] = sections[i].bitmap->orders;
        uint32_t at = i == base >> SECTION_SHIFT ? index_of(0) : 0;
        for (unsigned order = 0; order < BITMAP_ORDERS; order++) {
            to->words[i][order] = bitmap_words(sections[i].bitmap, order)[(at >> order) / 64];
        }
    }
    for (unsigned frame = 0; frame < FRAMES; frame++) {
        to->state[frame] = section_of(frame)->state[index_of(frame)];
    }
    to->owned = allocator.cpus[0].owned_pages[PAGE_OWNER_DMA];
}

static void world_create(bool border) {
    base = border ? SECTION_FRAMES - FRAMES / 2 : 0;
    allocator = (struct page_allocator){
        .sections = sections, .hints = hints, .section_count = border ? 2 : 1};
    for (unsigned i = 0; i < allocator.section_count; i++) {
        uint32_t span = border && i == 0 ? (uint32_t)SECTION_FRAMES : FRAMES;
        section_open(&sections[i], aligned_alloc(64, section_metadata_bytes(span)), span,
                     STATE_UNMANAGED);
    }
    for (unsigned order = 0; order < PAGE_STACK_ORDERS; order++) {
        allocator.cpus[0].stacks[order].gate = 1; // closed: the sections are what is explored
    }
}

static void frame_set_free(unsigned frame, bool free) {
    struct section *section = section_of(frame);
    uint32_t at = index_of(frame);
    if (free) {
        section->state[at] = STATE_NONE;
        section_put(section, at, 0);
    } else {
        section_take_range(section, at, at + 1);
        section->state[at] = STATE_UNMANAGED;
    }
}

static void world_build(uint32_t from, uint32_t to) {
    for (unsigned frame = 0; frame < FRAMES; frame++) {
        if (((from ^ to) >> frame & 1) != 0) {
            frame_set_free(frame, (to >> frame & 1) != 0);
        }
    }
    for (unsigned i = 0; i < allocator.section_count; i++) {
        page_update_hint(&allocator, i);
    }
}

// Brute force, once for all masks: each frame, by itself.
static void find_places(void) {
    for (unsigned count = 1; count <= COUNTS; count++) {
        for (unsigned align = 0; align < ALIGNS; align++) {
            for (unsigned bound = 0; bound < BOUNDS; bound++) {
                uint64_t boundary = bound == 0 ? UINT64_C(1) << 40 : UINT64_C(1) << (bound - 1);
                for (unsigned at = 0; at + count <= FRAMES; at++) {
                    uint64_t first = base + at, last = first + count - 1;
                    bool fits = first % (1u << align) == 0 && first / boundary == last / boundary;
                    places[count][align][bound] |= (uint32_t)fits << at;
                }
            }
        }
    }
}

static uint32_t low_bits(unsigned count) {
    return (uint32_t)((UINT64_C(1) << count) - 1);
}

// Where runs of `count` free frames begin.
static uint32_t starts_of(uint32_t mask, unsigned count) {
    uint32_t starts = mask;
    for (unsigned i = 1; i < count; i++) {
        starts &= mask >> i;
    }
    return starts;
}

static _Noreturn void fail(uint32_t mask, const struct request *request, const char *what) {
    fprintf(stderr,
            "violation: %s\n  free frames 0x%04x of those from 0x%lx; count %u, align %u, boundary "
            "%u, limit %u%s (frames)\n",
            what, mask, base, request->count, request->align, request->boundary, request->limit,
            request->anywhere ? ", no ceiling" : "");
    exit(1);
}

// What a refusal must say: each maximal run of free frames, judged by brute force.
static struct page_refusal expected_refusal(uint32_t mask, const struct request *request,
                                            uint32_t aligned) {
    struct page_refusal refusal = {.runs = 0};
    for (unsigned begin = 0; begin < FRAMES;) {
        unsigned end = begin;
        while (end < FRAMES && (mask >> end & 1) != 0) {
            end++;
        }
        unsigned top = end < request->limit ? end : request->limit;
        unsigned length = top > begin ? top - begin : 0;
        if (end - begin >= request->count) {
            bool room = length >= request->count;
            uint32_t starts = room ? low_bits(length - request->count + 1) << begin : 0;
            refusal.long_enough++;
            refusal.beyond_ceiling += !room;
            refusal.misaligned += room && (starts & aligned) == 0;
            refusal.crossing += room && (starts & aligned) != 0;
        }
        refusal.runs += end != begin;
        refusal.nearest_pages = length > refusal.nearest_pages ? length : refusal.nearest_pages;
        begin = end + 1;
    }
    return refusal;
}

static void check_refusal(uint32_t mask, const struct request *request, uint32_t aligned,
                          const struct page_refusal *said) {
    struct page_refusal expected = expected_refusal(mask, request, aligned);
    if (said->runs != expected.runs || said->long_enough != expected.long_enough ||
        said->beyond_ceiling != expected.beyond_ceiling ||
        said->misaligned != expected.misaligned || said->crossing != expected.crossing ||
        said->nearest_pages != expected.nearest_pages) {
        fail(mask, request, "the refusal does not count the free runs as they are");
    }
}

static uint64_t requests, granted, explained;

static void ask(uint32_t mask, const struct request *request, uint32_t allowed, uint32_t aligned) {
    paddr_t ceiling =
        request->anywhere ? PAGE_ANYWHERE : paddr((base + request->limit) * PAGE_SIZE);
    struct page_refusal refusal;
    pfn_t first = pfn(~UINT64_C(0));
    // Each refusal without a ceiling is explained, and of the others every 16th.
    bool explain = request->anywhere || requests % 16 == 0;
    enum page_status status = page_alloc_contig(
        &allocator, request->count, request->align * PAGE_SIZE, ceiling,
        request->boundary * PAGE_SIZE, PAGE_OWNER_DMA, &first, explain ? &refusal : NULL);
    bool impossible = request->boundary != 0 && request->count > request->boundary;
    requests++;
    if (status == PAGE_OK) {
        if (first.value - base >= FRAMES || (allowed >> (first.value - base) & 1) == 0) {
            fail(mask, request,
                 allowed == 0 ? "granted what brute force finds no place for"
                              : "the place does not satisfy the request");
        }
        granted++;
        page_free_contig(&allocator, first, request->count);
    } else if (allowed != 0) {
        fail(mask, request, "refused, but brute force finds a place");
    } else if (status != (impossible ? PAGE_BAD_REQUEST : PAGE_NO_MEMORY)) {
        fail(mask, request, "refused for a wrong reason");
    } else if (explain && !impossible) {
        check_refusal(mask, request, aligned, &refusal);
        explained++;
    }
}

static void ask_everything(uint32_t mask) {
    struct snapshot before, after;
    save(&before);
    for (unsigned count = 1; count <= COUNTS; count++) {
        uint32_t starts = starts_of(mask, count);
        for (unsigned i = 0; i < ALIGNS * BOUNDS * CEILINGS; i++) {
            unsigned align = i % ALIGNS, bound = i / ALIGNS % BOUNDS, limit = i / ALIGNS / BOUNDS;
            bool anywhere = limit > FRAMES;
            limit = anywhere ? FRAMES : limit;
            const struct request request = {
                .count = count,
                .align = 1u << align,
                .boundary = bound == 0 ? 0 : 1u << (bound - 1),
                .limit = limit,
                .anywhere = anywhere,
            };
            uint32_t below = limit >= count ? low_bits(limit - count + 1) : 0;
            ask(mask, &request, starts & places[count][align][bound] & below,
                places[count][align][0]);
        }
        save(&after);
        if (memcmp(&before, &after, sizeof(before)) != 0) {
            const struct request request = {.count = count};
            fail(mask, &request, "what was given back did not leave everything as it was");
        }
    }
}

// Of all jobs.
struct totals {
    uint64_t masks, requests, granted, explained;
};

// Every jobs-th of the masks.
static int run_job(unsigned job, unsigned jobs, const uint32_t range[3], struct totals *total) {
    uint32_t built = 0;
    uint64_t masks = 0;
    for (uint64_t mask = range[0] + (uint64_t)job * range[2]; mask <= range[1];
         mask += (uint64_t)jobs * range[2]) {
        world_build(built, (uint32_t)mask);
        built = (uint32_t)mask;
        ask_everything(built);
        masks++;
    }
    world_build(built, 0);
    const char *broken = page_check(&allocator);
    if (broken != NULL || sections[0].free_pages != 0) {
        fprintf(stderr, "violation: at the end: %s\n", broken != NULL ? broken : "frames are left");
        return 1;
    }
    __atomic_fetch_add(&total->masks, masks, __ATOMIC_RELAXED);
    __atomic_fetch_add(&total->requests, requests, __ATOMIC_RELAXED);
    __atomic_fetch_add(&total->granted, granted, __ATOMIC_RELAXED);
    __atomic_fetch_add(&total->explained, explained, __ATOMIC_RELAXED);
    return 0;
}

static int run(const uint32_t range[3], unsigned jobs) {
    struct totals *total =
        mmap(NULL, sizeof(*total), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (total == MAP_FAILED) {
        perror("mmap");
        return 2;
    }
    for (unsigned job = 1; job < jobs; job++) {
        if (fork() == 0) {
            _exit(run_job(job, jobs, range, total));
        }
    }
    int failed = run_job(0, jobs, range, total), status;
    while (wait(&status) > 0) {
        failed |= status != 0;
    }
    if (failed != 0) {
        return 1;
    }
    printf("contiguous, %u frames from 0x%lx, %lu masks: %lu requests, %lu granted, %lu refusals "
           "explained, 0 wrong\n",
           FRAMES, base, total->masks, total->requests, total->granted, total->explained);
    return 0;
}

static int usage(void) {
    fprintf(stderr, "usage: contig [--border] [--masks FIRST LAST] [--step N] [--jobs N]\n");
    return 2;
}

int main(int argc, char **argv) {
    unsigned long first = 0, last = MASKS - 1, step = 1, jobs = 1;
    bool border = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--border") == 0) {
            border = true;
        } else if (strcmp(argv[i], "--masks") == 0 && i + 2 < argc) {
            first = strtoul(argv[++i], NULL, 0);
            last = strtoul(argv[++i], NULL, 0);
        } else if (strcmp(argv[i], "--step") == 0 && i + 1 < argc) {
            step = strtoul(argv[++i], NULL, 0);
        } else if (strcmp(argv[i], "--jobs") == 0 && i + 1 < argc) {
            jobs = strtoul(argv[++i], NULL, 0);
        } else {
            return usage();
        }
    }
    if (first > last || last >= MASKS || step == 0 || step > MASKS || jobs == 0 || jobs > 64) {
        return usage();
    }
    world_create(border);
    find_places();
    const uint32_t range[3] = {(uint32_t)first, (uint32_t)last, (uint32_t)step};
    return run(range, (unsigned)jobs);
}
