// SPDX-License-Identifier: MIT
// The lock before commands that do more than look. Invariants (tests/unit/test_command_lock.c):
//   I1  only the word that was shown last opens it, and only once   only_the_word_opens
//   I2  under Secure Boot nothing does                              never_under_secure_boot
#include <monitor/lock.h>
#include <string.h>

#define WORD_LETTERS 6

// `when`: "" with any argument, else the first argument that makes it so; NULL always.
static const struct {
    const char *name, *when;
} locked[] = {
    {"alloc", NULL},      {"free", NULL},    {"reserve", NULL}, {"release", NULL},
    {"kalloc", NULL},     {"kfree", NULL},   {"shrink", NULL},  {"selftest", NULL},
    {"vmalloc", NULL},    {"vfree", NULL},   {"ioremap", NULL}, {"iounmap", NULL},
    {"vmtrim", NULL},     {"user", NULL},    {"memtest", NULL}, {"badram", ""},
    {"inject", ""},       {"leaks", "on"},   {"trace", "on"},   {"trace", "forget"},
    {"bench", NULL},      {"guard", ""},     {"fault", NULL},   {"plant", NULL},
    {"runtime", "break"}, {"reclaim", NULL}, {"stress", NULL},
};

bool command_lock_rule(const char *name, size_t *index, const char **when) {
    for (; *index < sizeof(locked) / sizeof(locked[0]); ++*index) {
        if (strcmp(locked[*index].name, name) == 0) {
            *when = locked[(*index)++].when;
            return true;
        }
    }
    return false;
}

bool command_is_locked(const char *name, size_t count, char *const *arguments) {
    const char *when;
    for (size_t i = 0; command_lock_rule(name, &i, &when);) {
        if (when == NULL || (count != 0 && (when[0] == '\0' || strcmp(when, arguments[0]) == 0))) {
            return true;
        }
    }
    return false;
}

// A step of splitmix64 (G. Steele and others, 2014).
static uint64_t next_word(struct command_lock *lock) {
    lock->seed += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t mixed = (lock->seed ^ lock->seed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
    return (mixed ^ mixed >> 31) | 1; // not 0
}

// Letters that cannot be mistaken for one another.
static void spell(uint64_t word, char letters[WORD_LETTERS + 1]) {
    static const char alphabet[] = "abcdefhkmnprstwx";
    for (unsigned i = 0; i < WORD_LETTERS; i++, word >>= 4) {
        letters[i] = alphabet[word >> 32 & 15];
    }
    letters[WORD_LETTERS] = '\0';
}

void command_unlock(struct command_lock *lock, struct text *out, size_t count,
                    char *const *arguments) {
    char letters[WORD_LETTERS + 1];
    if (lock->secure_boot) {
        text_puts(out, "Secure Boot is on: commands that do more than look stay locked\n");
        return;
    }
    if (lock->open) {
        text_puts(out, "already unlocked; lock locks again\n");
        return;
    }
    if (count == 1 && lock->word != 0) {
        spell(lock->word, letters);
        lock->open = strcmp(letters, arguments[0]) == 0;
        lock->word = 0;
        if (lock->open) {
            text_puts(out, "unlocked until the next boot, or lock\n");
            return;
        }
        text_puts(out, "that was not the word. ");
    }
    lock->word = next_word(lock);
    spell(lock->word, letters);
    text_printf(out,
                "To allow commands that write to memory or go wrong on purpose, type\n"
                "  unlock %s\n",
                letters);
}
