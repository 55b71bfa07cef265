// SPDX-License-Identifier: MIT
// Finding and running commands.
#include <monitor/line.h>
#include <monitor/lock.h>
#include <monitor/monitor.h>
#include <monitor/words.h>
#include <panic.h>
#include <state.h>
#include <string.h>
#include <x86/cpu.h>

static void help(struct text *out, size_t count, char **arguments);

static void unlock(struct text *out, size_t count, char **arguments) {
    command_unlock(&strata.lock, out, count, arguments);
}

static void lock(struct text *out, size_t count, char **arguments) {
    (void)count, (void)arguments;
    strata.lock.open = false;
    text_puts(out, "locked\n");
}

static const struct monitor_command own_commands[] = {
    {"help", "[COMMAND]", "this list, or one command", 0, 1, help},
    {"unlock", "[WORD]", "allows commands that write to memory or go wrong on purpose", 0, 1,
     unlock},
    {"lock", "", "forbids them again", 0, 0, lock},
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
    {"kernel addresses", monitor_virt_commands},
    {"the firmware", monitor_firmware_commands},
    {"the machine", monitor_machine_commands},
    {"the monitor", own_commands},
};

#define GROUP_COUNT (sizeof(groups) / sizeof(groups[0]))

const struct monitor_command *monitor_command_at(size_t index) {
    for (size_t group = 0; group < GROUP_COUNT; group++) {
        for (const struct monitor_command *at = groups[group].commands; at->name != NULL; at++) {
            if (index-- == 0) {
                return at;
            }
        }
    }
    return NULL;
}

const struct monitor_command *monitor_command_named(const char *name, size_t length) {
    const struct monitor_command *at;
    for (size_t i = 0; (at = monitor_command_at(i)) != NULL; i++) {
        if (strlen(at->name) == length && memcmp(at->name, name, length) == 0) {
            return at;
        }
    }
    return NULL;
}

// "?" is what many try first.
static const struct monitor_command *find_command(const char *name) {
    const char *meant = strcmp(name, "?") == 0 ? "help" : name;
    return monitor_command_named(meant, strlen(meant));
}

// Commands have small letters; Caps Lock is no reason not to know one.
static void make_small(char *word) {
    for (; *word != '\0'; word++) {
        *word = (char)(*word >= 'A' && *word <= 'Z' ? *word - 'A' + 'a' : *word);
    }
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

static void say_lock(struct text *out, const struct monitor_command *command) {
    const char *when;
    for (size_t i = 0; command_lock_rule(command->name, &i, &when);) {
        if (when == NULL) {
            text_puts(out, "  It does more than look: unlock comes first.\n");
        } else {
            text_printf(out, "  With %s it does more than look: unlock comes first.\n",
                        when[0] == '\0' ? "arguments" : when);
        }
    }
}

static void help(struct text *out, size_t count, char **arguments) {
    if (count == 1) {
        make_small(arguments[0]);
        const struct monitor_command *command = find_command(arguments[0]);
        if (command != NULL) {
            print_help(out, command);
            say_lock(out, command);
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
        "Numbers are decimal or 0x and hexadecimal, with K, M, G or T at the end if you like.\n"
        "Tab completes, the arrows bring back what was typed; on the screen PgUp and PgDn look "
        "back.\n");
}

static bool may_run(const struct monitor_command *command, char **words, size_t count,
                    bool trusted) {
    return !command_is_locked(command->name, count - 1, words + 1) || strata.lock.open ||
           (trusted && !strata.lock.secure_boot);
}

static void say_arguments(struct text *out, const struct monitor_command *command, size_t count) {
    if (command->most == 0) {
        text_printf(out, "%s takes no arguments:\n", command->name);
    } else if (count < command->least) {
        text_printf(out, "%s takes more than that:\n", command->name);
    } else {
        text_printf(out, "%s takes other arguments:\n", command->name);
    }
    print_help(out, command);
}

// `trusted`: the line is not from whoever may be at the serial line.
static void execute(struct text *out, char *line, bool trusted) {
    char *words[MONITOR_ARGUMENTS + 1];
    size_t count = words_split(line, words, MONITOR_ARGUMENTS + 1);
    if (count == 0) {
        return;
    }
    make_small(words[0]);
    const struct monitor_command *command = find_command(words[0]);
    if (command == NULL) {
        say_unknown(out, words[0]);
    } else if (count - 1 < command->least || count - 1 > command->most) {
        say_arguments(out, command, count - 1);
    } else if (!may_run(command, words, count, trusted)) {
        text_printf(out, "%s is locked: it does more than look; unlock says how to allow it\n",
                    command->name);
    } else {
        command->run(out, count - 1, words + 1);
    }
}

void monitor_execute(struct text *out, char *line) {
    execute(out, line, false);
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
            execute(out, line, true);
        } else if (blanks < length) {
            text_printf(out, "a command of run= is longer than %d characters: left out\n",
                        LINE_BYTES - 1);
        }
        list += length + (semicolon != NULL);
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
