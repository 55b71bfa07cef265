// SPDX-License-Identifier: MIT
// A serial port: a 16550 or one of its heirs, 8N1, polled; its registers are I/O ports or memory.
//
// Nothing here waits for ever. A port that is not there is found out by serial_init and swallows
// everything; a port that stops taking bytes (a cable pulled, a reader that stalled) costs one long
// wait, after which bytes are dropped, and counted, until it takes one again; the count is then
// written into the stream.
// Source: National Semiconductor PC16550D data sheet, 1995.
#pragma once

#include <strata/text.h>

#define SERIAL_COM1      0x3f8
#define SERIAL_REGISTERS 8
#define SERIAL_BURST     64 // bytes taken in at once: more than a port's FIFO holds

struct serial {
    struct text text; // a newline is sent as carriage return and newline
    uint16_t port;
    volatile uint8_t *memory; // its registers, when they are in memory: `stride` bytes apart
    unsigned stride;          // 1, or 4: read and written as 32 bits then
    unsigned divisor;         // of 115,200 baud; 0: the speed stays what it is
    bool present;
    uint64_t patience; // cycles that a wait lasts before it counts as stalled
    bool stalled;      // the last wait ran out
    unsigned fifo;     // bytes that its transmitter takes at once
    unsigned room;     // bytes that it takes before it must be asked again
    uint64_t dropped;  // bytes lost since it stalled
    uint64_t lost;     // bytes lost since the beginning
    uint64_t overruns; // times that the port lost received bytes
    uint8_t burst[SERIAL_BURST];
    unsigned next, received; // of `burst`: those still to hand out
};

// Looks for a port at 115,200 baud and sets it up. Returns whether there is one; `serial` can be
// written to in either case.
bool serial_init(struct serial *serial, uint16_t port);

// The same for any port: `port` or `memory`, `stride` and `divisor` of `place` say which.
bool serial_init_at(struct serial *serial, const struct serial *place);

// The next byte received, or -1 when there is none; 0 for one that arrived damaged (parity,
// framing) and for a break. When the port says that it lost some, all that it has is thrown away,
// and counted in `overruns` as once. Does not wait.
int serial_read(struct serial *serial);

// Whether a port that had stalled takes bytes again: then it has been told how many were lost.
bool serial_resume(struct serial *serial);

// Waits, within bounds, until everything written has left the port.
void serial_drain(struct serial *serial);
