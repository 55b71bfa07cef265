// SPDX-License-Identifier: MIT
// A firmware driver for a test: from its start on the firmware's map says of some pages, which the
// firmware goes on calling free, that they are ACPI's as well. LoadOptions say how many pages, as a
// decimal number; every other page from 32 MiB on is one.
#include <efi.h>

#define FIRST      UINT64_C(0x2000000)
#define STEP       UINT64_C(0x2000)
#define STRIDE_MAX 48 // of the firmware that this is for

EFI_STATUS EFIAPI efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system);

static EFI_GET_MEMORY_MAP firmware_map;
static UINTN extra;

static EFI_STATUS EFIAPI odd_map(UINTN *size, EFI_MEMORY_DESCRIPTOR *map, UINTN *key, UINTN *stride,
                                 UINT32 *version) {
    UINTN room = *size;
    EFI_STATUS status = firmware_map(size, map, key, stride, version);
    if (status != EFI_SUCCESS) {
        *size += extra * STRIDE_MAX;
        return status;
    }
    UINT8 *end = (UINT8 *)map + *size;
    *size += extra * *stride;
    if (*size > room) {
        return EFI_BUFFER_TOO_SMALL;
    }
    for (UINTN i = 0; i < extra; i++, end += *stride) {
        EFI_MEMORY_DESCRIPTOR *descriptor = (EFI_MEMORY_DESCRIPTOR *)end;
        *descriptor = (EFI_MEMORY_DESCRIPTOR){.Type = EfiACPIMemoryNVS,
                                              .PhysicalStart = FIRST + i * STEP,
                                              .NumberOfPages = 1,
                                              .Attribute = EFI_MEMORY_WB};
    }
    return EFI_SUCCESS;
}

EFI_STATUS EFIAPI efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system) {
    static EFI_GUID guid = LOADED_IMAGE_PROTOCOL;
    EFI_LOADED_IMAGE *loaded;
    EFI_STATUS status = system->BootServices->HandleProtocol(image, &guid, (void **)&loaded);
    if (status != EFI_SUCCESS) {
        return status;
    }
    const CHAR16 *options = loaded->LoadOptions;
    for (UINTN i = 0; i < loaded->LoadOptionsSize / 2 && options[i] >= '0' && options[i] <= '9';
         i++) {
        extra = extra * 10 + (UINTN)(options[i] - '0');
    }
    firmware_map = system->BootServices->GetMemoryMap;
    system->BootServices->GetMemoryMap = odd_map;
    return EFI_SUCCESS;
}
