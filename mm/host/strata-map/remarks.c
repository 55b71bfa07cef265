// SPDX-License-Identifier: MIT
// What a report says beside its map: see remarks.h.
#include "remarks.h"

#include "cursor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void append(struct remarks *remarks, const char *bytes, size_t count) {
    if (remarks->capacity - remarks->length < count + 2) {
        size_t capacity = 2 * remarks->capacity + count + 256;
        char *grown = realloc(remarks->findings, capacity);
        if (grown == NULL) {
            fprintf(stderr, "strata-map: no memory for %zu bytes of findings\n", capacity);
            exit(2);
        }
        remarks->findings = grown;
        remarks->capacity = capacity;
    }
    memcpy(remarks->findings + remarks->length, bytes, count);
    remarks->length += count;
    remarks->findings[remarks->length++] = '\n';
    remarks->findings[remarks->length] = '\0';
}

void remarks_forget_findings(struct remarks *remarks) {
    free(remarks->findings);
    remarks->findings = NULL;
    remarks->length = remarks->capacity = 0;
    remarks->inside = false;
}

// "descriptors: N of" or "firmware map: N descriptors of"
static bool take_announcement(struct cursor line, size_t *count) {
    uint64_t number;
    bool file = take_optional(&line, "descriptors: ");
    if (!file && !take_optional(&line, "firmware map: ")) {
        return false;
    }
    bool taken = take_decimal(&line, "", SIZE_MAX, &number) &&
                 take_optional(&line, file ? " of " : " descriptors of ");
    *count = taken ? (size_t)number : *count;
    return taken;
}

static bool begins_findings(struct cursor line) {
    uint64_t ignored;
    return take_optional(&line, "findings: ") && take_decimal(&line, "", UINT64_MAX, &ignored);
}

static bool is_finding(struct cursor line) {
    return take_optional(&line, "  ") &&
           (looking_at(&line, "note: ") || looking_at(&line, "warning: ") ||
            looking_at(&line, "error: "));
}

void remarks_line(struct remarks *remarks, const char *begin, const char *end) {
    if (end > begin && end[-1] == '\r') {
        end--;
    }
    struct cursor line = cursor_on(begin, end);
    if (take_optional(&line, "#")) {
        take_optional(&line, " ");
    }
    if (take_announcement(line, &remarks->announced)) {
        return;
    }
    if (begins_findings(line)) {
        remarks_forget_findings(remarks);
        remarks->inside = true;
    } else if (looking_at(&line, "found on the machine itself:")) { // this tool's own text
        remarks->inside = true;
    } else if (remarks->inside && is_finding(line)) {
        append(remarks, line.at + 2, (size_t)(line.end - line.at) - 2);
    } else {
        remarks->inside = false;
    }
}
