// SPDX-License-Identifier: MIT
// Step 1: the options. The file first, then what the firmware or a shell passed, which counts more.
#include "encoding.h"
#include <firmware/file.h>
#include <firmware/memory.h>
#include <string.h>
#include <text/console.h>

#define OPTIONS_PATH "\\strata.conf"
#define FILE_MAX     (64 * KIB)
#define TEXT_MAX     (FILE_MAX * 3 / 2 + 1) // a UTF-16 code unit becomes at most 3 bytes

static void report(void *context, const char *sentence) {
    say(context, BOOT_LOG_WARNING, "%s", sentence);
}

static void take_file(struct loader *loader, char *text, size_t *wrong) {
    void *bytes;
    size_t size;
    struct file_reason why;
    switch (file_read(loader, OPTIONS_PATH, FILE_MAX, &bytes, &size, &why)) {
    case FILE_ABSENT:
        say(loader, BOOT_LOG_DEBUG, "no %s: defaults", OPTIONS_PATH);
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

// U-Boot passes a command line for Linux when nobody has set bootargs.
static bool is_for_linux(const char *text) {
    bool ours = false;
    for (size_t i = 0; options_help(i) != NULL; i++) {
        ours |= has_option(text, options_help(i)->name);
    }
    return has_option(text, "root") && !ours;
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
    take_file(loader, text, &wrong);
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

// kernel= is refused where the file is read (kernel/load.c).
EFI_STATUS options_restrict(struct loader *loader) {
    char *run = loader->options.boot.run;
    if (loader->info->secure_boot && run[0] != '\0') {
        say(loader, BOOT_LOG_WARNING,
            "run=: Secure Boot is on, and nobody signed these commands: they are not run");
        memset(run, 0, sizeof(loader->options.boot.run));
    }
    return EFI_SUCCESS;
}
