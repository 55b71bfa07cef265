// SPDX-License-Identifier: MIT
// Finding and running commands.
#include <monitor/line.h>
#include <monitor/monitor.h>
#include <monitor/words.h>
#include <panic.h>
#include <state.h>
#include <string.h>
#include <x86/cpu.h>

static void help(struct text *out, size_t count, char **arguments);

static const struct monitor_command own_commands[] = {
    {"help", "[COMMAND]", "this list, or one command", 0, 1, help},
    {0},
};

static const struct {
    const char *title;
    const struct monitor_command *commands;
} groups[] = {
    {"look at memory", monitor_look_commands},
    {"change it by hand", monitor_change_commands},
    {"kmalloc", monitor_object_commands},
    {"bad memory", monitor_badram_commands},
    {"watch the page allocator", monitor_watch_commands},
    {"the address space", monitor_paging_commands},
    {"the firmware", monitor_firmware_commands},
    {"the machine", monitor_machine_commands},
    {"the monitor", own_commands},
};

#define GROUP_COUNT (sizeof(groups) / sizeof(groups[0]))

static const struct monitor_command *find_command(const char *name) {
    for (size_t group = 0; group < GROUP_COUNT; group++) {
        for (const struct monitor_command *at = groups[group].commands; at->name != NULL; at++) {
            if (strcmp(at->name, name) == 0) {
                return at;
            }
        }
    }
    return NULL;
}

static const struct monitor_command *nearest_command(const char *name) {
    const struct monitor_command *nearest = NULL;
    unsigned least = 3; // further away is another word
    for (size_t group = 0; group < GROUP_COUNT; group++) {
        for (const struct monitor_command *at = groups[group].commands; at->name != NULL; at++) {
            unsigned distance = words_distance(name, at->name);
            if (distance < least && distance < strlen(at->name)) {
                least = distance;
                nearest = at;
            }
        }
    }
    return nearest;
}

static void print_help(struct text *out, const struct monitor_command *command) {
    size_t width = strlen(command->name) + 1 + strlen(command->arguments);
    text_printf(out, "  %s %s", command->name, command->arguments);
    if (width > 32) {
        text_puts(out, "\n  ");
        width = 0;
    }
    for (; width < 32; width++) {
        text_puts(out, " ");
    }
    text_printf(out, " %s\n", command->help);
}

static void say_unknown(struct text *out, const char *name) {
    const struct monitor_command *nearest = nearest_command(name);
    text_puts(out, "no command is called ");
    text_json_string(out, name);
    if (nearest != NULL) {
        text_printf(out, "; did you mean %s?\n", nearest->name);
    } else {
        text_puts(out, "; help lists them all\n");
    }
}

static void help(struct text *out, size_t count, char **arguments) {
    if (count == 1) {
        const struct monitor_command *command = find_command(arguments[0]);
        if (command != NULL) {
            print_help(out, command);
        } else {
            say_unknown(out, arguments[0]);
        }
        return;
    }
    for (size_t group = 0; group < GROUP_COUNT; group++) {
        text_printf(out, "%s\n", groups[group].title);
        for (const struct monitor_command *at = groups[group].commands; at->name != NULL; at++) {
            print_help(out, at);
        }
    }
    text_puts(
        out,
        "Numbers are decimal or 0x and hexadecimal, with K, M, G or T at the end if you like.\n");
}

void monitor_execute(struct text *out, char *line) {
    char *words[MONITOR_ARGUMENTS + 1];
    size_t count = words_split(line, words, MONITOR_ARGUMENTS + 1);
    if (count == 0) {
        return;
    }
    const struct monitor_command *command = find_command(words[0]);
    if (command == NULL) {
        say_unknown(out, words[0]);
    } else if (count - 1 < command->least || count - 1 > command->most) {
        text_printf(out, "%s takes other arguments:\n", command->name);
        print_help(out, command);
    } else {
        command->run(out, count - 1, words + 1);
    }
}

void monitor_execute_list(struct text *out, const char *list) {
    while (*list != '\0') {
        char line[LINE_BYTES];
        const char *semicolon = strchr(list, ';');
        size_t length = semicolon != NULL ? (size_t)(semicolon - list) : strlen(list);
        size_t blanks = strspn(list, " \t");
        if (blanks < length && length - blanks < sizeof(line)) {
            memcpy(line, list + blanks, length - blanks);
            line[length - blanks] = '\0';
            text_printf(out, MONITOR_PROMPT "%s\n", line);
            monitor_execute(out, line);
        } else if (blanks < length) {
            text_printf(out, "a command of run= is longer than %d characters: left out\n",
                        LINE_BYTES - 1);
        }
        list += length + (semicolon != NULL);
    }
}

_Noreturn void monitor_loop(struct text *out) {
    static struct line line;
    line_init(&line, MONITOR_PROMPT);
    line_begin(&line, out);
    for (;;) {
        int byte = console_read(&strata.tty);
        if (byte < 0) {
            cpu_pause();
            continue;
        }
        enum line_event event = line_take(&line, (char)byte, out);
        if (event == LINE_MORE) {
            continue;
        }
        if (event == LINE_TOO_LONG) {
            text_printf(out, "that line is longer than %d characters: not executed\n",
                        LINE_BYTES - 1);
        } else if (event == LINE_READY) {
            console_begin_answer(&strata.tty);
            monitor_execute(out, line.text);
            console_end_answer(&strata.tty);
        }
        line_begin(&line, out);
    }
}

bool monitor_number(struct text *out, const char *name, const char *word, uint64_t *value) {
    const char *complaint = number_parse(word, value);
    if (complaint != NULL) {
        text_printf(out, "%s: ", name);
        text_json_string(out, word);
        text_printf(out, ": %s\n", complaint);
    }
    return complaint == NULL;
}
