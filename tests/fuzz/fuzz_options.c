// SPDX-License-Identifier: MIT
// Any bytes as an options file or as LoadOptions (the first byte chooses): decoded and parsed
// without a read outside them; what was taken makes sense, what was not is reported as text.
#include <stdlib.h>
#include <string.h>

#include <options/encoding.h>
#include <options/options.h>

#define TEXT_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void report(void *context, const char *sentence) {
    size_t *count = context;
    *count += 1;
    for (; *sentence != '\0'; sentence++) {
        if ((unsigned char)*sentence < 0x20) {
            abort();
        }
    }
}

static bool is_reserve(uint64_t bytes, uint64_t most) {
    return bytes == BOOT_RESERVE_DEFAULT || (bytes <= most && bytes % PAGE_SIZE == 0);
}

static void check(const struct options *options) {
    const struct boot_options *boot = &options->boot;
    if (boot->kaslr > 1 || boot->acpi_keep > 1 || boot->record > 1 || boot->special_use > 1 ||
        boot->log_level > BOOT_LOG_DEBUG || boot->exit_on_panic > 1 ||
        boot->badram_count > BOOT_BADRAM_MAX) {
        abort();
    }
    for (uint32_t i = 0; i < boot->badram_count; i++) {
        uint64_t begin = boot->badram[i].begin.value, end = boot->badram[i].end.value;
        if (begin >= end || (begin | end) % PAGE_SIZE != 0) {
            abort();
        }
    }
    if (!is_reserve(boot->reserve_below_16m, 16 * MIB) ||
        !is_reserve(boot->reserve_below_4g, 4 * GIB) || !is_reserve(boot->reserve_atomic, GIB)) {
        abort();
    }
    if (options->pattern_count > BOOT_BADRAM_MAX) {
        abort();
    }
    for (uint32_t i = 0; i < options->pattern_count; i++) {
        const struct badram_pattern *pattern = &options->patterns[i];
        if (pattern->mask % PAGE_SIZE != 0 || (pattern->address & ~pattern->mask) != 0) {
            abort();
        }
    }
    if (strlen(boot->run) >= sizeof(boot->run) || strlen(boot->text) >= sizeof(boot->text) ||
        strlen(options->kernel) >= sizeof(options->kernel)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct options options;
    char text[TEXT_MAX];
    size_t reports = 0, length;
    if (size == 0) {
        return 0;
    }
    options_init(&options);
    bool file = data[0] % 2 == 0;
    if (file) {
        length = optiontext_from_file(text, sizeof(text), data + 1, size - 1);
    } else {
        optiontext_from_load_options(text, sizeof(text), data + 1, size - 1, "BOOTX64.EFI");
        length = strlen(text);
    }
    size_t wrong = options_parse(&options, file ? OPTIONS_FILE : OPTIONS_LOADED, "fuzz", text,
                                 length, report, &reports);
    if (length >= sizeof(text) || reports > wrong + 1 || (wrong > 0 && reports == 0)) {
        abort();
    }
    check(&options);
    return 0;
}
