// SPDX-License-Identifier: MIT
// A serial port: a 16550 or one of its heirs, at 115,200 baud, 8N1, polled.
//
// Nothing here waits for ever. A port that is not there is found out by serial_init and swallows
// everything; a port that stops taking bytes (a cable pulled, a reader that stalled) costs one long
// wait, after which bytes are dropped, and counted, until it takes one again; the count is then
// written into the stream.
// Source: National Semiconductor PC16550D data sheet, 1995.
#pragma once

#include <strata/text.h>

#define SERIAL_COM1 0x3f8

struct serial {
    struct text text; // a newline is sent as carriage return and newline
    uint16_t port;
    bool present;
    bool stalled;      // the last wait ran out
    unsigned fifo;     // bytes that its transmitter takes at once
    unsigned room;     // bytes that it takes before it must be asked again
    uint64_t dropped;  // bytes lost since it stalled
    uint64_t overruns; // received bytes that the port lost
};

// Looks for a port and sets it up. Returns whether there is one; `serial` can be written to in
// either case.
bool serial_init(struct serial *serial, uint16_t port);

// The next byte received, or -1 when there is none. Does not wait.
int serial_read(struct serial *serial);

// Waits, within bounds, until everything written has left the port.
void serial_drain(struct serial *serial);
