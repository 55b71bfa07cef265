// SPDX-License-Identifier: MIT
// The stacks that the kernel runs on, by name.
#pragma once

#include <state.h>

#define STACKS_MAX IST_COUNT_ // the IST stacks and the one that everything else runs on

// Stores the stacks; returns how many there are.
size_t stacks_list(const struct kernel *kernel, struct stack_range *ranges);

// Fills a stack that nobody runs on yet, so that stacks_report can tell how far it was used.
void stacks_prepare(const struct stack_range *range);

// A line for each stack: how much of it was ever used.
void stacks_report(struct text *out, const struct kernel *kernel);

// Whether a word at `address` lies in one of them.
bool stacks_readable(const struct kernel *kernel, uint64_t address);

// Writes which stack `pointer` lies in, or has left, as a line. True when it has left one
// downwards: then the address of the last page fault is where.
bool stacks_explain(struct text *out, const struct kernel *kernel, uint64_t pointer);
