// SPDX-License-Identifier: MIT
// The running kernel's screen.
#pragma once

#include <state.h>

// Once there is a page allocator: takes room for what will be written on the firmware's screen, and
// keeps it from now on. Without a screen, or without room, a line in the log says why.
void screen_start(struct kernel *kernel);

// Once the framebuffer is mapped (kernel->screen), or the kernel has to stay on the loader's
// tables: shows what has been kept. When there is no mapping the screen stays as the firmware left
// it.
void screen_show(struct kernel *kernel);
