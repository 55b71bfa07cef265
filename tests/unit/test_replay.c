// SPDX-License-Identifier: MIT
// Recordings of random work, written as records, read again, done again.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"
#include <host/host.h>
#include <host/strata-replay/replay.h>
#include <host/strata-replay/start.h>
#include <mm/report.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES (4 * MIB)
#define BLOCKS     400

static const struct world_range gibibytes[] = {
    {0x100000, 3 * GIB / 2, EFI_CONVENTIONAL},
    {3 * GIB, 4 * GIB, EFI_CONVENTIONAL},
    {6 * GIB, 7 * GIB + 5 * MIB, EFI_CONVENTIONAL},
};

// Somebody who uses an allocator for everything that it can.
struct user {
    struct page_allocator *pages;
    uint64_t random;
    pfn_t blocks[BLOCKS];
    uint64_t counts[BLOCKS]; // 0: a block of `orders`
    unsigned orders[BLOCKS];
    size_t held;
    pfn_t reserved; // 0: nothing
};

static void give(struct user *user, size_t at) {
    if (user->counts[at] != 0) {
        page_free_contig(user->pages, user->blocks[at], user->counts[at]);
    } else {
        page_free(user->pages, user->blocks[at], user->orders[at]);
    }
    user->held--;
    user->blocks[at] = user->blocks[user->held];
    user->counts[at] = user->counts[user->held];
    user->orders[at] = user->orders[user->held];
}

static void take(struct user *user) {
    static const uint64_t ceilings[] = {UINT64_MAX, 4 * GIB, 16 * MIB};
    paddr_t ceiling = paddr(ceilings[world_random(&user->random) % 3]);
    enum page_owner owner = (enum page_owner)(world_random(&user->random) % PAGE_OWNER_COUNT_);
    unsigned kind = (unsigned)(world_random(&user->random) % 8);
    size_t at = user->held;
    enum page_status status;
    user->counts[at] = 0;
    user->orders[at] = (unsigned)(world_random(&user->random) % (kind == 0 ? 19 : 10));
    if (kind > 3) {
        user->counts[at] = world_random(&user->random) % 3000 + 1;
        status = page_alloc_contig(user->pages, user->counts[at], kind == 4 ? 64 * KIB : 0, ceiling,
                                   kind == 5 ? 16 * MIB : 0, owner, &user->blocks[at], NULL);
    } else if (kind == 1) {
        status =
            page_alloc_atomic(user->pages, user->orders[at], ceiling, owner, &user->blocks[at]);
    } else {
        status = page_alloc(user->pages, user->orders[at], ceiling, owner, &user->blocks[at]);
    }
    user->held += status == PAGE_OK;
}

static void reserve_or_release(struct user *user) {
    pfn_t end = pfn(user->reserved.value + 300);
    if (user->reserved.value != 0) {
        assert_int_equal(page_release(user->pages, user->reserved, end, NULL), PAGE_OK);
        user->reserved = pfn(0);
        return;
    }
    pfn_t begin = pfn(world_random(&user->random) % (7 * SECTION_FRAMES) + 1);
    if (page_reserve(user->pages, begin, pfn(begin.value + 300), NULL) == PAGE_OK) {
        user->reserved = begin;
    }
    page_retire(user->pages, pfn(begin.value + 1000), pfn(begin.value + 1001), NULL);
}

static void work(struct user *user, unsigned steps) {
    while (steps-- != 0) {
        uint64_t choice = world_random(&user->random) % 20;
        if (choice == 0) {
            reserve_or_release(user);
        } else if (user->held == BLOCKS || (choice < 10 && user->held != 0)) {
            give(user, world_random(&user->random) % user->held);
        } else {
            take(user);
        }
    }
}

struct session {
    struct world world;
    struct page_watch watch;
    struct user user;
    void *storage;
    char *text;
};

static void begin(struct session *session, uint64_t seed, uint64_t events) {
    memset(session, 0, sizeof(*session));
    session->text = malloc(TEXT_BYTES);
    world_create(&session->world, gibibytes, 3);
    session->user.pages = &session->world.pages;
    session->user.random = seed;
    page_set_reserves(&session->world.pages, &(struct page_reserves){64, 4096, 128});
    work(&session->user, 500);
    assert_true(page_watch_start(&session->world.pages, &session->watch));
    uint64_t bytes = page_trace_bytes(&session->world.pages, events);
    session->storage = aligned_alloc(16, bytes);
    assert_true(page_trace_start(&session->world.pages, session->storage, bytes, &events));
}

// Ends the recording and its machine; what is left is the text, which is read here.
static void end(struct session *session, struct recording *recording) {
    struct text_buffer text;
    text_buffer_init(&text, session->text, TEXT_BYTES);
    text_puts(&text.text, "something else\r\n");
    record_trace(&text.text, &session->watch);
    assert_int_equal(text.dropped, 0);
    assert_null(page_check(&session->world.pages));
    page_watch_stop(&session->world.pages);
    world_destroy(&session->world);
    free(session->storage);
    FILE *file = fmemopen(session->text, text.length, "r");
    recording_read(recording, file);
    fclose(file);
    assert_int_equal(recording->damaged_line, 0);
    assert_true(recording->complete);
}

static void replay_all(struct recording *recording, bool exact, struct replay *replay) {
    static struct page_allocator allocator;
    static struct page_watch watch;
    size_t line;
    assert_int_equal(replay_can_be_exact(recording), exact);
    const char *wrong = start_build(&allocator, recording, &line);
    if (wrong != NULL) {
        fail_msg("line %zu: %s", line, wrong);
    }
    *replay = (struct replay){.allocator = &allocator, .exact = exact};
    assert_true(page_watch_start(&allocator, &watch));
    for (size_t i = 0; i < recording->event_count; i++) {
        const struct page_event *event = &recording->events[i].is;
        if (!replay_event(replay, event)) {
            char what[200];
            replay_describe(event, what, sizeof(what));
            fail_msg("event %lu: %s: expected %s, found %s", event->sequence, what,
                     replay->expected, replay->found);
        }
        const char *broken = i % 16 == 0 ? page_check(&allocator) : NULL;
        if (broken != NULL) {
            fail_msg("after event %lu: %s", event->sequence, broken);
        }
    }
    assert_null(page_check(&allocator));
    start_free(&allocator);
}

static void done_again(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct session session;
        struct recording recording;
        struct replay replay;
        begin(&session, seed, 2000);
        work(&session.user, 1500);
        end(&session, &recording);
        replay_all(&recording, true, &replay);
        assert_int_equal(replay.elsewhere + replay.otherwise, 0);
        assert_true(recording.event_count > 1000);
        recording_free(&recording);
        free(session.text);
    }
}

static void failures_and_callers_are_done_again(void **state) {
    (void)state;
    struct session session;
    struct recording recording;
    struct replay replay;
    begin(&session, 77, 2000);
    assert_true(page_sites_start(&session.world.pages));
    page_fail(&session.watch, PAGE_FAIL_EVERY, 5, 0);
    work(&session.user, 1500);
    end(&session, &recording);
    replay_all(&recording, true, &replay);
    recording_free(&recording);
    free(session.text);
}

static void what_was_lost_is_made_up(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct session session;
        struct recording recording;
        struct replay replay;
        begin(&session, seed * 1000, 400);
        uint64_t capacity = session.watch.trace.capacity;
        work(&session.user, 5000);
        end(&session, &recording);
        assert_int_equal(recording.event_count, capacity);
        replay_all(&recording, false, &replay);
        recording_free(&recording);
        free(session.text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(done_again),
        cmocka_unit_test(failures_and_callers_are_done_again),
        cmocka_unit_test(what_was_lost_is_made_up),
    };
    return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
