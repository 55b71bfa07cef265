// SPDX-License-Identifier: MIT
// Reading a map out of the texts of QR codes (mm/map_code.h), in any order and with anything
// around them.
#pragma once

#include "read.h"

// Looks for parts of codes. MAP_READ_NOTHING: there are none. MAP_READ_MALFORMED: `problem` names
// the part that is missing or mistyped. Of the maps that are whole the last one counts.
enum map_read_status codes_read(const char *text, size_t length, struct map_reading *out);
