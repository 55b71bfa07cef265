// SPDX-License-Identifier: MIT
// The firmware's interfaces: gnu-efi's headers, and what they lack.
//
// Only efi/ includes this, and in efi/ only the files that call the firmware: those that decide
// something (options, ELF, page tables, layout) are pure and know nothing of it.
#pragma once

#include <stddef.h>

#include <efi.h>

// gnu-efi takes a Microsoft target for a Microsoft compiler and then defines __attribute__ away: a
// packed structure would silently get another layout. The flags in efi/build.mk prevent it; this
// notices when they do not.
struct uefi_packed_probe {
    UINT8 byte;
    UINT64 word;
} __attribute__((packed));
_Static_assert(sizeof(struct uefi_packed_probe) == 9, "attributes do not work: see efi/build.mk");
_Static_assert(sizeof(CHAR16) == 2 && sizeof(L"") == 2, "UTF-16 needs -fshort-wchar");
_Static_assert(sizeof(UINTN) == 8 && sizeof(EFI_STATUS) == 8, "64-bit firmware only");

// Two EFI_GUIDs are the same.
static inline BOOLEAN guid_equal(const EFI_GUID *a, const EFI_GUID *b) {
    return __builtin_memcmp(a, b, sizeof(*a)) == 0;
}
