// SPDX-License-Identifier: MIT
#include <devices/pit.h>
#include <state.h>
#include <x86/cpu.h>

#define PIC_COMMAND   0x20
#define PIC_DATA      0x21
#define PIC_COMMAND_2 0xa0
#define PIC_DATA_2    0xa1
#define PIC_INIT      0x11 // edge triggered, cascaded, a fourth word follows
#define PIC_CASCADE   2    // the line of the first that the second hangs on
#define PIC_8086      0x01
#define PIC_END       0x20 // of an interrupt, whichever it is
#define PIC_NONE      0xff
#define PIC_TIMER     0xfe // all but line 0 masked

#define PIT_HZ       1193182
#define PIT_DATA     0x40
#define PIT_CONTROL  0x43
#define PIT_PERIODIC 0x34 // channel 0, low then high byte, mode 2
#define PIT_ONCE     0x30 // the same, mode 0: nothing more after one

static void program_pics(uint8_t mask) {
    cpu_out8(PIC_COMMAND, PIC_INIT);
    cpu_out8(PIC_COMMAND_2, PIC_INIT);
    cpu_out8(PIC_DATA, PIT_VECTOR);
    cpu_out8(PIC_DATA_2, PIT_VECTOR + 8);
    cpu_out8(PIC_DATA, 1 << PIC_CASCADE);
    cpu_out8(PIC_DATA_2, PIC_CASCADE);
    cpu_out8(PIC_DATA, PIC_8086);
    cpu_out8(PIC_DATA_2, PIC_8086);
    cpu_out8(PIC_DATA, mask);
    cpu_out8(PIC_DATA_2, PIC_NONE);
}

void pit_start(uint32_t hz, void (*handler)(void)) {
    uint32_t count = PIT_HZ / hz;
    strata.timer = handler;
    program_pics(PIC_TIMER);
    cpu_out8(PIT_CONTROL, PIT_PERIODIC);
    cpu_out8(PIT_DATA, (uint8_t)count);
    cpu_out8(PIT_DATA, (uint8_t)(count >> 8));
}

void pit_stop(void) {
    cpu_out8(PIC_DATA, PIC_NONE);
    cpu_out8(PIT_CONTROL, PIT_ONCE);
    cpu_out8(PIT_DATA, 0xff);
    cpu_out8(PIT_DATA, 0xff);
    strata.timer = NULL;
}

bool pit_interrupt(void) {
    if (strata.timer == NULL) {
        return false;
    }
    strata.timer();
    cpu_out8(PIC_COMMAND, PIC_END);
    return true;
}
