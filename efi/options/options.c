// SPDX-License-Identifier: MIT
// The boot options: the one table of their names, values and meanings.
#include "options.h"

#include "parse.h"
#include <string.h>
#include <text/format.h>

struct choice {
    const char *name;
    uint32_t value;
};

struct option {
    struct option_help help;
    const struct choice *choices; // for an option that chooses; its number is at `field`
    uint32_t most;                // for a number at `field`, how large it may be; else 0
    size_t field;                 // offset in struct options
    size_t capacity;              // for text at `field`; 0: `parse` does it all
    bool (*parse)(struct parser *parser, const struct word *word);
};

static const struct choice on_off[] = {{"off", 0}, {"on", 1}, {NULL, 0}};
static const struct choice acpi_choices[] = {{"reclaim", 0}, {"keep", 1}, {NULL, 0}};
static const struct choice special_choices[] = {{"keep", 0}, {"use", 1}, {NULL, 0}};
static const struct choice debug_choices[] = {{"off", 0},
                                              {"owner", BOOT_DEBUG_OWNER},
                                              {"slab", BOOT_DEBUG_SLAB},
                                              {"owner,slab", BOOT_DEBUG_OWNER | BOOT_DEBUG_SLAB},
                                              {NULL, 0}};
static const struct choice init_choices[] = {{"off", 0},
                                             {"alloc", BOOT_CLEAR_ALLOC},
                                             {"free", BOOT_CLEAR_FREE},
                                             {"alloc,free", BOOT_CLEAR_ALLOC | BOOT_CLEAR_FREE},
                                             {NULL, 0}};
static const struct choice exit_choices[] = {{"halt", 0}, {"qemu", 1}, {NULL, 0}};
static const struct choice runtime_choices[] = {{"identity", BOOT_RUNTIME_IDENTITY},
                                                {"virtual", BOOT_RUNTIME_VIRTUAL},
                                                {"off", BOOT_RUNTIME_OFF},
                                                {NULL, 0}};
static const struct choice log_choices[] = {{"error", BOOT_LOG_ERROR},
                                            {"warning", BOOT_LOG_WARNING},
                                            {"info", BOOT_LOG_INFO},
                                            {"debug", BOOT_LOG_DEBUG},
                                            {NULL, 0}};

#define FIELD(name) offsetof(struct options, name)

static const struct option table[] = {
    {.help = {"kaslr", "on|off", "random addresses for the kernel and the direct map (on)"},
     .choices = on_off,
     .field = FIELD(boot.kaslr)},
    {.help = {"acpi", "reclaim|keep", "what becomes of the memory of the ACPI tables (reclaim)"},
     .choices = acpi_choices,
     .field = FIELD(boot.acpi_keep)},
    {.help = {"record", "on|off", "write map and findings to \\strata\\map.txt (on)"},
     .choices = on_off,
     .field = FIELD(boot.record)},
    {.help = {"special", "keep|use", "what becomes of special-purpose memory (keep)"},
     .choices = special_choices,
     .field = FIELD(boot.special_use)},
    {.help = {"log", "error|warning|info|debug", "how much is said (info)"},
     .choices = log_choices,
     .field = FIELD(boot.log_level)},
    {.help = {"exit", "halt|qemu", "what a panic ends in: a stop, or the end of QEMU (halt)"},
     .choices = exit_choices,
     .field = FIELD(boot.exit_on_panic)},
    {.help = {"badram", "RANGES",
              "memory never to touch: size$start, begin-end, or address,mask pairs"},
     .parse = badram_apply},
    {.help = {"memtest", "0 to 1000", "passes of a test over all free memory at boot (0)"},
     .most = 1000,
     .field = FIELD(boot.memtest_passes)},
    {.help = {"debug", "off|owner|slab|owner,slab",
              "owner: keeps who allocated each page; slab: guards objects (off)"},
     .choices = debug_choices,
     .field = FIELD(boot.debug)},
    {.help = {"guard", "CLASS|CLASS:begin|off",
              "objects of one class get pages of their own, guarded; implies debug=slab (off)"},
     .parse = guard_apply},
    {.help = {"init", "off|alloc|free|alloc,free", "when objects are cleared (off)"},
     .choices = init_choices,
     .field = FIELD(boot.clear)},
    {.help = {"fail", "nth:N|every:N|random:N[:SEED]|off",
              "requests for memory that are made to fail (off)"},
     .parse = fail_apply},
    {.help = {"runtime", "identity|virtual|off",
              "how the firmware's runtime services are called (identity)"},
     .choices = runtime_choices,
     .field = FIELD(boot.runtime)},
    {.help = {"reserve", "below16m:SIZE,below4g:SIZE,atomic:SIZE",
              "memory that ordinary requests leave (a part of what is free)"},
     .parse = reserve_apply},
    {.help = {"serial", "auto|off|com1|com2|com3|com4|port:NUMBER|memory:ADDRESS",
              "the serial port to talk over: what ACPI names, else COM1 (auto)"},
     .parse = serial_apply},
    {.help = {"menu", "0 to 300", "seconds that a key for the menu is waited for (0)"},
     .most = 300,
     .field = FIELD(menu_seconds)},
    {.help = {"pages", "0 to 3600",
              "seconds for each page when the screen shows all of them to nobody (15)"},
     .most = 3600,
     .field = FIELD(boot.page_seconds)},
    {.help = {"kernel", "FILE", "a kernel on the boot volume instead of the embedded one"},
     .field = FIELD(kernel),
     .capacity = OPTIONS_KERNEL_MAX},
    {.help = {"replay", "FILE",
              "the map of another machine, laid over the memory that is free here"},
     .field = FIELD(replay),
     .capacity = OPTIONS_KERNEL_MAX},
    {.help = {"run", "\"COMMAND; COMMAND\"", "monitor commands to run before the prompt"},
     .field = FIELD(boot.run),
     .capacity = sizeof(((struct boot_options *)NULL)->run)},
};
#define TABLE_COUNT (sizeof(table) / sizeof(table[0]))

void options_init(struct options *options) {
    memset(options, 0, sizeof(*options));
    options->boot.kaslr = 1;
    options->boot.record = 1;
    options->boot.page_seconds = 15;
    options->boot.log_level = BOOT_LOG_INFO;
    options->boot.reserve_below_16m = BOOT_RESERVE_DEFAULT;
    options->boot.reserve_below_4g = BOOT_RESERVE_DEFAULT;
    options->boot.reserve_atomic = BOOT_RESERVE_DEFAULT;
}

const struct option_help *options_help(size_t index) {
    return index < TABLE_COUNT ? &table[index].help : NULL;
}

static bool is_name(const char *name, const char *text, size_t length) {
    return strlen(name) == length && memcmp(name, text, length) == 0;
}

// At most this many bytes of the input are quoted in a report.
static int shown(size_t length) {
    return length < 40 ? (int)length : 40;
}

static void unknown(struct parser *parser, const struct word *word) {
    char names[160];
    size_t length = 0;
    names[0] = '\0';
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        length += format(names + length, sizeof(names) - length, " %s", table[i].help.name);
    }
    parser_wrong(parser, word->name, "unknown option '%.*s'; known are%s", shown(word->name_length),
                 word->name, names);
}

static bool apply_choice(struct parser *parser, const struct option *option,
                         const struct word *word) {
    for (const struct choice *choice = option->choices; choice->name != NULL; choice++) {
        if (is_name(choice->name, word->value, word->value_length)) {
            memcpy((char *)parser->options + option->field, &choice->value, sizeof(uint32_t));
            return true;
        }
    }
    parser_wrong(parser, word->value, "%s='%.*s': expected %s", option->help.name,
                 shown(word->value_length), word->value, option->help.values);
    return false;
}

static bool apply_number(struct parser *parser, const struct option *option,
                         const struct word *word) {
    uint32_t number = 0;
    bool right = word->value_length != 0;
    for (size_t i = 0; right && i < word->value_length; i++) {
        unsigned digit = (unsigned)(unsigned char)word->value[i] - '0';
        right = digit < 10 && number <= option->most / 10;
        number = number * 10 + digit;
    }
    if (!right || number > option->most) {
        parser_wrong(parser, word->value, "%s='%.*s': expected a number from 0 to %u",
                     option->help.name, shown(word->value_length), word->value, option->most);
        return false;
    }
    memcpy((char *)parser->options + option->field, &number, sizeof(number));
    return true;
}

static bool apply_text(struct parser *parser, const struct option *option,
                       const struct word *word) {
    if (word->value_length >= option->capacity) {
        parser_wrong(parser, word->value, "%s= has %zu bytes: at most %zu are taken",
                     option->help.name, word->value_length, option->capacity - 1);
        return false;
    }
    if (memchr(word->value, '\0', word->value_length) != NULL) {
        parser_wrong(parser, word->value, "%s= holds a NUL byte", option->help.name);
        return false;
    }
    char *field = (char *)parser->options + option->field;
    memcpy(field, word->value, word->value_length);
    field[word->value_length] = '\0';
    return true;
}

// Keeps what was accepted, as it was written, for showing; what does not fit is left out.
static void keep_text(struct boot_options *options, const struct word *word) {
    bool quotes = word->value_length == 0 || word->value[-1] == '"';
    char one[sizeof(options->run) + 64];
    size_t length =
        format(one, sizeof(one), quotes ? "%.*s=\"%.*s\"" : "%.*s=%.*s", (int)word->name_length,
               word->name, (int)word->value_length, word->value);
    size_t used = strlen(options->text);
    if (used + length + 2 <= sizeof(options->text)) {
        format(options->text + used, sizeof(options->text) - used, used == 0 ? "%s" : " %s", one);
    }
}

void options_apply(struct parser *parser, const struct word *word) {
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        const struct option *option = &table[i];
        if (!is_name(option->help.name, word->name, word->name_length)) {
            continue;
        }
        bool right = option->choices != NULL ? apply_choice(parser, option, word)
                     : option->most != 0     ? apply_number(parser, option, word)
                     : option->capacity != 0 ? apply_text(parser, option, word)
                                             : option->parse(parser, word);
        if (right) {
            keep_text(&parser->options->boot, word);
        }
        return;
    }
    unknown(parser, word);
}
