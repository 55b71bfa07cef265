// SPDX-License-Identifier: MIT
// The firmware's map and the findings as QR codes on the screen: a machine without a serial line
// hands them to a camera, and strata-map reads what the camera reads.
//
//    map ──> mm/map_code: characters, in parts ──> qr/: modules ──> squares of the font, as cells
//
// Because they are cells they scroll, are looked back at and go round with the pages as text does.
#pragma once

#include <state.h>

// How many codes it takes on this screen, and as text where there is none.
size_t codes_count(struct kernel *kernel);

// Shows code `part` of as many, counted from 1, on a page of its own. False when it is not shown:
// there is no screen for it, no memory, or nobody wants more.  O(descriptors + findings + modules).
bool codes_show(struct kernel *kernel, size_t part);

// Shows all of them, and lets what follows begin a page; when they would push everything else out
// of what the screen keeps, a line says so instead, and where else the map is.
void codes_show_all(struct kernel *kernel);

// Writes the characters of each code as a line, part 0 being all.
void codes_write(struct kernel *kernel, struct text *out, size_t part);
