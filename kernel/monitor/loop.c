// SPDX-License-Identifier: MIT
// A person at the prompt, or noise.
//
// Noise is told from typing by bytes that no key sends, and by bytes that the serial line lost: a
// line with either in it is not echoed further and not executed, and what was unlocked is locked
// again. How many there were is said when it is quiet, so that a flood of noise does not cause one
// of answers.
#include <monitor/complete.h>
#include <monitor/line.h>
#include <monitor/monitor.h>
#include <state.h>
#include <string.h>

#define QUIET_MILLISECONDS 200
#define IDLE_MICROSECONDS  50 // between two looks; a byte takes 87 at 115,200 baud

struct reader {
    struct line line;
    uint64_t damaged;    // lines not executed since that was last said
    uint64_t lost_at;    // overruns when that was last said
    uint64_t last_typed; // ticks
    bool hinted;         // that this line will not be executed
    struct text *out;
};

static void list_candidates(struct text *out, struct completion *completion, const char *word,
                            size_t length) {
    if (completion_offer(completion, word, length)) {
        text_printf(out, "%.*s  ", (int)length, word);
    }
}

// Offers every word that can stand there, writing those that fit to `out`.
static void offer_all(struct completion *completion, const struct monitor_command *command,
                      struct text *out) {
    size_t length;
    if (command == NULL || strcmp(command->name, "help") == 0) {
        const struct monitor_command *at;
        for (size_t i = 0; (at = monitor_command_at(i)) != NULL; i++) {
            list_candidates(out, completion, at->name, strlen(at->name));
        }
        return;
    }
    const char *at = command->arguments, *word;
    while ((word = completion_next_literal(&at, &length)) != NULL) {
        list_candidates(out, completion, word, length);
    }
}

static void write_nothing(struct text *self, const char *bytes, size_t count) {
    (void)self, (void)bytes, (void)count;
}

static void complete(struct reader *reader) {
    struct text nowhere = {.write = write_nothing};
    struct line *line = &reader->line;
    const char *first = line->text + strspn(line->text, " ");
    const char *end = line->text + line->length, *word = end;
    if (line->cursor != line->length) {
        return;
    }
    while (word > line->text && word[-1] != ' ') {
        word--;
    }
    const struct monitor_command *command = NULL;
    if (word > first) {
        const char *blank = strchr(first, ' ');
        command = monitor_command_named(first, (size_t)(blank - first));
        if (command == NULL) {
            return;
        }
    }
    struct completion completion;
    completion_begin(&completion, word, (size_t)(end - word));
    offer_all(&completion, command, &nowhere);
    if (completion.count == 1 || strlen(completion.common) > completion.length) {
        line_insert_text(line, completion.common + completion.length, reader->out);
        line_insert_text(line, completion.count == 1 ? " " : "", reader->out);
    } else if (completion.count > 1) {
        text_puts(reader->out, "\n");
        completion_begin(&completion, word, (size_t)(end - word));
        offer_all(&completion, command, reader->out);
        text_puts(reader->out, "\n");
        line_show(line, reader->out);
    }
}

static void take_byte(struct reader *reader, int byte) {
    enum line_event event = line_take(&reader->line, (char)byte, reader->out);
    switch (event) {
    case LINE_MORE:
        return;
    case LINE_TAB:
        complete(reader);
        return;
    case LINE_TOO_LONG:
        text_printf(reader->out, "that line is longer than %d characters: not executed\n",
                    LINE_BYTES - 1);
        break;
    case LINE_DAMAGED:
        reader->damaged++;
        strata.lock.open = false;
        break;
    case LINE_READY:
        console_begin_answer(&strata.tty);
        monitor_execute(reader->out, reader->line.text);
        console_end_answer(&strata.tty);
        break;
    case LINE_DROPPED:
        break;
    }
    reader->hinted = false;
    line_begin(&reader->line, reader->out);
}

static void say_what_was_lost(struct reader *reader) {
    uint64_t quiet = clock_ticks(&strata.clock) - reader->last_typed;
    uint64_t lost = strata.serial.overruns - reader->lost_at;
    bool useless = reader->line.damaged && !reader->hinted;
    if ((reader->damaged == 0 && lost == 0 && !useless) ||
        quiet < QUIET_MILLISECONDS * strata.clock.khz) {
        return;
    }
    text_puts(reader->out, "\n");
    text_style(reader->out, TEXT_WARNING);
    if (lost != 0) {
        text_printf(reader->out, "the serial line lost input, %lu times\n", lost);
    }
    if (reader->damaged != 0) {
        text_printf(reader->out,
                    "not executed: %lu lines with bytes lost, or with bytes that no key sends\n",
                    reader->damaged);
    }
    if (useless) {
        text_puts(reader->out, "this line has such bytes: Enter or Ctrl-C begins another\n");
    }
    text_printf(reader->out, "(the last of it came %lu ms ago)\n",
                clock_microseconds(&strata.clock, quiet) / 1000);
    text_style(reader->out, TEXT_PLAIN);
    reader->damaged = 0;
    reader->lost_at += lost;
    reader->hinted = reader->line.damaged;
    line_show(&reader->line, reader->out);
}

_Noreturn void monitor_loop(struct text *out) {
    static struct reader reader;
    reader.out = out;
    console_tell_losses(&strata.tty);
    line_init(&reader.line, MONITOR_PROMPT);
    line_begin(&reader.line, out);
    for (;;) {
        int byte = console_read(&strata.tty);
        if (byte >= 0) {
            take_byte(&reader, byte);
            reader.last_typed = clock_ticks(&strata.clock);
        } else if (byte == CONSOLE_LOST) {
            line_damage(&reader.line);
            reader.last_typed = clock_ticks(&strata.clock);
        } else {
            say_what_was_lost(&reader);
            if (serial_resume(&strata.serial)) {
                line_show(&reader.line, out);
            }
            clock_wait(&strata.clock, IDLE_MICROSECONDS);
        }
    }
}
