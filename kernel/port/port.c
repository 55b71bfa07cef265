// SPDX-License-Identifier: MIT
// What mm/ asks of the kernel, as far as there is a kernel: the bring-up code replaces these weak definitions.
#include <mm/port.h>

__attribute__((weak)) uint8_t *port_direct_map_base;

__attribute__((weak)) _Noreturn void port_panic(const char *format, ...) {
    (void)format;
    for (;;) {
    }
}
