// SPDX-License-Identifier: MIT
// Testing the free memory of the running machine, and what is out of use for being bad.
#pragma once

#include <state.h>

// Tests what is free in [begin, end), so many times, and takes out the frames that fail, for good.
// Progress goes to `out`, each bad frame into the log, with address, expected and found. Ctrl-C on
// the serial line ends it early; what else is typed meanwhile is lost. Panics when the frames that
// it took do not all come back or go out.
void memtest_run(struct text *out, struct kernel *kernel, unsigned passes, paddr_t begin,
                 paddr_t end);

// Lists the frames that are out: what the firmware and badram= named, and what was retired since.
void badram_report(struct text *out, struct kernel *kernel);

// Retires what is free in [begin, end), and says what is not and why.
void badram_retire(struct text *out, struct kernel *kernel, pfn_t begin, pfn_t end);
