// SPDX-License-Identifier: MIT
// Step 4: what the firmware knows and the kernel will want: its names, whether Secure Boot is on,
// the configuration tables, the screen.
#include "memory.h"
#include <string.h>
#include <text/console.h>
#include <text/utf.h>

#define READING_MICROSECONDS 3000000 // after a line that will be gone

#define TABLES_MAX   1024 // a firmware that claims more is taken for broken
#define TABLES_SLACK 16   // more may be installed until boot services end

static bool global_flag(struct loader *loader, const CHAR16 *name) {
    static EFI_GUID guid = EFI_GLOBAL_VARIABLE;
    uint8_t value = 0;
    UINTN size = sizeof(value);
    EFI_STATUS status = loader->system->RuntimeServices->GetVariable((CHAR16 *)(uintptr_t)name,
                                                                     &guid, NULL, &size, &value);
    return !EFI_ERROR(status) && size == 1 && value == 1;
}

EFI_STATUS collect_secure_boot(struct loader *loader) {
    loader->info->secure_boot =
        global_flag(loader, L"SecureBoot") && !global_flag(loader, L"SetupMode");
    return EFI_SUCCESS;
}

static void name_firmware(struct loader *loader) {
    struct boot_info *info = loader->info;
    const EFI_SYSTEM_TABLE *system = loader->system;
    if (system->FirmwareVendor != NULL) {
        utf8_from_utf16(info->firmware_vendor, sizeof(info->firmware_vendor),
                        system->FirmwareVendor, sizeof(info->firmware_vendor), false);
    }
    info->firmware_revision = system->FirmwareRevision;
    info->uefi_revision = system->Hdr.Revision;
    info->system_table = paddr((uintptr_t)system);
    // The low half of a revision is two digits: 2.70 is 0x20046.
    say(loader, BOOT_LOG_INFO, "firmware: %s, revision 0x%x, UEFI %u.%u.%u, Secure Boot %s",
        info->firmware_vendor, info->firmware_revision, info->uefi_revision >> 16,
        (info->uefi_revision & 0xffff) / 10, (info->uefi_revision & 0xffff) % 10,
        info->secure_boot ? "on" : "off");
    say(loader, BOOT_LOG_DEBUG, "loader: at " X64 ", for a debugger",
        (uint64_t)(uintptr_t)loader->loaded->ImageBase);
}

static EFI_STATUS take_room(struct loader *loader) {
    uint64_t count = loader->system->NumberOfTableEntries, address;
    if (count > TABLES_MAX || loader->system->ConfigurationTable == NULL) {
        say(loader, BOOT_LOG_WARNING, U64 " configuration tables: none is used", count);
        return EFI_SUCCESS;
    }
    uint64_t pages =
        align_up((count + TABLES_SLACK) * sizeof(struct efi_configuration_table), PAGE_SIZE) /
        PAGE_SIZE;
    EFI_STATUS status = memory_take(loader, BOOT_RANGE_TABLES, pages, &address);
    if (!EFI_ERROR(status)) {
        loader->info->tables = paddr(address);
        loader->tables_capacity = pages * PAGE_SIZE / sizeof(struct efi_configuration_table);
    }
    return status;
}

void collect_tables(struct loader *loader) {
    static const EFI_GUID acpi_2 = ACPI_20_TABLE_GUID, acpi_1 = ACPI_TABLE_GUID;
    static const EFI_GUID smbios_3 = SMBIOS3_TABLE_GUID, smbios_2 = SMBIOS_TABLE_GUID;
    static const EFI_GUID memory_attributes = {
        0xdcfa911d, 0x26eb, 0x469f, {0xa2, 0x20, 0x38, 0xb7, 0xdc, 0x46, 0x12, 0x20}};
    struct boot_info *info = loader->info;
    const EFI_CONFIGURATION_TABLE *table = loader->system->ConfigurationTable;
    uint64_t count = loader->system->NumberOfTableEntries, old_rsdp = 0, old_smbios = 0;
    info->table_count = count < loader->tables_capacity ? count : loader->tables_capacity;
    info->rsdp = info->smbios = info->memory_attributes = paddr(0);
    if (info->table_count == 0) {
        return;
    }
    memcpy((void *)(uintptr_t)info->tables.value, table,
           info->table_count * sizeof(struct efi_configuration_table));
    for (uint64_t i = 0; i < info->table_count; i++) {
        uint64_t address = (uintptr_t)table[i].VendorTable;
        if (guid_equal(&table[i].VendorGuid, &acpi_2)) {
            info->rsdp = paddr(address);
        } else if (guid_equal(&table[i].VendorGuid, &acpi_1)) {
            old_rsdp = address;
        } else if (guid_equal(&table[i].VendorGuid, &smbios_3)) {
            info->smbios = paddr(address);
        } else if (guid_equal(&table[i].VendorGuid, &smbios_2)) {
            old_smbios = address;
        } else if (guid_equal(&table[i].VendorGuid, &memory_attributes)) {
            info->memory_attributes = paddr(address);
        }
    }
    info->rsdp = info->rsdp.value != 0 ? info->rsdp : paddr(old_rsdp);
    info->smbios = info->smbios.value != 0 ? info->smbios : paddr(old_smbios);
}

// A screen whose memory can be written to is better than one that cannot, and one that is a device
// better than what the console's splitter makes up.
static unsigned screen_rank(struct loader *loader, EFI_HANDLE handle,
                            const EFI_GRAPHICS_OUTPUT_PROTOCOL *screen) {
    static EFI_GUID pci_guid = EFI_PCI_IO_PROTOCOL_GUID;
    void *pci = NULL;
    if (screen->Mode == NULL || screen->Mode->Info == NULL) {
        return 0;
    }
    if (screen->Mode->Info->PixelFormat >= PixelBltOnly || screen->Mode->FrameBufferBase == 0 ||
        screen->Mode->FrameBufferSize == 0) {
        return 1;
    }
    return EFI_ERROR(loader->boot->HandleProtocol(handle, &pci_guid, &pci)) ? 2 : 3;
}

static void describe_screen(struct boot_framebuffer *out,
                            const EFI_GRAPHICS_OUTPUT_PROTOCOL_MODE *mode) {
    static const uint32_t formats[] = {BOOT_PIXEL_RGBX, BOOT_PIXEL_BGRX, BOOT_PIXEL_MASK};
    const EFI_GRAPHICS_OUTPUT_MODE_INFORMATION *info = mode->Info;
    bool linear = info->PixelFormat < PixelBltOnly;
    *out = (struct boot_framebuffer){
        .base = paddr(linear ? mode->FrameBufferBase : 0),
        .bytes = linear ? mode->FrameBufferSize : 0,
        .width = info->HorizontalResolution,
        .height = info->VerticalResolution,
        .pitch_pixels = info->PixelsPerScanLine,
        .format = linear ? formats[info->PixelFormat] : BOOT_PIXEL_BLT_ONLY,
        .red_mask = info->PixelInformation.RedMask,
        .green_mask = info->PixelInformation.GreenMask,
        .blue_mask = info->PixelInformation.BlueMask,
        .reserved_mask = info->PixelInformation.ReservedMask,
    };
}

static void find_screen(struct loader *loader) {
    static EFI_GUID guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;
    EFI_HANDLE *handles = NULL;
    UINTN count = 0;
    unsigned best = 0;
    if (EFI_ERROR(loader->boot->LocateHandleBuffer(ByProtocol, &guid, NULL, &count, &handles))) {
        return;
    }
    for (UINTN i = 0; i < count; i++) {
        EFI_GRAPHICS_OUTPUT_PROTOCOL *screen = NULL;
        if (EFI_ERROR(loader->boot->HandleProtocol(handles[i], &guid, (void **)&screen)) ||
            screen == NULL) {
            continue;
        }
        unsigned rank = screen_rank(loader, handles[i], screen);
        if (rank > best) {
            best = rank;
            describe_screen(&loader->info->framebuffer, screen->Mode);
        }
    }
    loader->boot->FreePool(handles);
    const struct boot_framebuffer *screen = &loader->info->framebuffer;
    if (best == 1) {
        say(loader, BOOT_LOG_INFO,
            "the screen can be drawn on through the firmware only: this is the last line on it; "
            "the rest is on the serial line");
        loader->boot->Stall(READING_MICROSECONDS);
    }
    if (best > 0) {
        say(loader, BOOT_LOG_DEBUG, "screen: %u x %u at " X64 "%s", screen->width, screen->height,
            screen->base.value, best == 1 ? ", not linear" : "");
    }
}

EFI_STATUS collect_firmware(struct loader *loader) {
    name_firmware(loader);
    find_screen(loader);
    EFI_STATUS status = take_room(loader);
    if (EFI_ERROR(status)) {
        return status;
    }
    collect_tables(loader);
    if (loader->info->rsdp.value == 0) {
        say(loader, BOOT_LOG_WARNING, "the firmware has no ACPI root pointer (RSDP)");
    }
    return EFI_SUCCESS;
}
