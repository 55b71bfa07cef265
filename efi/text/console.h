// SPDX-License-Identifier: MIT
// What the loader says: on the firmware's console, and kept for the kernel to show again.
#pragma once

#include "format.h"
#include <loader.h>

// Starts the log. Says nothing and needs nothing of the firmware but its memory.
EFI_STATUS console_begin(struct loader *loader);

// Says one line, without a newline in it, unless log= asks for less.
void say(struct loader *loader, enum boot_log_level level, const char *text, ...)
    __attribute__((format(printf, 3, 4)));

// Says one line of the form "strata: error: what (status name, number)" and returns the status.
EFI_STATUS fail(struct loader *loader, EFI_STATUS status, const char *text, ...)
    __attribute__((format(printf, 3, 4)));

// "Not Found", or "unknown status".
const char *status_name(EFI_STATUS status);
