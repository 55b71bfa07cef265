// SPDX-License-Identifier: MIT
// Which command lines need `unlock` first: those that write to memory, change what is allocated, or
// go wrong on purpose. Looking is always allowed.
//
// Whoever types `unlock` is shown a word to type with it. A line that some other device sends, or
// that noise makes up, cannot know it; and a line with noise in it locks again. Under Secure Boot
// nothing unlocks. Commands of the boot option run= come from whoever set the machine up, and need
// no word, but Secure Boot.
// Pure: tests/unit/test_command_lock.c.
#pragma once

#include <strata/text.h>

struct command_lock {
    bool open;
    bool secure_boot; // never opens
    uint64_t seed;    // of the words
    uint64_t word;    // the one that was shown; 0: none
};

// Whether a command with these arguments is one of them.
bool command_is_locked(const char *name, size_t count, char *const *arguments);

// The next rule about a command, from `*index` (0 at first) on: it is locked always (`*when` is
// NULL), with any argument (""), or with this first one. False when there are no more.
bool command_lock_rule(const char *name, size_t *index, const char **when);

// "unlock" and "unlock WORD".
void command_unlock(struct command_lock *lock, struct text *out, size_t count,
                    char *const *arguments);
