// SPDX-License-Identifier: MIT
// How a run of the loader against the fake firmware ended, looked at closely.
#pragma once

#include "firmware.h"

// A helpful firmware and a good embedded kernel; a cmocka setup function.
int loader_reset(void **state);

// What the loader said on the console.
bool loader_said(const char *text);
void loader_expect_said(const char *text);

// It has jumped: the contract, whole and mapped where RDI points.
const struct boot_info *loader_jumped_with(void);

// The same, and everything is as include/strata/boot.h says.
const struct boot_info *loader_check_jumped(void);

// It has returned `status`: everything is as if it had not run.
void loader_check_returned(EFI_STATUS status);

// Runs it and expects that it returns so and says so.
void loader_expect_refusal(EFI_STATUS status, const char *sentence);

// What a virtual address translates to in the tables that the loader jumped with, 0 for nothing;
// and the bits of the entry that are permissions.
uint64_t loader_translate(uint64_t virtual, uint64_t *bits);
