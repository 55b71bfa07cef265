// SPDX-License-Identifier: MIT
// Where options come from, as bytes: a file in any of three encodings, and the UEFI LoadOptions,
// of which firmware passes five kinds. Out of both comes UTF-8 for the parser. Pure: no byte
// outside the input is read, whatever it is.
#pragma once

#include <stdbool.h>
#include <stddef.h>

// A file of options: UTF-8 with or without a byte order mark, or UTF-16 of either order (with a
// mark, or little-endian without one, as some editors write it). NUL-terminated, cut to fit.
// Returns the length.
size_t optiontext_from_file(char *out, size_t capacity, const void *bytes, size_t size);

// The LoadOptions: UTF-16 text, with or without a NUL; perhaps with the program's own name before
// the options (the UEFI shell), perhaps in a whole EFI_LOAD_OPTION (some Dell firmware). `program`
// is the loader's file name ("BOOTX64.EFI"). NULL when `out` was filled in, else what was wrong and
// what was done about it: "" is in `out` where nothing could be used.
const char *optiontext_from_load_options(char *out, size_t capacity, const void *bytes, size_t size,
                                         const char *program);
