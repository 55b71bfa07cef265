// SPDX-License-Identifier: MIT
// Driving it: which object is taken, changed or given back next, the patterns, progress, the
// account of pages.
//
// Pages can be kept, not lost: by kmalloc's directory and descriptors, which grow with what was in
// use at most, and by the page allocator's metadata for a GiB that was whole. So the account is of
// what is free and of both of these together, after everybody has given back what is kept for later
// (reclaim.h).
#include <check.h>
#include <monitor/monitor.h>
#include <monitor/reclaim.h>
#include <monitor/stress.h>
#include <monitor/stress_kinds.h>
#include <monitor/words.h>
#include <string.h>

#define OBJECTS      256
#define BYTES_MOST   (64 * MIB) // of all objects; and a quarter of what is free
#define OPERATIONS   10000      // when nothing is said
#define ASK_EVERY    64         // operations: whether it is over
#define LOOK_EVERY   16         // likewise: at an object that stays
#define TRIM_EVERY   512        // likewise: what is kept is given back
#define LINES_MOST   8          // about what is wrong
#define SECONDS_MOST UINT64_C(31536000)

struct account {
    uint64_t free, metadata, overhead; // pages
};

struct stress {
    struct text *out;
    struct kernel *kernel;
    uint64_t random;
    uint64_t operations, seconds; // how long; one of them is 0
    uint64_t begun;               // ticks
    uint64_t done, taken, given, changed, refused, live, live_bytes, most_bytes;
    uint64_t spoilt, wrong; // objects, answers
    const char *broken;     // an invariant
    bool stopped;
    struct stress_object objects[OBJECTS];
};

// A step of splitmix64 (G. Steele and others, 2014).
uint64_t stress_random(struct stress *stress) {
    uint64_t z = stress->random += STRESS_STEP;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t stress_below(struct stress *stress, uint64_t bound) {
    return (stress_random(stress) >> 32) % bound;
}

unsigned stress_order(struct stress *stress, unsigned most) {
    return (unsigned)__builtin_ctzll(stress_random(stress) | UINT64_C(1) << most);
}

// Whether there is room for one line more about what is wrong.
static bool may_tell(const struct stress *stress) {
    return stress->spoilt + stress->wrong <= LINES_MOST;
}

void stress_expect(struct stress *stress, bool holds, const char *sentence) {
    if (!holds) {
        stress->wrong++;
        if (may_tell(stress)) {
            text_printf(stress->out, "stress: operation %lu: does not hold: %s\n", stress->done,
                        sentence);
        }
    }
}

// The last word of an object may have fewer bytes than eight.
static void fill(struct stress_object *object) {
    uint64_t word = object->first, at = 0;
    for (; object->bytes - at >= sizeof(word); at += sizeof(word), word += STRESS_STEP) {
        memcpy(object->memory + at, &word, sizeof(word));
    }
    memcpy(object->memory + at, &word, object->bytes - at);
}

static void tell_spoilt(struct stress *stress, const struct stress_object *object, uint64_t at,
                        uint64_t expected, uint64_t found) {
    text_printf(stress->out,
                "stress: SPOILT: %s of %lu bytes at 0x%lx:\n"
                "  at byte 0x%lx expected 0x%016lx, found 0x%016lx\n",
                object->kind->name, object->bytes, (uint64_t)object->memory, at, expected, found);
}

// Tells of it once: the pattern is there again afterwards.
static void note_spoilt(struct stress *stress, struct stress_object *object, uint64_t at,
                        uint64_t expected, uint64_t found) {
    stress->spoilt++;
    if (may_tell(stress)) {
        tell_spoilt(stress, object, at, expected, found);
    }
    fill(object);
}

// Looks at the first `bytes` of an object, up to the first word that is not what was written.
static void look(struct stress *stress, struct stress_object *object, uint64_t bytes) {
    uint64_t expected = object->first, at = 0, found;
    for (; bytes - at >= sizeof(found); at += sizeof(found), expected += STRESS_STEP) {
        memcpy(&found, object->memory + at, sizeof(found));
        if (found != expected) {
            note_spoilt(stress, object, at, expected, found);
            return;
        }
    }
    found = expected; // but for the bytes that are there
    memcpy(&found, object->memory + at, bytes - at);
    if (found != expected) {
        note_spoilt(stress, object, at, expected, found);
    }
}

static void count_bytes(struct stress *stress, uint64_t before, uint64_t after) {
    stress->live_bytes += after - before;
    if (stress->live_bytes > stress->most_bytes) {
        stress->most_bytes = stress->live_bytes;
    }
}

static void take(struct stress *stress, struct stress_object *object) {
    const struct stress_kind *kind = &stress_kinds[stress_below(stress, stress_kind_count)];
    uint64_t first = stress_random(stress);
    if (kind->own_tables && !stress->kernel->own_tables) {
        return;
    }
    if (!kind->take(stress, object)) {
        stress->refused++;
        return;
    }
    object->kind = kind;
    object->first = first;
    fill(object);
    stress->taken++;
    stress->live++;
    count_bytes(stress, 0, object->bytes);
}

static void give(struct stress *stress, struct stress_object *object) {
    uint64_t bytes = object->bytes;
    look(stress, object, bytes);
    object->kind->give(object);
    object->kind = NULL;
    stress->given++;
    stress->live--;
    count_bytes(stress, bytes, 0);
}

// What both sizes have is what it was.
static void change(struct stress *stress, struct stress_object *object) {
    uint64_t before = object->bytes;
    look(stress, object, before);
    if (!object->kind->change(stress, object)) {
        return;
    }
    look(stress, object, object->bytes < before ? object->bytes : before);
    fill(object);
    stress->changed++;
    count_bytes(stress, before, object->bytes);
}

static void trim(struct stress *stress) {
    struct reclaimed ignored;
    if (stress_below(stress, 2) == 0) {
        page_drain(&stress->kernel->pages);
    } else {
        reclaim_now(stress->kernel, &ignored);
    }
}

static void operate(struct stress *stress, uint64_t most_bytes) {
    struct stress_object *object = &stress->objects[stress_below(stress, OBJECTS)];
    stress->done++;
    if (stress_below(stress, TRIM_EVERY) == 0) {
        trim(stress);
    }
    if (object->kind == NULL) {
        if (stress->live_bytes < most_bytes) {
            take(stress, object);
        }
    } else if (stress_below(stress, LOOK_EVERY) == 0) {
        look(stress, object, object->bytes);
    } else if (object->kind->change != NULL && stress_below(stress, 2) == 0) {
        change(stress, object);
    } else {
        give(stress, object);
    }
}

static unsigned percent_done(const struct stress *stress) {
    uint64_t done = stress->done, all = stress->operations;
    if (all == 0) {
        const struct clock *clock = &stress->kernel->clock;
        done = clock_microseconds(clock, clock_ticks(clock) - stress->begun);
        all = stress->seconds * 1000000;
    }
    return done >= all ? 100 : (unsigned)(done / (all / 100 + (all % 100 != 0)));
}

static void print_progress(struct stress *stress, unsigned percent) {
    text_printf(stress->out, "stress: %3u %%, %lu operations, %lu objects, ", percent, stress->done,
                stress->live);
    text_size(stress->out, stress->live_bytes);
    text_puts(stress->out, stress->broken == NULL ? "\n" : "; an invariant is broken\n");
}

static uint64_t bytes_allowed(const struct stress *stress) {
    uint64_t quarter = page_free_count(&stress->kernel->pages) * PAGE_SIZE / 4;
    return quarter < BYTES_MOST ? quarter : BYTES_MOST;
}

// Until it is over: so many operations, so many seconds, Ctrl-C, or an invariant that is broken.
static void run(struct stress *stress) {
    uint64_t most_bytes = bytes_allowed(stress);
    unsigned shown = 0;
    stress->begun = clock_ticks(&stress->kernel->clock);
    for (;;) {
        operate(stress, most_bytes);
        if (stress->done % ASK_EVERY != 0 && stress->done != stress->operations) {
            continue;
        }
        unsigned percent = percent_done(stress);
        stress->stopped = console_interrupted(&stress->kernel->tty);
        if (percent >= shown + 10 || percent == 100) {
            shown = percent / 10 * 10;
            stress->broken = kernel_broken(stress->kernel);
            print_progress(stress, shown);
        }
        if (percent == 100 || stress->stopped || stress->broken != NULL) {
            return;
        }
    }
}

static struct account account_of(struct kernel *kernel) {
    struct reclaimed ignored;
    struct page_census census;
    reclaim_now(kernel, &ignored);
    page_census(&kernel->pages, &census);
    return (struct account){page_free_count(&kernel->pages), census.metadata_pages,
                            object_heap_overhead(&kernel->kmalloc.heap) / PAGE_SIZE};
}

// How many pages are there in one that are not in the other.
static int64_t print_account(struct text *out, const struct account *before,
                             const struct account *after) {
    uint64_t all_before = before->free + before->metadata + before->overhead;
    uint64_t all_after = after->free + after->metadata + after->overhead;
    text_printf(out, "free frames: %lu before, %lu after\n", before->free, after->free);
    if (before->overhead != after->overhead || before->metadata != after->metadata) {
        text_printf(out,
                    "  kmalloc's directory and descriptors: %lu before, %lu after\n"
                    "  the page allocator's metadata: %lu before, %lu after\n",
                    before->overhead, after->overhead, before->metadata, after->metadata);
    }
    int64_t lost = (int64_t)(all_before - all_after);
    text_printf(out, "  difference: %ld\n", lost);
    return lost;
}

static void print_verdict(struct stress *stress, int64_t lost, bool caches_empty) {
    bool ok = stress->spoilt == 0 && stress->wrong == 0 && stress->broken == NULL && lost == 0 &&
              caches_empty;
    text_printf(stress->out, "%lu taken, %lu given back, %lu changed, %lu refused; ", stress->taken,
                stress->given, stress->changed, stress->refused);
    text_size(stress->out, stress->most_bytes);
    text_puts(stress->out, " at most\n");
    if (stress->broken != NULL) {
        text_printf(stress->out, "stress: does not hold: %s\n", stress->broken);
    }
    text_printf(stress->out,
                "stress: %s%s: %lu operations, %lu spoilt, %lu wrong, %ld pages lost\n",
                ok ? "ok" : "FAILED", stress->stopped ? ", stopped" : "", stress->done,
                stress->spoilt, stress->wrong, lost);
}

static void work(struct stress *stress) {
    struct account before = account_of(stress->kernel);
    if (!stress_caches_begin()) {
        text_puts(stress->out, "stress: no memory for the caches\n");
        return;
    }
    run(stress);
    for (unsigned i = 0; i < OBJECTS; i++) {
        if (stress->objects[i].kind != NULL) {
            give(stress, &stress->objects[i]);
        }
    }
    bool caches_empty = stress_caches_end();
    if (!caches_empty) {
        text_puts(stress->out, "stress: a cache has objects that nobody gave back\n");
    }
    if (stress->broken == NULL) {
        stress->broken = kernel_broken(stress->kernel);
    }
    struct account after = account_of(stress->kernel);
    int64_t lost = print_account(stress->out, &before, &after);
    print_verdict(stress, lost, caches_empty);
}

static void say_how(struct text *out) {
    text_puts(out, "like this: stress, stress 100000 (operations), stress 30s (seconds); with "
                   "seed=N\nbehind it the same is asked for again (what is refused may differ)\n");
}

// "30s". False when it is none, or none that can be.
static bool read_seconds(struct stress *stress, char *word) {
    size_t length = strlen(word);
    uint64_t seconds;
    if (length < 2 || word[length - 1] != 's') {
        return false;
    }
    word[length - 1] = '\0';
    bool good = number_parse(word, &seconds) == NULL && seconds != 0 && seconds <= SECONDS_MOST;
    word[length - 1] = 's';
    stress->operations = good ? 0 : stress->operations;
    stress->seconds = good ? seconds : 0;
    return good;
}

static bool read_word(struct stress *stress, char *word) {
    uint64_t number;
    if (strncmp(word, "seed=", 5) == 0) {
        return number_parse(word + 5, &stress->random) == NULL;
    }
    if (number_parse(word, &number) == NULL && number != 0) {
        stress->operations = number;
        return true;
    }
    return read_seconds(stress, word);
}

void stress_command(struct text *out, size_t count, char **arguments) {
    static struct stress stress;
    stress = (struct stress){
        .out = out, .kernel = &strata, .operations = OPERATIONS, .random = cpu_tsc()};
    bool seed_first = count == 2 && strncmp(arguments[0], "seed=", 5) == 0;
    bool seed_last = count == 2 && strncmp(arguments[1], "seed=", 5) == 0;
    bool good = count < 2 || seed_first != seed_last;
    for (size_t i = 0; i < count; i++) {
        good = good && read_word(&stress, arguments[i]);
    }
    if (!good) {
        say_how(out);
        return;
    }
    if (strata.guard.cache[0] != '\0') {
        text_printf(out, "%s is guarded, and its places are kept: guard off first\n",
                    strata.guard.cache);
        return;
    }
    console_leave_stopping(&strata.tty);
    text_puts(out, "stress: ");
    if (stress.operations != 0) {
        text_printf(out, "%lu operations", stress.operations);
    } else {
        text_printf(out, "%lu seconds", stress.seconds);
    }
    text_printf(out, ", seed=0x%lx; Ctrl-C ends it\n", stress.random);
    work(&stress);
}
