// SPDX-License-Identifier: MIT
// What the two files of the defect matrix share.
#pragma once

#include <monitor/defects.h>

// Kinds of objects: those that a row of the table is for. DEBUG: it takes the option debug as well.
enum { SLOT = 1, MADE = 2, LARGE = 4, GUARDED = 8, ANY = 15, SLABS = SLOT | MADE, DEBUG = 16 };

#define MADE_BYTE 0xc0 // what a constructor writes into its objects

// Plays all rows that are for objects like the test's, one after the other; then it is free.
void defects_play_rows(struct defects *test);

// Counts a defect. `said`: the report that was caught, or NULL.
void defects_record(struct defects *test, const char *defect, const char *said, bool caught);

// An object like the test's, from where that comes from, and back.
uint8_t *defects_take(struct defects *test);
void defects_give(struct defects *test, void *memory);
