// SPDX-License-Identifier: MIT
// Step 1: the options. The file first, or those that the loader carries when there is none; then
// what the firmware or a shell passed, which counts more.
//
// Under Secure Boot only what the loader's signature covers counts: the options that it carries. A
// file may lie there, byte for byte the same, or not at all.
#include "encoding.h"
#include <firmware/file.h>
#include <firmware/memory.h>
#include <string.h>
#include <text/console.h>

#define OPTIONS_PATH "\\strata.conf"
#define FILE_MAX     (64 * KIB)
#define TEXT_MAX     (FILE_MAX * 3 / 2 + 1) // a UTF-16 code unit becomes at most 3 bytes

// embedded.S
extern const char options_embedded[];
extern const uint64_t options_embedded_bytes;

static void report(void *context, const char *sentence) {
    say(context, BOOT_LOG_WARNING, "%s", sentence);
}

static void take_embedded(struct loader *loader, char *text, size_t *wrong) {
    size_t length = optiontext_from_file(text, TEXT_MAX, options_embedded, options_embedded_bytes);
    *wrong += options_parse(&loader->options, OPTIONS_FILE, "the loader's options", text, length,
                            report, loader);
}

// The line in which the file begins to differ from what was signed; 0 when it does not.
static unsigned differs_in_line(const char *bytes, size_t size) {
    unsigned line = 1;
    for (size_t i = 0; i < size && i < options_embedded_bytes; i++) {
        if (bytes[i] != options_embedded[i]) {
            return line;
        }
        line += bytes[i] == '\n';
    }
    return size == options_embedded_bytes ? 0 : line;
}

static EFI_STATUS take_signed(struct loader *loader, char *text, size_t *wrong) {
    void *bytes;
    size_t size;
    struct file_reason why;
    switch (file_read(loader, OPTIONS_PATH, FILE_MAX, &bytes, &size, &why)) {
    case FILE_ABSENT:
        break;
    case FILE_WRONG:
        return fail(loader, EFI_SECURITY_VIOLATION,
                    "%s %s: Secure Boot is on, so it has to be what was signed, or not there",
                    OPTIONS_PATH, why.text);
    case FILE_READ: {
        unsigned line = differs_in_line(bytes, size);
        memory_release(loader, bytes);
        if (line != 0) {
            return fail(loader, EFI_SECURITY_VIOLATION,
                        "%s:%u: Secure Boot is on, and from this line on the options are not those "
                        "that were signed: sign them (make sign OPTIONS=), or take the file away",
                        OPTIONS_PATH, line);
        }
        break;
    }
    }
    take_embedded(loader, text, wrong);
    return EFI_SUCCESS;
}

static void take_file(struct loader *loader, char *text, size_t *wrong) {
    void *bytes;
    size_t size;
    struct file_reason why;
    switch (file_read(loader, OPTIONS_PATH, FILE_MAX, &bytes, &size, &why)) {
    case FILE_ABSENT:
        say(loader, BOOT_LOG_DEBUG, "no %s: the loader's own options", OPTIONS_PATH);
        take_embedded(loader, text, wrong);
        return;
    case FILE_WRONG:
        say(loader, BOOT_LOG_WARNING, "%s %s (%s): ignored", OPTIONS_PATH, why.text,
            status_name(why.status));
        return;
    case FILE_READ:
        break;
    }
    size_t length = optiontext_from_file(text, TEXT_MAX, bytes, size);
    *wrong +=
        options_parse(&loader->options, OPTIONS_FILE, OPTIONS_PATH, text, length, report, loader);
    memory_release(loader, bytes);
}

// Whether `text` has a word that begins with `name` and an equals sign.
static bool has_option(const char *text, const char *name) {
    size_t length = strlen(name);
    for (const char *at = text; *at != '\0'; at++) {
        bool begins = at == text || at[-1] == ' ';
        if (begins && strlen(at) > length && memcmp(at, name, length) == 0 && at[length] == '=') {
            return true;
        }
    }
    return false;
}

// U-Boot passes a command line for Linux when nobody has set bootargs. An init= says nothing: Linux
// has one too.
static bool is_for_linux(const char *text) {
    bool ours = false;
    for (size_t i = 0; options_help(i) != NULL; i++) {
        const char *name = options_help(i)->name;
        ours |= has_option(text, name) && (strlen(name) != 4 || memcmp(name, "init", 4) != 0);
    }
    return has_option(text, "root") && !ours;
}

static bool is_blank(const char *text) {
    while (*text == ' ' || *text == '\t' || *text == '\r' || *text == '\n') {
        text++;
    }
    return *text == '\0';
}

static void take_load_options(struct loader *loader, char *text, size_t *wrong) {
    char program[64];
    size_t size = loader->loaded->LoadOptionsSize;
    if (size == 0 || loader->loaded->LoadOptions == NULL) {
        return;
    }
    if (size > FILE_MAX) {
        say(loader, BOOT_LOG_WARNING, "load options: %zu bytes: ignored", size);
        return;
    }
    file_program_name(loader, program, sizeof(program));
    const char *remark =
        optiontext_from_load_options(text, TEXT_MAX, loader->loaded->LoadOptions, size, program);
    if (remark != NULL) {
        say(loader, BOOT_LOG_WARNING, "load options: %s", remark);
    }
    if (is_for_linux(text)) {
        say(loader, BOOT_LOG_INFO, "load options: for Linux, not for us: ignored");
        return;
    }
    if (loader->info->secure_boot) {
        if (!is_blank(text)) {
            say(loader, BOOT_LOG_WARNING,
                "load options: Secure Boot is on, and nobody signed them: ignored");
        }
        return;
    }
    *wrong += options_parse(&loader->options, OPTIONS_LOADED, "load options", text, strlen(text),
                            report, loader);
}

EFI_STATUS options_read(struct loader *loader) {
    void *text;
    size_t wrong = 0;
    EFI_STATUS status = memory_scratch(loader, TEXT_MAX, &text);
    if (EFI_ERROR(status)) {
        return memory_short(loader, status, "the options", TEXT_MAX);
    }
    if (loader->info->secure_boot) {
        status = take_signed(loader, text, &wrong);
        if (EFI_ERROR(status)) {
            return status;
        }
    } else {
        take_file(loader, text, &wrong);
    }
    take_load_options(loader, text, &wrong);
    memory_release(loader, text);
    for (size_t i = 0; wrong > 0 && options_help(i) != NULL; i++) {
        const struct option_help *help = options_help(i);
        say(loader, BOOT_LOG_INFO, "  %s=%s: %s", help->name, help->values, help->help);
    }
    if (loader->options.boot.text[0] != '\0') {
        say(loader, BOOT_LOG_INFO, "options: %s", loader->options.boot.text);
    }
    return status;
}
