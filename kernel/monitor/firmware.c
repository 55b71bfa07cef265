// SPDX-License-Identifier: MIT
// Commands that ask the firmware: its clock and its variables. Nothing is changed there.
#include <firmware/runtime.h>
#include <monitor/monitor.h>
#include <state.h>
#include <string.h>

// What lies where in the mailbox. A name is 16-bit characters; half of the mailbox is for data.
#define MAIL_TIME       0
#define MAIL_GUID       32
#define MAIL_ATTRIBUTES 48
#define MAIL_SIZE       56
#define MAIL_NAME       64
#define MAIL_NAME_BYTES 2048
#define MAIL_DATA       (2 * PAGE_SIZE)
#define MAIL_DATA_BYTES ((RUNTIME_MAILBOX_PAGES - 2) * PAGE_SIZE)
#define VARIABLES_MAX   4096 // firmware that never comes to an end is stopped here

// UEFI 2.10, 8.3.
struct efi_time {
    uint16_t year;
    uint8_t month, day, hour, minute, second, padding;
    uint32_t nanosecond;
    int16_t zone; // minutes from UTC, 2047: local time
    uint8_t daylight, padding_2;
};
_Static_assert(sizeof(struct efi_time) == 16, "UEFI 2.10, 8.3");

static void say_status(struct text *out, const char *what, uint64_t status) {
    if (strata.runtime.state != RUNTIME_READY) {
        text_printf(out, "%s: runtime services are off: %s\n", what, strata.runtime.why_off);
        return;
    }
    const char *name = efi_status_name(status);
    text_printf(out, "%s: the firmware says: ", what);
    if (name != NULL) {
        text_printf(out, "%s\n", name);
    } else {
        text_printf(out, "status 0x%lx\n", status);
    }
}

static void time(struct text *out, size_t count, char **arguments) {
    (void)count, (void)arguments;
    uint64_t address;
    uint8_t *mail = runtime_mailbox(&strata, &address);
    if (mail == NULL) {
        say_status(out, "time", 0);
        return;
    }
    memset(mail, 0, sizeof(struct efi_time));
    const uint64_t call[5] = {address + MAIL_TIME, 0};
    uint64_t status = runtime_call(&strata, RUNTIME_GET_TIME, call);
    if (status != 0) {
        say_status(out, "time", status);
        return;
    }
    struct efi_time now;
    memcpy(&now, mail + MAIL_TIME, sizeof(now));
    text_printf(out, "%04u-%02u-%02u %02u:%02u:%02u", now.year, now.month, now.day, now.hour,
                now.minute, now.second);
    if (now.zone == 2047) {
        text_puts(out, ", local time\n");
    } else {
        text_printf(out, ", UTC%+d minutes\n", now.zone);
    }
}

static void print_guid(struct text *out, const uint8_t *bytes) {
    struct efi_guid guid;
    memcpy(&guid, bytes, sizeof(guid));
    text_printf(out, "%08x-%04x-%04x-%02x%02x-", guid.a, guid.b, guid.c, guid.d[0], guid.d[1]);
    for (unsigned i = 2; i < 8; i++) {
        text_printf(out, "%02x", guid.d[i]);
    }
}

static uint16_t character_at(const uint8_t *name, size_t index) {
    return (uint16_t)(name[2 * index] | name[2 * index + 1] << 8);
}

static void print_name(struct text *out, const uint8_t *name) {
    for (size_t i = 0; i < MAIL_NAME_BYTES / 2 && character_at(name, i) != 0; i++) {
        uint16_t character = character_at(name, i);
        text_printf(out, "%c", character >= ' ' && character < 127 ? (int)character : '?');
    }
}

static bool name_is(const uint8_t *name, const char *wanted) {
    size_t length = strlen(wanted);
    for (size_t i = 0; i < length; i++) {
        if (character_at(name, i) != (uint8_t)wanted[i]) {
            return false;
        }
    }
    return character_at(name, length) == 0;
}

// The next variable behind the one whose name is in the mailbox.
static uint64_t next_variable(uint8_t *mail, uint64_t address) {
    const uint64_t size = MAIL_NAME_BYTES;
    memcpy(mail + MAIL_SIZE, &size, sizeof(size));
    const uint64_t call[5] = {address + MAIL_SIZE, address + MAIL_NAME, address + MAIL_GUID};
    return runtime_call(&strata, RUNTIME_GET_NEXT_VARIABLE_NAME, call);
}

// The contents of the variable in the mailbox; `*bytes` is how many there are.
static uint64_t read_variable(uint8_t *mail, uint64_t address, uint64_t *bytes) {
    uint64_t size = MAIL_DATA_BYTES;
    memset(mail + MAIL_ATTRIBUTES, 0, sizeof(uint32_t));
    memcpy(mail + MAIL_SIZE, &size, sizeof(size));
    const uint64_t call[5] = {address + MAIL_NAME, address + MAIL_GUID, address + MAIL_ATTRIBUTES,
                              address + MAIL_SIZE, address + MAIL_DATA};
    uint64_t status = runtime_call(&strata, RUNTIME_GET_VARIABLE, call);
    memcpy(bytes, mail + MAIL_SIZE, sizeof(*bytes));
    return status;
}

static void print_attributes(struct text *out, uint32_t attributes) {
    text_printf(out, "%c%c%c", (attributes & 1) != 0 ? 'n' : '-', (attributes & 2) != 0 ? 'b' : '-',
                (attributes & 4) != 0 ? 'r' : '-');
}

static void print_bytes(struct text *out, const uint8_t *bytes, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        const char *separator = i % 16 != 0 ? " " : i == 0 ? "    " : "\n    ";
        text_printf(out, "%s%02x", separator, bytes[i]);
    }
    text_puts(out, count != 0 ? "\n" : "");
}

static void print_variable(struct text *out, uint8_t *mail, uint64_t address, bool contents) {
    uint64_t bytes;
    uint64_t status = read_variable(mail, address, &bytes);
    uint32_t attributes;
    memcpy(&attributes, mail + MAIL_ATTRIBUTES, sizeof(attributes));
    bool fits = status == 0 && bytes <= MAIL_DATA_BYTES;
    if (!fits && status != EFI_STATUS_BUFFER_TOO_SMALL) {
        bytes = 0;
    }
    text_puts(out, "  ");
    print_guid(out, mail + MAIL_GUID);
    text_puts(out, " ");
    print_attributes(out, attributes);
    text_printf(out, " %5lu bytes  ", bytes);
    print_name(out, mail + MAIL_NAME);
    text_puts(out, "\n");
    if (contents && fits) {
        print_bytes(out, mail + MAIL_DATA, bytes);
    } else if (status != 0 && status != EFI_STATUS_BUFFER_TOO_SMALL) {
        say_status(out, "    contents", status);
    }
}

static void efivars(struct text *out, size_t count, char **arguments) {
    uint64_t address, status = 0, found = 0;
    uint8_t *mail = runtime_mailbox(&strata, &address);
    if (mail == NULL) {
        say_status(out, "efivars", 0);
        return;
    }
    memset(mail, 0, MAIL_NAME + MAIL_NAME_BYTES);
    for (unsigned i = 0; i < VARIABLES_MAX; i++) {
        status = next_variable(mail, address);
        if (status != 0) {
            break;
        }
        if (count == 0 || name_is(mail + MAIL_NAME, arguments[0])) {
            found++;
            print_variable(out, mail, address, count == 1);
        }
    }
    if (status != EFI_STATUS_NOT_FOUND) {
        say_status(out, "efivars", status);
    } else if (count == 0 || found != 0) {
        text_printf(out, "%lu variables (n: kept without power, b: for boot, r: at run time)\n",
                    found);
    } else {
        text_printf(out, "no variable is called %s; efivars lists them\n", arguments[0]);
    }
}

static void runtime(struct text *out, size_t count, char **arguments) {
    if (count == 0) {
        runtime_report(out, &strata);
        return;
    }
    if (strcmp(arguments[0], "break") != 0) {
        text_puts(out, "runtime tells about the services; runtime break makes one of them fail\n");
        return;
    }
    const uint64_t nowhere[5] = {0x10, 0x10, 0x10, 0x10, 0x10};
    uint64_t status = runtime_call(&strata, RUNTIME_GET_VARIABLE, nowhere);
    say_status(out, "runtime break", status);
}

const struct monitor_command monitor_firmware_commands[] = {
    {"runtime", "[break]", "the firmware's runtime services; break makes one fail", 0, 1, runtime},
    {"time", "", "what time the firmware says it is", 0, 0, time},
    {"efivars", "[NAME]", "the firmware's variables, or the contents of one", 0, 1, efivars},
    {0},
};
