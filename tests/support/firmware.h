// SPDX-License-Identifier: MIT
// A firmware and a machine for the loader's tests: memory that is really there (mapped at its
// physical addresses), files, tables, a console that remembers; and every way of being unhelpful
// that a script can ask for. It is strict: what the loader may not do ends the test.
//
//    physical   0          page 0, then what nobody owns
//               0x20000    640 KiB of low memory up to 0x9f000
//               16 MiB     48 MiB of memory
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <loader.h>

#define FIRMWARE_PAGES     UINT64_C(0x4000)
#define FIRMWARE_LOW_FIRST UINT64_C(0x20)
#define FIRMWARE_LOW_END   UINT64_C(0x9f)
#define FIRMWARE_RAM_FIRST UINT64_C(0x1000)
#define FIRMWARE_FILES_MAX 8
#define FIRMWARE_TEXT_MAX  (256 * KIB)

enum firmware_placement { PLACE_HIGH, PLACE_LOW, PLACE_ANYWHERE };

struct firmware_file {
    char name[64];
    uint8_t *bytes;
    size_t size;
    bool folder;
    uint64_t claimed_size; // if not 0: what GetInfo says
    EFI_STATUS status;     // of Open
};

// What is going to happen. All zero is a helpful firmware.
struct firmware_script {
    unsigned fail_nth;      // this call of a service fails; 0 for none
    EFI_STATUS fail_status; // with this
    unsigned no_more_pages; // AllocatePages fails from this call of it on; 0 for never
    unsigned too_small;     // so many GetMemoryMap calls find the buffer too small
    unsigned stale;         // so many ExitBootServices calls are refused
    bool map_changes;       // every GetMemoryMap finds another map
    bool empty_map;         // GetMemoryMap succeeds with nothing
    uint64_t map_wants;     // GetMemoryMap always wants so many bytes
    uint64_t far_memory;    // one more GiB of memory at this address, which is not there
    bool grows_at_exit;     // a refused exit leaves a map that no buffer holds
    bool page_0;            // page 0 is the first that is given out
    bool no_volume, no_console, no_load_path, read_only, short_reads;
    bool secure_boot, rng, screen, blt_only;
    uint64_t stride;      // 0: 48
    uint64_t screen_base; // 0: 2 GiB
    uint64_t volume_room; // bytes that files may have in all; 0: any number
    enum firmware_placement placement;
    uint64_t seed;
    bool console_not_serial;  // the ConOut variable names no serial port
    bool no_console_variable; // there is no ConOut variable
};

enum firmware_outcome { OUTCOME_RETURNED, OUTCOME_JUMPED, OUTCOME_STOPPED };

struct firmware {
    struct firmware_script script;
    uint32_t types[FIRMWARE_PAGES]; // of each page; FIRMWARE_NOTHING for none
    bool ours[FIRMWARE_PAGES];      // given to the loader
    unsigned calls;                 // of services, so far
    uint64_t stalled;               // microseconds that the loader waited
    unsigned allocations;
    const char *failed_call; // the name of the service that fail_nth hit
    unsigned pools, handles; // not given back
    UINTN key;
    bool exited, exit_tried;
    unsigned exits;

    struct firmware_file files[FIRMWARE_FILES_MAX];
    size_t file_count;
    char console[FIRMWARE_TEXT_MAX], serial[4096];
    size_t console_length, serial_length;
    bool serial_absent, serial_stuck;
    uint8_t serial_scratch;
    int qemu_exit; // -1, or what was written to port 0xf4

    struct machine_features features;
    uint64_t ticks;
    EFI_LOADED_IMAGE loaded;
    EFI_CONFIGURATION_TABLE tables[8];
    EFI_SYSTEM_TABLE system;

    struct machine_jump jump; // OUTCOME_JUMPED
    EFI_STATUS status;        // OUTCOME_RETURNED
    jmp_buf out;
};

#define FIRMWARE_NOTHING UINT32_MAX

extern struct firmware firmware;

// A helpful firmware, its memory free.
void firmware_reset(void);

// Files on the volume. `bytes` is copied.
struct firmware_file *firmware_add_file(const char *name, const void *bytes, size_t size);
const struct firmware_file *firmware_find_file(const char *name);

// LoadOptions, from UTF-8.
void firmware_load_options(const char *text);

// Starts the loader; says how it ended.
enum firmware_outcome firmware_run(void);

// How many pages are in the loader's hands.
uint64_t firmware_pages_out(void);

// Counts a call of a service; true when the script has it fail. After a refused exit only the calls
// that say so are allowed, after a successful one none: else the test fails.
bool firmware_enter(const char *name, bool allowed_at_exit);

// A number from the script's seed.
uint64_t firmware_random(void);

// The volume that the loader is started from.
extern EFI_FILE_IO_INTERFACE firmware_volume;

// The embedded kernel.
extern uint8_t kernel_blob[];
extern uint64_t kernel_blob_bytes;
#define OPTIONS_EMBEDDED_MAX 256
extern char options_embedded[];
extern uint64_t options_embedded_bytes;
#define KERNEL_BLOB_MAX 4096
