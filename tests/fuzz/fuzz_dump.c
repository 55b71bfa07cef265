// SPDX-License-Identifier: MIT
// Any bytes as a log with records: what is found is copied out as JSON objects, as many as were
// counted, and found again in the copy; in the page nothing of it is markup.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../mm/host/strata-map/dump.h"
#include "../../mm/host/strata-map/html.h"
#include "../../mm/host/strata-map/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool condition, const char *what) {
    if (!condition) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

static size_t count_objects(const char *text, size_t length) {
    size_t count = 0;
    for (const char *at = text; at < text + length; count++) {
        const char *end = memchr(at, '\n', (size_t)(text + length - at));
        expect(end != NULL, "a line without an end");
        struct cursor cursor = cursor_on(at, end);
        expect(take_json_object(&cursor) && at_end(&cursor), "a line that is no object");
        at = end + 1;
    }
    return count;
}

static void check_page(const struct dump *dump, char *room, size_t capacity) {
    struct text_buffer page;
    struct html_records records;
    text_buffer_init(&page, room, capacity);
    html_records_init(&records, &page.text);
    dump_copy(&records.text, dump);
    expect(page.dropped == 0 && memchr(room, '<', page.length) == NULL, "markup in the records");
}

static void check_found(const struct dump *dump, size_t size) {
    size_t capacity = 6 * size + 64;
    char *text = malloc(2 * capacity);
    struct text_buffer copy;
    struct dump again;
    text_buffer_init(&copy, text, capacity);
    dump_copy(&copy.text, dump);
    expect(copy.dropped == 0, "longer than what it was made of");
    expect(count_objects(text, copy.length) == dump->records, "not as many as were counted");
    expect(dump_find(text, copy.length, &again) == DUMP_FOUND && again.records == dump->records,
           "not found again");
    check_page(dump, text + capacity, capacity);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct dump dump;
    switch (dump_find((const char *)data, size, &dump)) {
    case DUMP_FOUND:
        check_found(&dump, size);
        break;
    case DUMP_MALFORMED:
        expect(dump.error_line >= dump.first_line && dump.error_column >= 1, "an error nowhere");
        expect(dump.expected[0] != '\0', "an error without a word");
        break;
    case DUMP_NONE:
        break;
    }
    return 0;
}
