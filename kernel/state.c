// SPDX-License-Identifier: MIT
// The kernel's only globals that change.
#include <mm/port.h>
#include <state.h>

struct kernel strata;
uint8_t *port_direct_map_base;
uint32_t port_gate;
