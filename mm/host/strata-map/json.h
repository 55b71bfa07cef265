// SPDX-License-Identifier: MIT
// Whether a line holds one JSON object (RFC 8259), to the letter.
#pragma once

#include "cursor.h"

// Moves past one object, which may hold others to a depth of 16. On false the cursor says what was
// expected where.
bool take_json_object(struct cursor *cursor);

// Whether the object at the cursor, its first field being "record", is a record of that kind.
bool is_record(struct cursor cursor, const char *kind);

// Moves to the next `{"record"` on the line; false when there is none.
bool find_any_record(struct cursor *cursor);
