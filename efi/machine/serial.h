// SPDX-License-Identifier: MIT
// COM1, for what cannot be said otherwise: errors when the firmware's console is elsewhere, and
// everything after boot services have begun to end.
#pragma once

// Writes a line as the firmware or the reset left the port's speed. Waits a bounded time; says
// nothing where there is no 16550.
void serial_line(const char *line);
