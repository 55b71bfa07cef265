// SPDX-License-Identifier: MIT
// The PC's oldest timer, as a source of periodic interrupts: channel 0 of the PIT through the first
// PIC (Intel 8254 and 8259A data sheets). Every other interrupt of the PICs stays masked.
#pragma once

#include <strata/types.h>

#define PIT_VECTOR 0x20 // where its interrupt arrives; the PICs' others follow up to 0x2f

// Begins to call `handler` about `hz` times a second (19 … 100,000), on this CPU, with interrupts
// off. Interrupts have to be switched on for that.
void pit_start(uint32_t hz, void (*handler)(void));

// Ends it. Interrupts are off when this is called.
void pit_stop(void);

// An interrupt of PIT_VECTOR: calls the handler. False when there is none.
bool pit_interrupt(void);
