// SPDX-License-Identifier: MIT
// The loader's voice. A line goes to the firmware's console, which on most machines without a
// screen is the serial line, and into the log that the kernel gets. Nothing here may be called once
// boot services have ended: firmware/exit.c has the serial line for that.
#include "console.h"

#include "utf.h"
#include <firmware/memory.h>
#include <machine/serial.h>
#include <string.h>

#define LOG_PAGES      4
#define LINE_BYTES     512
#define VARIABLE_BYTES 2048

#define UART_DEVICE_PATH 14 // UEFI 2.10, 10.3.4.14

// Whether a list of device paths, of any number of instances, leads to a serial port.
static bool leads_to_serial(const uint8_t *path, size_t size) {
    while (size >= 4) {
        size_t length = (size_t)(path[2] | path[3] << 8);
        if (path[0] == MESSAGING_DEVICE_PATH && path[1] == UART_DEVICE_PATH) {
            return true;
        }
        if (length < 4 || length > size) {
            break;
        }
        path += length;
        size -= length;
    }
    return false;
}

// The firmware's own list of its consoles (UEFI 2.10, 3.3). Where there is none, nothing is known,
// and an error said twice would be worse than the firmware's console alone.
static enum loader_console find_console(struct loader *loader) {
    static EFI_GUID guid = EFI_GLOBAL_VARIABLE;
    static uint8_t path[VARIABLE_BYTES];
    UINTN size = sizeof(path);
    EFI_STATUS status =
        loader->system->RuntimeServices->GetVariable((CHAR16 *)L"ConOut", &guid, NULL, &size, path);
    if (EFI_ERROR(status)) {
        return CONSOLE_UNKNOWN;
    }
    return leads_to_serial(path, size) ? CONSOLE_SERIAL : CONSOLE_ELSEWHERE;
}

EFI_STATUS console_begin(struct loader *loader) {
    uint64_t address;
    loader->log.console = loader->system->ConOut == NULL ? CONSOLE_ELSEWHERE : find_console(loader);
    EFI_STATUS status = memory_take(loader, BOOT_RANGE_LOG, LOG_PAGES, &address);
    if (!EFI_ERROR(status)) {
        loader->log.text = (char *)(uintptr_t)address;
        loader->log.capacity = LOG_PAGES * PAGE_SIZE;
    }
    return status;
}

static void keep(struct loader_log *log, const char *line, size_t length) {
    static const char last[] = "strata: the log is full";
    size_t room = log->capacity - log->length;
    if (log->full || room < sizeof(last)) {
        return; // full, or not there yet
    }
    if (room - sizeof(last) < length + 1) {
        log->full = true;
        line = last;
        length = sizeof(last) - 1;
    }
    memcpy(log->text + log->length, line, length);
    log->text[log->length + length] = '\n';
    log->length += length + 1;
}

static void show(struct loader *loader, const char *line) {
    SIMPLE_TEXT_OUTPUT_INTERFACE *out = loader->system->ConOut;
    if (out == NULL) {
        return;
    }
    CHAR16 wide[LINE_BYTES];
    utf16_from_utf8((uint16_t *)wide, LINE_BYTES, line);
    out->OutputString(out, wide);
    out->OutputString(out, (CHAR16 *)L"\r\n");
}

void say(struct loader *loader, enum boot_log_level level, const char *text, ...) {
    static const char *const prefixes[] = {"error: ", "warning: ", "", ""};
    char line[LINE_BYTES];
    size_t length = format(line, sizeof(line), "strata: %s", prefixes[level]);
    va_list arguments;
    va_start(arguments, text);
    length += format_list(line + length, sizeof(line) - length, text, arguments);
    va_end(arguments);
    keep(&loader->log, line, length);
    if ((uint32_t)level <= loader->options.boot.log_level) {
        show(loader, line);
    }
    if (level == BOOT_LOG_ERROR && loader->log.console == CONSOLE_ELSEWHERE) {
        serial_line(line);
    }
}

EFI_STATUS fail(struct loader *loader, EFI_STATUS status, const char *text, ...) {
    char what[LINE_BYTES];
    va_list arguments;
    va_start(arguments, text);
    format_list(what, sizeof(what), text, arguments);
    va_end(arguments);
    say(loader, BOOT_LOG_ERROR, "%s (%s, " U64 ")", what, status_name(status),
        (uint64_t)(status & ~EFI_ERROR_MASK));
    return status;
}

const char *status_name(EFI_STATUS status) {
    // UEFI 2.10, appendix D: error codes from 1 on.
    static const char *const names[] = {
        "Load Error",           "Invalid Parameter",  "Unsupported",
        "Bad Buffer Size",      "Buffer Too Small",   "Not Ready",
        "Device Error",         "Write Protected",    "Out of Resources",
        "Volume Corrupted",     "Volume Full",        "No Media",
        "Media Changed",        "Not Found",          "Access Denied",
        "No Response",          "No Mapping",         "Timeout",
        "Not Started",          "Already Started",    "Aborted",
        "ICMP Error",           "TFTP Error",         "Protocol Error",
        "Incompatible Version", "Security Violation", "CRC Error",
        "End of Media",
    };
    uint64_t code = status & ~EFI_ERROR_MASK;
    if (!EFI_ERROR(status)) {
        return status == EFI_SUCCESS ? "Success" : "warning";
    }
    if (code >= 1 && code <= sizeof(names) / sizeof(names[0])) {
        return names[code - 1];
    }
    return "unknown status";
}
