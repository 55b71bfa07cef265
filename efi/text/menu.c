// SPDX-License-Identifier: MIT
// A menu before the exit, with the firmware's own keyboard: for machines whose keyboard only the
// firmware can read, and for trying an option once.
//
// Nobody is waited for unless menu=SECONDS asks for it: it appears when a key has been pressed
// already. Left alone for a minute it boots, so that a key that came from nowhere stops no machine.
#include "console.h"
#include <firmware/memory.h>
#include <string.h>

#define STEP_MICROSECONDS 50000
#define STEPS_PER_SECOND  20
#define IDLE_SECONDS      60
#define LINE_MAX          200

static void put(struct loader *loader, const char *line) {
    CHAR16 wide[LINE_MAX];
    size_t length = 0;
    for (; line[length] != '\0' && length + 1 < LINE_MAX; length++) {
        wide[length] = (unsigned char)line[length];
    }
    wide[length] = 0;
    loader->system->ConOut->OutputString(loader->system->ConOut, wide);
}

// Waits for a key, 0 seconds not at all. False when none came.
static bool wait_key(struct loader *loader, unsigned seconds, EFI_INPUT_KEY *key) {
    SIMPLE_INPUT_INTERFACE *in = loader->system->ConIn;
    for (unsigned steps = seconds * STEPS_PER_SECOND;; steps--) {
        if (!EFI_ERROR(in->ReadKeyStroke(in, key))) {
            return true;
        }
        if (steps == 0) {
            return false;
        }
        loader->boot->Stall(STEP_MICROSECONDS);
    }
}

// One line, with backspace. False when it was left alone.
static bool read_line(struct loader *loader, char line[LINE_MAX]) {
    EFI_INPUT_KEY key;
    size_t length = 0;
    while (wait_key(loader, IDLE_SECONDS, &key)) {
        CHAR16 letter = key.UnicodeChar;
        if (letter == '\r' || letter == '\n') {
            line[length] = '\0';
            put(loader, "\r\n");
            return true;
        }
        if (letter == '\b' && length != 0) {
            length--;
            put(loader, "\b \b");
        } else if (letter >= ' ' && letter < 0x7f && length + 1 < LINE_MAX) {
            const char echo[2] = {(char)letter, '\0'};
            line[length++] = (char)letter;
            put(loader, echo);
        }
    }
    return false;
}

static void report(void *context, const char *sentence) {
    say(context, BOOT_LOG_WARNING, "%s", sentence);
}

static bool take_options(struct loader *loader) {
    char line[LINE_MAX];
    if (loader->info->secure_boot) {
        put(loader, "Secure Boot is on: options can be no other than what was signed.\r\n");
        return true;
    }
    for (size_t i = 0; options_help(i) != NULL; i++) {
        const struct option_help *help = options_help(i);
        format(line, sizeof(line), "  %s=%s: %s\r\n", help->name, help->values, help->help);
        put(loader, line);
    }
    put(loader, "in effect: ");
    put(loader, loader->options.boot.text[0] != '\0' ? loader->options.boot.text : "defaults");
    put(loader, "\r\nmore, for this boot: ");
    if (!read_line(loader, line)) {
        return false;
    }
    if (options_parse(&loader->options, OPTIONS_LOADED, "menu", line, strlen(line), report,
                      loader) == 0) {
        put(loader, "taken\r\n");
    }
    return true;
}

static void save(struct loader *loader) {
    uint32_t record = loader->options.boot.record;
    loader->options.boot.record = 1;
    if (loader->volume == NULL) {
        put(loader, "there is no volume to write to\r\n");
    } else if (!EFI_ERROR(record_write(loader))) {
        put(loader,
            "\\strata\\map.txt has the memory map, the findings and what was said, unless the "
            "line above says otherwise\r\n");
    }
    loader->options.boot.record = record;
}

static EFI_STATUS choose(struct loader *loader) {
    EFI_INPUT_KEY key;
    for (;;) {
        put(loader, "\r\n  1  boot\r\n  2  options\r\n  3  save the report to the volume\r\n"
                    "  4  back to the firmware\r\nchoose: ");
        if (!wait_key(loader, IDLE_SECONDS, &key)) {
            put(loader, "nobody is here: booting\r\n");
            return EFI_SUCCESS;
        }
        put(loader, "\r\n");
        switch (key.UnicodeChar) {
        case '1':
        case '\r':
            return EFI_SUCCESS;
        case '2':
            if (!take_options(loader)) {
                return EFI_SUCCESS;
            }
            break;
        case '3':
            save(loader);
            break;
        case '4':
            return EFI_ABORTED;
        default:
            put(loader, "that is none of 1 to 4\r\n");
        }
    }
}

EFI_STATUS menu_show(struct loader *loader) {
    EFI_INPUT_KEY key;
    char line[LINE_MAX];
    unsigned seconds = loader->options.menu_seconds;
    if (loader->system->ConIn == NULL || loader->system->ConOut == NULL) {
        return EFI_SUCCESS;
    }
    if (seconds != 0) {
        format(line, sizeof(line), "strata: press a key for the menu (%u s)\r\n", seconds);
        put(loader, line);
    }
    return wait_key(loader, seconds, &key) ? choose(loader) : EFI_SUCCESS;
}
