// SPDX-License-Identifier: MIT
// The fake firmware. See firmware.h.
#include "firmware.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <text/utf.h>

EFI_STATUS EFIAPI efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system);

struct firmware firmware;
uint8_t kernel_blob[KERNEL_BLOB_MAX];
uint64_t kernel_blob_bytes;
char options_embedded[OPTIONS_EMBEDDED_MAX];
uint64_t options_embedded_bytes;

static int handle_image, handle_device, handle_screen, handle_system;
static EFI_BOOT_SERVICES boot_services;
static EFI_RUNTIME_SERVICES runtime_services;
static uint16_t load_options[1024];

bool firmware_enter(const char *name, bool allowed_at_exit) {
    if (firmware.exited || (firmware.exit_tried && !allowed_at_exit)) {
        fail_msg("%s called after ExitBootServices", name);
    }
    firmware.calls++;
    if (firmware.calls == firmware.script.fail_nth) {
        firmware.failed_call = name;
        return true;
    }
    return false;
}

uint64_t firmware_random(void) {
    firmware.script.seed =
        firmware.script.seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return firmware.script.seed >> 33;
}

// Memory.

static void map_memory(uint64_t first, uint64_t end) {
    void *wanted = (void *)(first * PAGE_SIZE);
    void *got = mmap(wanted, (end - first) * PAGE_SIZE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (got != wanted) {
        perror("mmap of the fake machine's memory");
        abort();
    }
}

static bool is_free(uint64_t first, uint64_t pages) {
    for (uint64_t i = first; i < first + pages; i++) {
        if (i >= FIRMWARE_PAGES || firmware.types[i] != EfiConventionalMemory) {
            return false;
        }
    }
    return true;
}

// Where the script puts pages that end at or below `limit` (in pages); FIRMWARE_PAGES for nowhere.
static uint64_t place(uint64_t pages, uint64_t limit) {
    uint64_t last = limit > FIRMWARE_PAGES ? FIRMWARE_PAGES : limit;
    if (pages == 0 || pages > last) {
        return FIRMWARE_PAGES;
    }
    uint64_t choices = last - pages + 1;
    uint64_t start = firmware.script.placement == PLACE_HIGH  ? choices - 1
                     : firmware.script.placement == PLACE_LOW ? 0
                                                              : firmware_random() % choices;
    for (uint64_t i = 0; i < choices; i++) {
        uint64_t at = firmware.script.placement == PLACE_HIGH ? start - i : (start + i) % choices;
        if (is_free(at, pages)) {
            return at;
        }
    }
    return FIRMWARE_PAGES;
}

static void give(uint64_t first, uint64_t pages, uint32_t type) {
    for (uint64_t i = first; i < first + pages; i++) {
        firmware.types[i] = type;
        firmware.ours[i] = true;
    }
    firmware.key++;
    if (first > 0) { // nothing promises that memory is zero
        memset((void *)(first * PAGE_SIZE), 0xdb, pages * PAGE_SIZE);
    }
}

static EFI_STATUS EFIAPI allocate_pages(EFI_ALLOCATE_TYPE how, EFI_MEMORY_TYPE type, UINTN pages,
                                        EFI_PHYSICAL_ADDRESS *address) {
    if (firmware_enter("AllocatePages", false)) {
        return firmware.script.fail_status;
    }
    assert_true(type == EfiLoaderData || type == EfiUnusableMemory);
    firmware.allocations++;
    if (firmware.script.no_more_pages != 0 &&
        firmware.allocations >= firmware.script.no_more_pages) {
        return EFI_OUT_OF_RESOURCES;
    }
    uint64_t at = FIRMWARE_PAGES;
    if (how == AllocateAddress) {
        assert_int_equal(*address % PAGE_SIZE, 0);
        at = is_free(*address / PAGE_SIZE, pages) ? *address / PAGE_SIZE : FIRMWARE_PAGES;
    } else if (firmware.script.page_0 && pages == 1 && is_free(0, 1)) {
        at = 0;
    } else {
        at = place(pages, how == AllocateAnyPages ? FIRMWARE_PAGES : (*address + 1) / PAGE_SIZE);
    }
    if (at == FIRMWARE_PAGES) {
        return EFI_OUT_OF_RESOURCES;
    }
    give(at, pages, type);
    *address = at * PAGE_SIZE;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI free_pages(EFI_PHYSICAL_ADDRESS address, UINTN pages) {
    firmware_enter("FreePages", false); // it has no way to fail that a caller could answer
    assert_true(pages > 0 && address % PAGE_SIZE == 0);
    for (uint64_t i = address / PAGE_SIZE; i < address / PAGE_SIZE + pages; i++) {
        assert_true(i < FIRMWARE_PAGES && firmware.ours[i]);
        firmware.types[i] = EfiConventionalMemory;
        firmware.ours[i] = false;
    }
    firmware.key++;
    return EFI_SUCCESS;
}

static UINTN write_descriptor(uint8_t *out, UINTN size, UINTN capacity, UINTN stride,
                              struct efi_descriptor descriptor) {
    if (out != NULL && size + stride <= capacity) {
        memset(out + size, 0xcc, stride);
        memcpy(out + size, &descriptor, sizeof(descriptor));
    }
    return size + stride;
}

// The map, as runs of pages of one type. With map_changes a page of the firmware's own changes its
// use from call to call, so the number of descriptors changes too.
static UINTN write_map(uint8_t *out, UINTN capacity, UINTN stride) {
    UINTN size = 0;
    for (uint64_t i = 0; i < FIRMWARE_PAGES;) {
        uint64_t first = i;
        uint32_t type = firmware.types[i];
        while (i < FIRMWARE_PAGES && firmware.types[i] == type) {
            i++;
        }
        if (type == FIRMWARE_NOTHING) {
            continue;
        }
        size = write_descriptor(out, size, capacity, stride,
                                (struct efi_descriptor){.type = type,
                                                        .physical_start = first * PAGE_SIZE,
                                                        .pages = i - first,
                                                        .attributes = 0xf});
    }
    if (firmware.script.far_memory != 0) {
        size =
            write_descriptor(out, size, capacity, stride,
                             (struct efi_descriptor){.type = EFI_CONVENTIONAL,
                                                     .physical_start = firmware.script.far_memory,
                                                     .pages = GIB / PAGE_SIZE,
                                                     .attributes = 0xf});
    }
    return size;
}

static void change_map(void) {
    for (unsigned i = 0; i < 4; i++) {
        uint64_t page =
            FIRMWARE_RAM_FIRST + firmware_random() % (FIRMWARE_PAGES - FIRMWARE_RAM_FIRST);
        if (!firmware.ours[page] && firmware.types[page] == EfiConventionalMemory) {
            firmware.types[page] = EfiBootServicesData;
        } else if (!firmware.ours[page] && firmware.types[page] == EfiBootServicesData) {
            firmware.types[page] = EfiConventionalMemory;
        }
    }
    firmware.key++;
}

static EFI_STATUS EFIAPI get_memory_map(UINTN *size, EFI_MEMORY_DESCRIPTOR *map, UINTN *key,
                                        UINTN *stride, UINT32 *version) {
    if (firmware_enter("GetMemoryMap", true)) {
        return firmware.script.fail_status;
    }
    if (firmware.script.map_changes) {
        change_map();
    }
    *stride = firmware.script.stride == 0 ? 48 : firmware.script.stride;
    *version = 1;
    *key = firmware.key;
    if (firmware.script.empty_map) {
        *size = 0;
        return EFI_SUCCESS;
    }
    UINTN wanted = write_map((uint8_t *)map, map == NULL ? 0 : *size, *stride);
    if (firmware.script.too_small > 0) {
        firmware.script.too_small--;
        wanted = *size + 10 * *stride;
    }
    if (firmware.script.map_wants != 0) {
        wanted = firmware.script.map_wants;
    }
    if (firmware.exit_tried && firmware.script.grows_at_exit) {
        wanted = *size + *stride;
    }
    if (wanted > *size) {
        *size = wanted;
        return EFI_BUFFER_TOO_SMALL;
    }
    assert_non_null(map);
    *size = wanted;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI exit_services(EFI_HANDLE image, UINTN key) {
    bool injected = firmware_enter("ExitBootServices", true);
    assert_ptr_equal(image, &handle_image);
    assert_int_equal(firmware.handles, 0);
    firmware.exit_tried = true;
    firmware.exits++;
    if (injected) {
        return firmware.script.fail_status;
    }
    if (firmware.script.stale > 0) {
        firmware.script.stale--;
        firmware.key++;
        return EFI_INVALID_PARAMETER;
    }
    if (key != firmware.key) {
        return EFI_INVALID_PARAMETER;
    }
    firmware.exited = true;
    return EFI_SUCCESS;
}

// The firmware's signature: NOLINTNEXTLINE(readability-non-const-parameter)
static EFI_STATUS EFIAPI stall(UINTN microseconds) {
    if (firmware_enter("Stall", false)) {
        return firmware.script.fail_status;
    }
    firmware.stalled += microseconds;
    return EFI_SUCCESS;
}

// The firmware's signature: NOLINTNEXTLINE(readability-non-const-parameter)
static EFI_STATUS EFIAPI set_watchdog(UINTN timeout, UINT64 code, UINTN size, CHAR16 *data) {
    if (firmware_enter("SetWatchdogTimer", false)) {
        return firmware.script.fail_status;
    }
    assert_true(timeout == 0 && code == 0 && size == 0 && data == NULL);
    assert_true(firmware.calls == 1); // before anything that takes time
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI free_pool(void *memory) {
    firmware_enter("FreePool", false);
    firmware.pools--;
    free(memory);
    return EFI_SUCCESS;
}

// The console.

static EFI_STATUS EFIAPI output_string(SIMPLE_TEXT_OUTPUT_INTERFACE *self, CHAR16 *string) {
    (void)self;
    if (firmware_enter("OutputString", false)) {
        return firmware.script.fail_status;
    }
    firmware.console_length +=
        utf8_from_utf16(firmware.console + firmware.console_length,
                        sizeof(firmware.console) - firmware.console_length, string, 4096, false);
    firmware.key++; // it may take memory
    return EFI_SUCCESS;
}

static SIMPLE_TEXT_OUTPUT_INTERFACE console = {.OutputString = output_string};

// Protocols.

static EFI_STATUS EFIAPI get_random(EFI_RNG_PROTOCOL *self, EFI_RNG_ALGORITHM *algorithm,
                                    UINTN size, UINT8 *out) {
    (void)self;
    (void)algorithm;
    if (firmware_enter("GetRNG", false)) {
        return firmware.script.fail_status;
    }
    for (UINTN i = 0; i < size; i++) {
        out[i] = (UINT8)firmware_random();
    }
    return EFI_SUCCESS;
}

static EFI_RNG_PROTOCOL rng = {.GetRNG = get_random};
static EFI_GRAPHICS_OUTPUT_MODE_INFORMATION screen_info = {
    .HorizontalResolution = 1280, .VerticalResolution = 800, .PixelsPerScanLine = 1344};
static EFI_GRAPHICS_OUTPUT_PROTOCOL_MODE screen_mode = {.Info = &screen_info};
static EFI_GRAPHICS_OUTPUT_PROTOCOL screen = {.Mode = &screen_mode};

static EFI_STATUS EFIAPI handle_protocol(EFI_HANDLE handle, EFI_GUID *guid, void **out) {
    static const EFI_GUID loaded = LOADED_IMAGE_PROTOCOL, files = SIMPLE_FILE_SYSTEM_PROTOCOL;
    static const EFI_GUID graphics = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;
    static const EFI_GUID pci = EFI_PCI_IO_PROTOCOL_GUID;
    if (firmware_enter("HandleProtocol", false)) {
        return firmware.script.fail_status;
    }
    if (handle == &handle_image && guid_equal(guid, &loaded)) {
        *out = &firmware.loaded;
    } else if (handle == &handle_device && guid_equal(guid, &files) && !firmware.script.no_volume) {
        *out = &firmware_volume;
    } else if (handle == &handle_screen && guid_equal(guid, &graphics)) {
        *out = &screen;
    } else if (handle == &handle_screen && guid_equal(guid, &pci)) {
        *out = &handle_screen;
    } else {
        return EFI_UNSUPPORTED;
    }
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI locate_handle_buffer(EFI_LOCATE_SEARCH_TYPE how, EFI_GUID *guid, void *key,
                                              UINTN *count, EFI_HANDLE **out) {
    (void)how;
    (void)guid;
    (void)key;
    if (firmware_enter("LocateHandleBuffer", false)) {
        return firmware.script.fail_status;
    }
    if (!firmware.script.screen && !firmware.script.blt_only) {
        return EFI_NOT_FOUND;
    }
    *out = malloc(2 * sizeof(EFI_HANDLE));
    (*out)[0] = &handle_system; // a handle without the protocol
    (*out)[1] = &handle_screen;
    *count = 2;
    firmware.pools++;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI locate_protocol(EFI_GUID *guid, void *registration, void **out) {
    (void)guid;
    (void)registration;
    if (firmware_enter("LocateProtocol", false)) {
        return firmware.script.fail_status;
    }
    *out = &rng;
    return firmware.script.rng ? EFI_SUCCESS : EFI_NOT_FOUND;
}

// The firmware's signatures: NOLINTBEGIN(readability-non-const-parameter)
static EFI_STATUS EFIAPI get_variable(CHAR16 *name, EFI_GUID *guid, UINT32 *attributes, UINTN *size,
                                      void *data) {
    char text[32];
    (void)guid;
    (void)attributes;
    if (firmware_enter("GetVariable", true)) {
        return firmware.script.fail_status;
    }
    utf8_from_utf16(text, sizeof(text), name, 32, false);
    if (strcmp(text, "SecureBoot") == 0 && firmware.script.secure_boot) {
        *(uint8_t *)data = 1;
        *size = 1;
        return EFI_SUCCESS;
    }
    // A screen; and, unless the script says no, a serial port.
    if (strcmp(text, "ConOut") == 0 && !firmware.script.no_console_variable) {
        static const uint8_t screen_path[] = {2, 3, 8, 0, 0, 1, 1, 0x80, 0x7f, 1, 4, 0};
        static const uint8_t serial_path[] = {3, 14, 19, 0, [19] = 0x7f, 0xff, 4, 0};
        memcpy(data, screen_path, sizeof(screen_path));
        memcpy((uint8_t *)data + sizeof(screen_path), serial_path, sizeof(serial_path));
        *size = sizeof(screen_path) + sizeof(serial_path);
        if (firmware.script.console_not_serial) {
            ((uint8_t *)data)[sizeof(screen_path)] = 1;
        }
        return EFI_SUCCESS;
    }
    return EFI_NOT_FOUND;
}

// NOLINTEND(readability-non-const-parameter)

// Setting up.

static void reset_memory(void) {
    static bool mapped = false;
    if (!mapped) {
        map_memory(FIRMWARE_LOW_FIRST, FIRMWARE_LOW_END);
        map_memory(FIRMWARE_RAM_FIRST, FIRMWARE_PAGES);
        mapped = true;
    }
    for (uint64_t i = 0; i < FIRMWARE_PAGES; i++) {
        bool there =
            i == 0 || (i >= FIRMWARE_LOW_FIRST && i < FIRMWARE_LOW_END) || i >= FIRMWARE_RAM_FIRST;
        firmware.types[i] = there ? EfiConventionalMemory : FIRMWARE_NOTHING;
    }
    firmware.types[0] = EfiBootServicesData;
    for (uint64_t i = FIRMWARE_PAGES - 64; i < FIRMWARE_PAGES; i++) {
        firmware.types[i] = i % 4 == 0   ? EfiACPIReclaimMemory
                            : i % 4 == 1 ? EfiACPIMemoryNVS
                                         : EfiRuntimeServicesData;
    }
}

void firmware_load_options(const char *text) {
    size_t units = utf16_from_utf8(load_options, 1024, text);
    firmware.loaded.LoadOptions = load_options;
    firmware.loaded.LoadOptionsSize = (UINT32)(2 * units + 2);
}

void firmware_reset(void) {
    static const EFI_GUID acpi = ACPI_20_TABLE_GUID, smbios = SMBIOS_TABLE_GUID;
    static CHAR16 vendor[] = L"Fake firmware \u00e4";
    static struct {
        uint8_t node[4];
        CHAR16 name[13];
        uint8_t end[4];
    } path = {{4, 4, 30, 0}, L"\\BOOTX64.EFI", {0x7f, 0xff, 4, 0}};
    for (size_t i = 0; i < firmware.file_count; i++) {
        free(firmware.files[i].bytes);
    }
    memset(&firmware, 0, sizeof(firmware));
    firmware.script.fail_status = EFI_DEVICE_ERROR;
    firmware.qemu_exit = -1;
    firmware.features = (struct machine_features){4, 40, true, false, true};
    reset_memory();
    boot_services = (EFI_BOOT_SERVICES){
        .AllocatePages = allocate_pages,
        .FreePages = free_pages,
        .GetMemoryMap = get_memory_map,
        .FreePool = free_pool,
        .HandleProtocol = handle_protocol,
        .ExitBootServices = exit_services,
        .SetWatchdogTimer = set_watchdog,
        .Stall = stall,
        .LocateHandleBuffer = locate_handle_buffer,
        .LocateProtocol = locate_protocol,
    };
    runtime_services = (EFI_RUNTIME_SERVICES){.GetVariable = get_variable};
    firmware.loaded =
        (EFI_LOADED_IMAGE){.DeviceHandle = &handle_device, .FilePath = (EFI_DEVICE_PATH *)&path};
    firmware.tables[0] = (EFI_CONFIGURATION_TABLE){acpi, (void *)0x3fc0000};
    firmware.tables[1] = (EFI_CONFIGURATION_TABLE){smbios, (void *)0x3fc1000};
    firmware.system = (EFI_SYSTEM_TABLE){
        .Hdr = {.Revision = 2 << 16 | 70},
        .FirmwareVendor = vendor,
        .FirmwareRevision = 0x10203,
        .ConOut = &console,
        .RuntimeServices = &runtime_services,
        .BootServices = &boot_services,
        .NumberOfTableEntries = 2,
        .ConfigurationTable = firmware.tables,
    };
}

static void apply_script(void) {
    if (firmware.script.page_0) {
        firmware.types[0] = EfiConventionalMemory;
    }
    if (firmware.script.no_console) {
        firmware.system.ConOut = NULL;
    }
    if (firmware.script.no_load_path) {
        firmware.loaded.FilePath = NULL;
    }
    screen_info.PixelFormat =
        firmware.script.blt_only ? PixelBltOnly : PixelBlueGreenRedReserved8BitPerColor;
    screen_mode.FrameBufferBase =
        firmware.script.screen_base == 0 ? 0x80000000 : firmware.script.screen_base;
    screen_mode.FrameBufferSize = (UINTN)1344 * 800 * 4;
}

enum firmware_outcome firmware_run(void) {
    apply_script();
    int outcome = setjmp(firmware.out);
    if (outcome == 0) {
        firmware.status = efi_main(&handle_image, &firmware.system);
        return OUTCOME_RETURNED;
    }
    return (enum firmware_outcome)outcome;
}

uint64_t firmware_pages_out(void) {
    uint64_t count = 0;
    for (uint64_t i = 0; i < FIRMWARE_PAGES; i++) {
        count += firmware.ours[i];
    }
    return count;
}
