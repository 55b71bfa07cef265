// SPDX-License-Identifier: MIT
// The defect matrix in the running kernel: every misuse is really made, and the panic or the fault
// that it ends in is caught (catch.h) and read.
#include <guard.h>
#include <kmalloc.h>
#include <monitor/defects.h>
#include <monitor/selftest.h>
#include <x86/cpu.h>

static struct defects game;
static struct text *console;

static const char *panics(struct defects *test, void (*act)(void *test)) {
    return catch_panic(&strata.catcher, act, test);
}

static bool faults(struct defects *test, volatile uint8_t *byte, bool write) {
    (void)test;
    return catch_fault(&strata.catcher, byte, write);
}

static void missed(const struct defects *test, const char *defect, const char *said) {
    text_printf(console, "  not caught: %s, %lu bytes", defect, test->size);
    if (said != NULL) {
        text_printf(console, ": %s", said);
    }
    text_puts(console, "\n");
}

static bool stopped(void) {
    return console_stopped(&strata.tty);
}

static void expect(const char *what, bool held) {
    game.played++;
    game.caught += held;
    if (!held) {
        text_printf(console, "  does not hold: %s\n", what);
    }
}

// What is free once everything that is kept for later was given back, and what the page allocator
// has taken for itself: when it cuts a section that was whole, pages go from the one to the other.
static uint64_t free_pages(void) {
    struct page_census census;
    if (strata.own_tables) {
        vm_window_trim(&strata.vmalloc);
        tables_trim(&strata.tables);
    }
    page_drain(&strata.pages);
    page_census(&strata.pages, &census);
    return page_free_count(&strata.pages) + census.metadata_pages;
}

// On the loader's page tables there is no vmalloc, so there are no guards.
static void play(void) {
    uint64_t before = free_pages();
    defects_play(&game, false);
    defects_play(&game, true);
    if (strata.own_tables) {
        defects_play_guarded(&game);
    }
    expect("no page is lost", free_pages() == before);
}

void selftest_command(struct text *out, size_t count, char **arguments) {
    (void)count, (void)arguments;
    const struct object_guard_pages pages = guard_pages(&strata);
    console = out;
    game.pages = &strata.pages;
    game.guard_pages = &pages;
    game.panics = panics;
    game.faults = faults;
    game.missed = missed;
    game.stopped = stopped;
    game.played = game.caught = 0;
    uint64_t begin = cpu_tsc();
    play();
    if (console_stopped(&strata.tty)) {
        return;
    }
    text_printf(out, "  %lu of %lu defects caught, in %lu million ticks\n", game.caught,
                game.played, (cpu_tsc() - begin) / 1000000);
    uint64_t passed = game.caught, failed = game.played - game.caught;
    selftest_interrupts(&passed, &failed, out);
    text_printf(out, "%lu passed, %lu failed\n", passed, failed);
}
