// SPDX-License-Identifier: MIT
// Findings that only the machine could make.
#include "further.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define LINE_BYTES 512 // longer ones are cut

// Whether the map's own findings have that line. Codes know no capitals.
static bool is_found(const struct memmap *map, const char *line, size_t length) {
    char mine[LINE_BYTES];
    for (size_t i = 0; i < map->finding_count; i++) {
        const struct finding *finding = &map->findings[i];
        struct text_buffer text;
        text_buffer_init(&text, mine, sizeof(mine));
        text_printf(&text.text, "%s: %s: ", finding_severity_name(finding->severity),
                    finding_rule_name(finding->rule));
        finding_print(&text.text, finding);
        if (text.length == length && strncasecmp(mine, line, length) == 0) {
            return true;
        }
    }
    return false;
}

// Copies the next line that is not found, without its end; false when there is none.
static bool next_line(const struct memmap *map, const char **lines, char line[LINE_BYTES]) {
    while (*lines != NULL && **lines != '\0') {
        const char *begin = *lines;
        size_t length = strcspn(begin, "\n");
        *lines = begin + length + (begin[length] == '\n');
        if (!is_found(map, begin, length)) {
            snprintf(line, LINE_BYTES, "%.*s", (int)length, begin);
            return true;
        }
    }
    return false;
}

void report_further(struct text *out, const struct memmap *map, const char *lines) {
    char line[LINE_BYTES];
    bool any = false;
    for (; next_line(map, &lines, line); any = true) {
        text_printf(out, "%s  %s\n", any ? "" : "found on the machine itself:\n", line);
    }
    text_puts(out, any ? "\n" : "");
}

// Cuts off what stands before ": "; "" when there is no such thing.
static const char *take_name(char **at) {
    char *end = strstr(*at, ": ");
    const char *name = *at;
    if (end == NULL) {
        return "";
    }
    *end = '\0';
    *at = end + 2;
    return name;
}

void record_further(struct text *out, const struct memmap *map, const char *lines) {
    char line[LINE_BYTES];
    while (next_line(map, &lines, line)) {
        char *at = line;
        const char *severity = take_name(&at), *rule = take_name(&at);
        text_puts(out, "{\"record\":\"finding\",\"kind\":");
        text_json_string(out, rule);
        text_puts(out, ",\"severity\":");
        text_json_string(out, severity);
        text_puts(out, ",\"text\":");
        text_json_string(out, at);
        text_puts(out, "}\n");
    }
}
