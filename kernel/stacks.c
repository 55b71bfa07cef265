// SPDX-License-Identifier: MIT
// Which stack is which.
#include <stacks.h>
#include <string.h>

#define UNUSED UINT64_C(0x5354524154415354) // no address, and no likely number

static const char *const names[STACKS_MAX] = {"double-fault", "NMI", "machine-check", "kernel"};

size_t stacks_list(const struct kernel *kernel, struct stack_range *ranges) {
    memcpy(ranges, kernel->segments.stacks, sizeof(kernel->segments.stacks));
    ranges[IST_COUNT_ - 1] = kernel->stack;
    return STACKS_MAX;
}

void stacks_prepare(const struct stack_range *range) {
    uint64_t *words = (uint64_t *)range->begin;
    for (uint64_t i = 0; i < (range->end - range->begin) / sizeof(uint64_t); i++) {
        words[i] = UNUSED;
    }
}

// The words that are still as they were are those that nobody came to.
static uint64_t used_bytes(const struct stack_range *range) {
    const uint64_t *words = (const uint64_t *)range->begin;
    uint64_t count = (range->end - range->begin) / sizeof(uint64_t), i = 0;
    while (i < count && words[i] == UNUSED) {
        i++;
    }
    return (count - i) * sizeof(uint64_t);
}

void stacks_report(struct text *out, const struct kernel *kernel) {
    struct stack_range ranges[STACKS_MAX];
    size_t count = stacks_list(kernel, ranges);
    for (size_t i = 0; i < count; i++) {
        text_printf(out, "%s stack: %lu of %lu bytes were ever used\n", names[i],
                    used_bytes(&ranges[i]), ranges[i].end - ranges[i].begin);
    }
}

bool stacks_readable(const struct kernel *kernel, uint64_t address) {
    struct stack_range ranges[STACKS_MAX];
    size_t count = stacks_list(kernel, ranges);
    for (size_t i = 0; i < count; i++) {
        if (address % 8 == 0 && address >= ranges[i].begin && address < ranges[i].end) {
            return true;
        }
    }
    return false;
}

bool stacks_explain(struct text *out, const struct kernel *kernel, uint64_t pointer) {
    struct stack_range ranges[STACKS_MAX];
    size_t count = stacks_list(kernel, ranges);
    for (size_t i = 0; i < count; i++) {
        if (pointer > ranges[i].begin && pointer <= ranges[i].end) {
            text_printf(out, "stack: rsp is in the %s stack, %lu of %lu bytes used\n", names[i],
                        ranges[i].end - pointer, ranges[i].end - ranges[i].begin);
            return false;
        }
        if (pointer <= ranges[i].begin && ranges[i].begin - pointer < PAGE_SIZE) {
            text_printf(out, "stack: the %s stack overflowed: rsp is %lu bytes below it\n",
                        names[i], ranges[i].begin - pointer);
            return true;
        }
    }
    text_puts(out, "stack: rsp is in no stack\n");
    return false;
}
