// SPDX-License-Identifier: MIT
// The fake firmware. See firmware.h.
#include "firmware.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../../efi/utf.h"

EFI_STATUS EFIAPI efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system);

struct firmware firmware;
uint8_t kernel_blob[KERNEL_BLOB_MAX];
uint64_t kernel_blob_bytes;

static int handle_image, handle_device, handle_screen, handle_system;
static EFI_BOOT_SERVICES boot_services;
static EFI_RUNTIME_SERVICES runtime_services;
static uint16_t load_options[1024];

// Counts a call; true when the script has it fail. After a refused exit only two calls are allowed,
// after a successful one none.
static bool enter(const char *name, bool allowed_at_exit) {
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

static uint64_t next_random(void) {
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
                                                              : next_random() % choices;
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
    if (enter("AllocatePages", false)) {
        return firmware.script.fail_status;
    }
    assert_true(type == EfiLoaderData || type == EfiUnusableMemory);
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
    enter("FreePages", false); // it has no way to fail that a caller could answer
    assert_true(pages > 0 && address % PAGE_SIZE == 0);
    for (uint64_t i = address / PAGE_SIZE; i < address / PAGE_SIZE + pages; i++) {
        assert_true(i < FIRMWARE_PAGES && firmware.ours[i]);
        firmware.types[i] = EfiConventionalMemory;
        firmware.ours[i] = false;
    }
    firmware.key++;
    return EFI_SUCCESS;
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
        if (size + stride <= capacity) {
            struct efi_descriptor descriptor = {.type = type,
                                                .physical_start = first * PAGE_SIZE,
                                                .pages = i - first,
                                                .attributes = 0xf};
            memset(out + size, 0xcc, stride);
            memcpy(out + size, &descriptor, sizeof(descriptor));
        }
        size += stride;
    }
    return size;
}

static void change_map(void) {
    for (unsigned i = 0; i < 4; i++) {
        uint64_t page = FIRMWARE_RAM_FIRST + next_random() % (FIRMWARE_PAGES - FIRMWARE_RAM_FIRST);
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
    firmware.memory_map_calls++;
    if (enter("GetMemoryMap", true)) {
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
    bool injected = enter("ExitBootServices", true);
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

static EFI_STATUS EFIAPI set_watchdog(UINTN timeout, UINT64 code, UINTN size, CHAR16 *data) {
    if (enter("SetWatchdogTimer", false)) {
        return firmware.script.fail_status;
    }
    assert_true(timeout == 0 && code == 0 && size == 0 && data == NULL);
    assert_true(firmware.calls == 1); // before anything that takes time
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI free_pool(void *memory) {
    enter("FreePool", false);
    firmware.pools--;
    free(memory);
    return EFI_SUCCESS;
}

// The console.

static EFI_STATUS EFIAPI output_string(SIMPLE_TEXT_OUTPUT_INTERFACE *self, CHAR16 *string) {
    (void)self;
    if (enter("OutputString", false)) {
        return firmware.script.fail_status;
    }
    firmware.console_length +=
        utf8_from_utf16(firmware.console + firmware.console_length,
                        sizeof(firmware.console) - firmware.console_length, string, 4096, false);
    firmware.key++; // it may take memory
    return EFI_SUCCESS;
}

static SIMPLE_TEXT_OUTPUT_INTERFACE console = {.OutputString = output_string};

// Files.

struct open_file {
    EFI_FILE_PROTOCOL protocol; // first
    struct firmware_file *file; // NULL for the root
    size_t at;
};

static EFI_STATUS EFIAPI file_open(EFI_FILE_HANDLE root, EFI_FILE_HANDLE *out, CHAR16 *name,
                                   UINT64 mode, UINT64 attributes);

static EFI_STATUS EFIAPI file_close(EFI_FILE_HANDLE self) {
    enter("Close", false);
    firmware.handles--;
    free(self);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI file_delete(EFI_FILE_HANDLE self) {
    struct open_file *open = (struct open_file *)self;
    enter("Delete", false);
    firmware.handles--;
    free(open->file->bytes);
    *open->file = firmware.files[--firmware.file_count];
    free(open);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI file_read(EFI_FILE_HANDLE self, UINTN *size, void *bytes) {
    struct open_file *open = (struct open_file *)self;
    if (enter("Read", false)) {
        return firmware.script.fail_status;
    }
    size_t left = open->file->size - open->at;
    *size = *size < left ? *size : left;
    if (firmware.script.short_reads && *size > 1) {
        *size = 1 + *size / 2;
    }
    memcpy(bytes, open->file->bytes + open->at, *size);
    open->at += *size;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI file_write(EFI_FILE_HANDLE self, UINTN *size, void *bytes) {
    struct firmware_file *file = ((struct open_file *)self)->file;
    if (enter("Write", false)) {
        return firmware.script.fail_status;
    }
    if (firmware.script.short_reads && *size > 1) {
        *size = 1 + *size / 2;
    }
    file->bytes = realloc(file->bytes, file->size + *size + 1);
    memcpy(file->bytes + file->size, bytes, *size);
    file->size += *size;
    file->bytes[file->size] = 0;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI file_flush(EFI_FILE_HANDLE self) {
    (void)self;
    return enter("Flush", false) ? firmware.script.fail_status : EFI_SUCCESS;
}

static EFI_STATUS EFIAPI file_get_info(EFI_FILE_HANDLE self, EFI_GUID *guid, UINTN *size,
                                       void *out) {
    static const EFI_GUID info_guid = EFI_FILE_INFO_ID;
    struct firmware_file *file = ((struct open_file *)self)->file;
    if (enter("GetInfo", false)) {
        return firmware.script.fail_status;
    }
    assert_memory_equal(guid, &info_guid, sizeof(info_guid));
    EFI_FILE_INFO info = {.Size = sizeof(EFI_FILE_INFO),
                          .FileSize = file->claimed_size ? file->claimed_size : file->size,
                          .Attribute = file->folder ? EFI_FILE_DIRECTORY : 0};
    assert_true(*size >= sizeof(info));
    memcpy(out, &info, sizeof(info));
    return EFI_SUCCESS;
}

static EFI_FILE_HANDLE new_handle(struct firmware_file *file) {
    struct open_file *open = calloc(1, sizeof(*open));
    open->protocol = (EFI_FILE_PROTOCOL){.Open = file_open,
                                         .Close = file_close,
                                         .Delete = file_delete,
                                         .Read = file_read,
                                         .Write = file_write,
                                         .Flush = file_flush,
                                         .GetInfo = file_get_info};
    open->file = file;
    firmware.handles++;
    return &open->protocol;
}

static EFI_STATUS EFIAPI file_open(EFI_FILE_HANDLE root, EFI_FILE_HANDLE *out, CHAR16 *name,
                                   UINT64 mode, UINT64 attributes) {
    char path[64];
    (void)root;
    if (enter("Open", false)) {
        return firmware.script.fail_status;
    }
    utf8_from_utf16(path, sizeof(path), name, 256, false);
    struct firmware_file *file = (struct firmware_file *)(uintptr_t)firmware_find_file(path);
    if (firmware.script.read_only && (mode & EFI_FILE_MODE_WRITE) != 0) {
        return EFI_WRITE_PROTECTED;
    }
    if (file == NULL && (mode & EFI_FILE_MODE_CREATE) != 0) {
        file = firmware_add_file(path, "", 0);
        file->folder = (attributes & EFI_FILE_DIRECTORY) != 0;
    }
    if (file == NULL) {
        return EFI_NOT_FOUND;
    }
    if (EFI_ERROR(file->status)) {
        return file->status;
    }
    *out = new_handle(file);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI open_volume(EFI_FILE_IO_INTERFACE *self, EFI_FILE_HANDLE *root) {
    (void)self;
    if (enter("OpenVolume", false)) {
        return firmware.script.fail_status;
    }
    *root = new_handle(NULL);
    return EFI_SUCCESS;
}

static EFI_FILE_IO_INTERFACE volume = {.OpenVolume = open_volume};

const struct firmware_file *firmware_find_file(const char *name) {
    for (size_t i = 0; i < firmware.file_count; i++) {
        if (strcmp(firmware.files[i].name, name) == 0) {
            return &firmware.files[i];
        }
    }
    return NULL;
}

struct firmware_file *firmware_add_file(const char *name, const void *bytes, size_t size) {
    struct firmware_file *file = &firmware.files[firmware.file_count++];
    assert_true(firmware.file_count <= FIRMWARE_FILES_MAX);
    *file = (struct firmware_file){.size = size, .bytes = malloc(size + 1)};
    snprintf(file->name, sizeof(file->name), "%s", name);
    memcpy(file->bytes, bytes, size);
    file->bytes[size] = 0;
    return file;
}

// Protocols.

static EFI_STATUS EFIAPI get_random(EFI_RNG_PROTOCOL *self, EFI_RNG_ALGORITHM *algorithm,
                                    UINTN size, UINT8 *out) {
    (void)self;
    (void)algorithm;
    if (enter("GetRNG", false)) {
        return firmware.script.fail_status;
    }
    for (UINTN i = 0; i < size; i++) {
        out[i] = (UINT8)next_random();
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
    if (enter("HandleProtocol", false)) {
        return firmware.script.fail_status;
    }
    if (handle == &handle_image && guid_equal(guid, &loaded)) {
        *out = &firmware.loaded;
    } else if (handle == &handle_device && guid_equal(guid, &files) && !firmware.script.no_volume) {
        *out = &volume;
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
    if (enter("LocateHandleBuffer", false)) {
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
    if (enter("LocateProtocol", false)) {
        return firmware.script.fail_status;
    }
    *out = &rng;
    return firmware.script.rng ? EFI_SUCCESS : EFI_NOT_FOUND;
}

static EFI_STATUS EFIAPI get_variable(CHAR16 *name, EFI_GUID *guid, UINT32 *attributes, UINTN *size,
                                      void *data) {
    char text[32];
    (void)guid;
    (void)attributes;
    if (enter("GetVariable", true)) {
        return firmware.script.fail_status;
    }
    utf8_from_utf16(text, sizeof(text), name, 32, false);
    bool secure = strcmp(text, "SecureBoot") == 0 && firmware.script.secure_boot;
    if (secure) {
        *(uint8_t *)data = 1;
        *size = 1;
        return EFI_SUCCESS;
    }
    return EFI_NOT_FOUND;
}

// The machine.

struct machine_features machine_features(void) {
    return firmware.features;
}

uint64_t machine_ticks(void) {
    return firmware.ticks += 1000;
}

bool machine_random(uint64_t *out) {
    *out = next_random();
    return firmware.features.random;
}

uint8_t machine_in(uint16_t port) {
    if (firmware.serial_absent) {
        return 0xff;
    }
    return port == 0x3ff ? firmware.serial_scratch : firmware.serial_stuck ? 0x00 : 0x60;
}

void machine_out(uint16_t port, uint8_t value) {
    if (port == 0x3f8 && firmware.serial_length + 1 < sizeof(firmware.serial)) {
        firmware.serial[firmware.serial_length++] = (char)value;
    } else if (port == 0x3ff) {
        firmware.serial_scratch = value;
    } else if (port == 0xf4) {
        firmware.qemu_exit = value;
    }
}

void machine_interrupts_off(void) {}

_Noreturn void machine_stop(void) {
    longjmp(firmware.out, OUTCOME_STOPPED);
}

void machine_jump_code(uint64_t *begin, uint64_t *end) {
    *begin = 0x30000123; // an address that nothing else has
    *end = 0x30000160;
}

_Noreturn void machine_jump(const struct machine_jump *jump) {
    firmware.jump = *jump;
    longjmp(firmware.out, OUTCOME_JUMPED);
}

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
    screen_mode.FrameBufferBase = 0x80000000;
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
