// SPDX-License-Identifier: MIT
// Putting the page together: its template with style, records and scripts in their places.
#include "html.h"

#include <string.h>

// page/parts.S
extern const char page_template[], page_template_end[];
extern const char page_style[], page_style_end[];
extern const char page_script[], page_script_end[];

static void put(struct text *out, const char *begin, const char *end) {
    out->write(out, begin, (size_t)(end - begin));
}

void html_text(struct text *out, const char *string) {
    for (; *string != '\0'; string++) {
        switch (*string) {
        case '<':
            text_puts(out, "&lt;");
            break;
        case '&':
            text_puts(out, "&amp;");
            break;
        case '"':
            text_puts(out, "&quot;");
            break;
        default:
            out->write(out, string, 1);
        }
    }
}

// Writes the template up to a mark "<!--NAME-->" and returns what stands behind it.
static const char *put_up_to(struct text *out, const char *at, const char *mark) {
    const char *found = memmem(at, (size_t)(page_template_end - at), mark, strlen(mark));
    const char *end = found != NULL ? found : page_template_end;
    put(out, at, end);
    return found != NULL ? found + strlen(mark) : end;
}

void html_begin(struct text *out, const char *source) {
    const char *at = put_up_to(out, page_template, "<!--source-->");
    html_text(out, source);
    at = put_up_to(out, at, "/*style*/");
    put(out, page_style, page_style_end);
    put_up_to(out, at, "<!--records-->");
}

// In JSON "<" stands in strings only, where "\u003c" is the same.
static void write_records(struct text *self, const char *bytes, size_t count) {
    struct text *page = ((struct html_records *)self)->page;
    const char *end = bytes + count;
    while (bytes < end) {
        const char *special = memchr(bytes, '<', (size_t)(end - bytes));
        put(page, bytes, special != NULL ? special : end);
        if (special == NULL) {
            return;
        }
        text_puts(page, "\\u003c");
        bytes = special + 1;
    }
}

void html_records_init(struct html_records *records, struct text *page) {
    *records = (struct html_records){.text = {.write = write_records}, .page = page};
}

void html_end(struct text *out) {
    static const char records[] = "<!--records-->";
    const char *at = memmem(page_template, (size_t)(page_template_end - page_template), records,
                            strlen(records));
    if (at != NULL) {
        at = put_up_to(out, at + strlen(records), "/*script*/");
        put(out, page_script, page_script_end);
        put(out, at, page_template_end);
    }
}
