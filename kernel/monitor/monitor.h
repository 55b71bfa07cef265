// SPDX-License-Identifier: MIT
// The monitor: commands over the serial line.
//
// A command is a row of a table: its name, its arguments as help shows them, one line of help and a
// function. The tables are grouped by subject, each in its own file; monitor.c knows the groups.
#pragma once

#include <strata/text.h>

#define MONITOR_PROMPT    "strata> "
#define MONITOR_ARGUMENTS 8

struct monitor_command {
    const char *name;      // NULL ends a table
    const char *arguments; // "ORDER [below ADDRESS]"; "" for none
    const char *help;      // one line
    size_t least, most;    // how many arguments
    void (*run)(struct text *out, size_t count, char **arguments);
};

extern const struct monitor_command monitor_look_commands[];     // look.c
extern const struct monitor_command monitor_change_commands[];   // change.c
extern const struct monitor_command monitor_object_commands[];   // object.c
extern const struct monitor_command monitor_badram_commands[];   // badram.c
extern const struct monitor_command monitor_watch_commands[];    // watch.c
extern const struct monitor_command monitor_paging_commands[];   // paging.c
extern const struct monitor_command monitor_virt_commands[];     // virt.c
extern const struct monitor_command monitor_machine_commands[];  // machine.c
extern const struct monitor_command monitor_firmware_commands[]; // firmware.c

// All commands, one after the other; NULL behind the last. And the one of that name, or NULL.
const struct monitor_command *monitor_command_at(size_t index);
const struct monitor_command *monitor_command_named(const char *name, size_t length);

// Executes one command line, which is changed. Says what is right when it is wrong.
void monitor_execute(struct text *out, char *line);

// Executes the commands in `list`, separated by ';', showing each behind a prompt. They come from
// the boot volume: unlock is not asked for, but under Secure Boot.
void monitor_execute_list(struct text *out, const char *list);

// Reads commands from whoever types, for ever (loop.c).
_Noreturn void monitor_loop(struct text *out);

// For commands: reads an argument as a number, or says what is wrong with it and returns false.
bool monitor_number(struct text *out, const char *name, const char *word, uint64_t *value);
