// SPDX-License-Identifier: MIT
// A 16550 by polling. Register numbers and bits as in the PC16550D data sheet, table II.
#include <devices/serial.h>
#include <x86/cpu.h>

enum {
    SERIAL_DATA = 0,         // also the divisor's low byte
    SERIAL_INTERRUPTS = 1,   // also the divisor's high byte
    SERIAL_FIFO_CONTROL = 2, // write
    SERIAL_FIFO_STATUS = 2,  // read
    SERIAL_LINE_CONTROL = 3,
    SERIAL_MODEM_CONTROL = 4,
    SERIAL_LINE_STATUS = 5,
    SERIAL_SCRATCH = 7,
};

#define LINE_8N1       0x03
#define LINE_DIVISOR   0x80
#define MODEM_DTR_RTS  0x03
#define MODEM_OUT2     0x08
#define MODEM_LOOP     0x10
#define STATUS_DATA    0x01
#define STATUS_OVERRUN 0x02
#define STATUS_DAMAGED 0x1c // parity, framing or a break: of the byte that is next
#define STATUS_THRE    0x20 // the transmitter takes bytes
#define STATUS_IDLE    0x40 // everything has left

// The trigger level, 14, is for interrupts, of which there are none; but emulated ports take it for
// how many bytes may be put in at once.
#define FIFO_ENABLE_AND_CLEAR 0xc7
#define FIFO_WORKS            0xc0
#define FIFO_BYTES            16

// A full FIFO leaves in 1.4 ms, but whoever reads an emulated port may be away for longer. In cycles
// of the time stamp counter, since nobody knows its frequency when the first words are said: from
// 0.9 s at 5 GHz to 4 s at 1 GHz. A machine that was paused meanwhile is asked a few times more.
#define SERIAL_PATIENCE (1ull << 32)
#define SERIAL_ASKED    10000

static uint8_t serial_get(const struct serial *serial, unsigned reg) {
    if (serial->memory == NULL) {
        return cpu_in8((uint16_t)(serial->port + reg));
    }
    volatile uint8_t *at = serial->memory + (size_t)reg * serial->stride;
    return serial->stride == 4 ? (uint8_t) * (volatile uint32_t *)(volatile void *)at : *at;
}

static void serial_set(const struct serial *serial, unsigned reg, uint8_t value) {
    if (serial->memory == NULL) {
        cpu_out8((uint16_t)(serial->port + reg), value);
        return;
    }
    volatile uint8_t *at = serial->memory + (size_t)reg * serial->stride;
    if (serial->stride == 4) {
        *(volatile uint32_t *)(volatile void *)at = value;
    } else {
        *at = value;
    }
}

static bool serial_scratch_works(const struct serial *serial) {
    serial_set(serial, SERIAL_SCRATCH, 0x5a);
    bool first = serial_get(serial, SERIAL_SCRATCH) == 0x5a;
    serial_set(serial, SERIAL_SCRATCH, 0xa5);
    return first && serial_get(serial, SERIAL_SCRATCH) == 0xa5;
}

// Some early and some virtual ports have no scratch register, but all can talk to themselves.
static bool serial_loop_works(const struct serial *serial) {
    serial_set(serial, SERIAL_MODEM_CONTROL, MODEM_LOOP | MODEM_DTR_RTS);
    serial_set(serial, SERIAL_DATA, 0xae);
    bool works = false;
    for (unsigned tries = 0; tries < 1000 && !works; tries++) {
        works = (serial_get(serial, SERIAL_LINE_STATUS) & STATUS_DATA) != 0 &&
                serial_get(serial, SERIAL_DATA) == 0xae;
    }
    return works;
}

static void serial_configure(struct serial *serial) {
    serial_set(serial, SERIAL_INTERRUPTS, 0);
    if (serial->divisor != 0) {
        serial_set(serial, SERIAL_LINE_CONTROL, LINE_DIVISOR);
        serial_set(serial, SERIAL_DATA, (uint8_t)serial->divisor);
        serial_set(serial, SERIAL_INTERRUPTS, (uint8_t)(serial->divisor >> 8));
    }
    serial_set(serial, SERIAL_LINE_CONTROL, LINE_8N1);
    serial_set(serial, SERIAL_FIFO_CONTROL, FIFO_ENABLE_AND_CLEAR);
}

static bool serial_wait(const struct serial *serial, uint8_t status) {
    uint64_t begin = cpu_tsc();
    unsigned asked = 0;
    while ((serial_get(serial, SERIAL_LINE_STATUS) & status) == 0) {
        bool patient = ++asked < SERIAL_ASKED || cpu_tsc() - begin < serial->patience;
        if (serial->stalled || !patient) {
            return false;
        }
        cpu_pause();
    }
    return true;
}

static bool serial_put(struct serial *serial, char byte) {
    if (serial->room == 0) {
        serial->stalled = !serial_wait(serial, STATUS_THRE);
        if (serial->stalled) {
            serial->dropped++;
            serial->lost++;
            return false;
        }
        serial->room = serial->fifo;
    }
    serial->room--;
    serial_set(serial, SERIAL_DATA, (uint8_t)byte);
    return true;
}

static void serial_write(struct text *self, const char *bytes, size_t count) {
    struct serial *serial = (struct serial *)self;
    for (size_t i = 0; serial->present && i < count; i++) {
        if (bytes[i] == '\n') {
            serial_put(serial, '\r');
        }
        if (serial_put(serial, bytes[i]) && serial->dropped != 0) {
            uint64_t dropped = serial->dropped;
            serial->dropped = 0;
            text_printf(self, "\n[serial: %lu bytes lost]\n", dropped);
        }
    }
}

bool serial_resume(struct serial *serial) {
    if (!serial->present || !serial->stalled ||
        (serial_get(serial, SERIAL_LINE_STATUS) & STATUS_THRE) == 0) {
        return false;
    }
    text_puts(&serial->text, "\n");
    return true;
}

bool serial_init(struct serial *serial, uint16_t port) {
    const struct serial place = {.port = port, .stride = 1, .divisor = 1};
    return serial_init_at(serial, &place);
}

bool serial_init_at(struct serial *serial, const struct serial *place) {
    *serial = (struct serial){.text = {.write = serial_write},
                              .port = place->port,
                              .memory = place->memory,
                              .stride = place->stride,
                              .divisor = place->divisor,
                              .patience = SERIAL_PATIENCE};
    if (serial_get(serial, SERIAL_LINE_STATUS) == 0xff) {
        return false; // nothing answers on the bus
    }
    // The firmware's last words may still be on their way out.
    serial->present = true;
    serial_drain(serial);
    serial_configure(serial);
    bool scratch = serial_scratch_works(serial);
    serial->present = scratch || serial_loop_works(serial);
    serial_set(serial, SERIAL_MODEM_CONTROL, MODEM_DTR_RTS | MODEM_OUT2);
    bool fifo = (serial_get(serial, SERIAL_FIFO_STATUS) & FIFO_WORKS) == FIFO_WORKS;
    serial->fifo = fifo ? FIFO_BYTES : 1;
    return serial->present;
}

// Takes in what the port has. Bytes were lost behind some of those that it has when it says so, and
// nobody knows which: none of them is handed out then.
static void serial_take_in(struct serial *serial) {
    bool lost = false;
    serial->next = serial->received = 0;
    while (serial->received < SERIAL_BURST) {
        uint8_t status = serial_get(serial, SERIAL_LINE_STATUS);
        lost |= (status & STATUS_OVERRUN) != 0;
        if ((status & STATUS_DATA) == 0) {
            break;
        }
        uint8_t byte = serial_get(serial, SERIAL_DATA);
        serial->burst[serial->received++] = (status & STATUS_DAMAGED) != 0 ? 0 : byte;
    }
    if (lost) {
        serial->received = 0;
        serial->overruns++;
    }
}

int serial_read(struct serial *serial) {
    if (!serial->present) {
        return -1;
    }
    if (serial->next == serial->received) {
        serial_take_in(serial);
    }
    return serial->next < serial->received ? serial->burst[serial->next++] : -1;
}

void serial_drain(struct serial *serial) {
    if (serial->present && serial_wait(serial, STATUS_IDLE)) {
        serial->room = serial->fifo;
    }
}
