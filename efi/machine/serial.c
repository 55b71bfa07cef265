// SPDX-License-Identifier: MIT
// A polled 16550 at COM1. Every wait is bounded; a port that is not there reads as all ones.
#include "serial.h"

#include "machine.h"

#define COM1          0x3f8
#define LINE_STATUS   (COM1 + 5)
#define SCRATCH       (COM1 + 7)
#define READY_TO_SEND 0x20
#define POLLS_MAX     100000 // one byte at 9,600 baud takes a millisecond

static bool present(void) {
    if (machine_in(LINE_STATUS) == 0xff) {
        return false;
    }
    machine_out(SCRATCH, 0x5a);
    return machine_in(SCRATCH) == 0x5a;
}

static void put(char byte) {
    for (unsigned i = 0; i < POLLS_MAX && (machine_in(LINE_STATUS) & READY_TO_SEND) == 0; i++) {
    }
    machine_out(COM1, (uint8_t)byte);
}

void serial_line(const char *line) {
    if (!present()) {
        return;
    }
    for (; *line != '\0'; line++) {
        put(*line);
    }
    put('\r');
    put('\n');
}
