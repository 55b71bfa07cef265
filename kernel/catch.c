// SPDX-License-Identifier: MIT
// A jump out of whatever goes wrong, back to where it was provoked.
#include <catch.h>
#include <strata/text.h>

static _Noreturn __attribute__((noinline)) void jump(struct catcher *catcher) {
    catcher->panics = catcher->faults = false;
    __builtin_longjmp(catcher->back, 1);
}

// Not inlined: where it comes back to has to be a function that is still there.
static __attribute__((noinline)) bool comes_back(struct catcher *catcher,
                                                 void (*act)(void *context), void *context) {
    if (__builtin_setjmp(catcher->back) != 0) {
        return false;
    }
    act(context);
    catcher->panics = catcher->faults = false;
    return true;
}

const char *catch_panic(struct catcher *catcher, void (*act)(void *context), void *context) {
    catcher->panics = true;
    return comes_back(catcher, act, context) ? NULL : catcher->said;
}

static void read_byte(void *context) {
    (void)*(volatile const uint8_t *)context;
}

static void write_byte(void *context) {
    volatile uint8_t *byte = context;
    *byte = 0; // and not what is read there: the write alone has to fault
}

bool catch_fault(struct catcher *catcher, volatile uint8_t *byte, bool write) {
    catcher->faults = true;
    catcher->address = vaddr((uint64_t)byte);
    return !comes_back(catcher, write ? write_byte : read_byte, (void *)(uintptr_t)byte);
}

void catch_panicked(struct catcher *catcher, const char *format, va_list arguments) {
    struct text_buffer text;
    if (catcher->panics) {
        text_buffer_init(&text, catcher->said, sizeof(catcher->said));
        text_vprintf(&text.text, format, arguments);
        jump(catcher);
    }
}

void catch_faulted(struct catcher *catcher, vaddr_t address) {
    if (catcher->faults && address.value == catcher->address.value) {
        jump(catcher);
    }
}
