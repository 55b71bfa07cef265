// SPDX-License-Identifier: MIT
// The kernel's log: lines with a time stamp and a level, on the console.
//
// Until log_open the lines are only kept, so that the boot's quiet part can log without printing;
// log_open prints them in order.
#pragma once

#include <clock.h>
#include <mm/port.h>
#include <strata/text.h>

#define LOG_PENDING_BYTES 8192

struct log {
    struct text *out; // NULL until log_open
    const struct clock *clock;
    enum port_level level;              // lines above it are dropped
    size_t pending_bytes;               // of `pending` in use
    size_t pending_lost;                // lines that did not fit
    uint8_t pending[LOG_PENDING_BYTES]; // struct log_line and its text, one after the other
};

void log_init(struct log *log, const struct clock *clock, enum port_level level);

// Prints what was kept, and from now on every line at once.
void log_open(struct log *log, struct text *out);

// "[    0.001234] warning: text", and a newline. Seconds since the kernel's entry; ticks when the
// clock is not calibrated. Any context.
void log_vprintf(struct log *log, enum port_level level, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));
void log_printf(struct log *log, enum port_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// "error", "warning", "info", "debug".
const char *log_level_name(enum port_level level);
