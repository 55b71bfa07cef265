// SPDX-License-Identifier: MIT
// Everything that Strata knows about this machine's memory, as text or as records.
#pragma once

#include <state.h>

// All reports, as at boot.
void dump_text(struct text *out, struct kernel *kernel);

// One JSON object a line between "--- strata json ---" and "--- end ---": the records of
// include/mm/report.h, phases.h and acpi/acpi.h, after
//   {"record":"strata","version":"…","build":"…","cpu":"…","memory":"0x…","firmware":"…",
//    "firmware_revision":65536,"uefi_revision":131142,"options":"…","check":"ok"}
//    (one line)
// "memory" is the RAM that the firmware described, in bytes; "check" is "ok" or the sentence that
// does not hold.
void dump_json(struct text *out, struct kernel *kernel);
