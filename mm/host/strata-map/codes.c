// SPDX-License-Identifier: MIT
// Parts of codes: found, checked, put in order, put together, and read. See mm/map_code.h.
#include "codes.h"

#include <mm/map_code.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTS_MAX 10000

// One part. Its share is without blanks, in capitals.
struct part {
    uint32_t whole; // the checksum of all shares
    unsigned number, total;
    const char *share;
    size_t share_length, line;
    bool sound;    // its own checksum fits, and it holds nothing that codes do not have
    bool strange;  // the checksum fits, but a byte is none that codes have
    bool complete; // each part of its map is there and sound
};

struct parts {
    struct part *list;    // as the text has them
    struct part **sorted; // by map and number, the sound ones of a number first
    size_t count, capacity;
    char *text; // what all shares lie in
    size_t used;
};

static void *want(void *memory) {
    if (memory == NULL) {
        fputs("strata-map: no memory for the codes\n", stderr);
        exit(2);
    }
    return memory;
}

static bool is_space(char byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static char capital(char byte) {
    return (char)(byte >= 'a' && byte <= 'z' ? byte - 'a' + 'A' : byte);
}

// The alphabet of QR codes without the blank, and without the '$' that ends a part.
static bool is_of_codes(char byte) {
    return (byte >= '0' && byte <= ':') || (byte >= 'A' && byte <= 'Z') || byte == '%' ||
           (byte >= '*' && byte <= '/' && byte != ',');
}

static bool is_all_of_codes(const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if (!is_of_codes(bytes[i])) {
            return false;
        }
    }
    return true;
}

// Whether a part begins at `at`; blanks do not count.
static const char *behind_mark(const char *at, const char *end) {
    static const char mark[] = MAP_CODE_MARK;
    size_t matched = 0;
    if (at < end && is_space(*at)) {
        return NULL;
    }
    for (; at < end && mark[matched] != '\0'; at++) {
        if (is_space(*at)) {
            continue;
        }
        if (capital(*at) != mark[matched]) {
            return NULL;
        }
        matched++;
    }
    return mark[matched] == '\0' ? at : NULL;
}

// "1/2*8F3A21C0*51B20C7E*…", in a buffer of its own. A part whose frame cannot be read has number
// 0.
static void read_part(struct part *part, const char *text, size_t length) {
    struct cursor cursor = cursor_on(text, text + length);
    uint64_t number, total, whole, checksum;
    if (!take_decimal(&cursor, "", PARTS_MAX, &number) || !take_text(&cursor, "/") ||
        !take_decimal(&cursor, "", PARTS_MAX, &total) || !take_text(&cursor, "*") ||
        !take_hex(&cursor, "", &whole) || !take_text(&cursor, "*")) {
        return;
    }
    size_t frame = (size_t)(cursor.at - text);
    if (!take_hex(&cursor, "", &checksum) || !take_text(&cursor, "*") || whole > UINT32_MAX ||
        number == 0 || number > total) {
        return;
    }
    part->number = (unsigned)number;
    part->total = (unsigned)total;
    part->whole = (uint32_t)whole;
    part->share = cursor.at;
    part->share_length = (size_t)(cursor.end - cursor.at);
    uint32_t found = map_code_checksum(0, text, frame);
    bool fits = map_code_checksum(found, part->share, part->share_length) == checksum;
    part->sound = fits && is_all_of_codes(part->share, part->share_length);
    part->strange = fits && !part->sound;
}

// Takes what stands up to '$', the next part or the end.
static const char *take_part(struct parts *parts, size_t line, const char *at, const char *end) {
    char *begin = parts->text + parts->used;
    size_t length = 0;
    bool closed = false;
    for (; at < end && !closed && behind_mark(at, end) == NULL; at++) {
        closed = *at == '$';
        if (!closed && !is_space(*at)) {
            begin[length++] = capital(*at);
        }
    }
    parts->used += length;
    struct part *part = &parts->list[parts->count++];
    *part = (struct part){.line = line};
    read_part(part, begin, length);
    part->sound &= closed;
    return at;
}

static void find_parts(struct parts *parts, const char *text, const char *end) {
    size_t line = 1;
    const char *counted = text;
    for (const char *at = text; at < end;) {
        const char *behind = behind_mark(at, end);
        if (behind == NULL) {
            at++;
            continue;
        }
        for (; counted < at; counted++) {
            line += *counted == '\n';
        }
        if (parts->count == parts->capacity) {
            parts->capacity = parts->capacity * 2 + 64;
            size_t bytes = parts->capacity * sizeof(*parts->list);
            parts->list = want(realloc(parts->list, bytes));
        }
        at = take_part(parts, line, behind, end);
    }
}

// By the map that a part belongs to, then by its number.
static int compare_places(const struct part *a, const struct part *b) {
    if (a->whole != b->whole) {
        return a->whole < b->whole ? -1 : 1;
    }
    if (a->total != b->total) {
        return a->total < b->total ? -1 : 1;
    }
    return a->number == b->number ? 0 : a->number < b->number ? -1 : 1;
}

static int compare_parts(const void *left, const void *right) {
    const struct part *a = *(struct part *const *)left, *b = *(struct part *const *)right;
    int order = compare_places(a, b);
    if (order == 0 && a->sound != b->sound) {
        order = a->sound ? -1 : 1;
    }
    return order != 0 ? order : a < b ? -1 : 1;
}

// Marks the parts of maps that are all there: one walk, however many copies a text has.
static void mark_complete(struct parts *parts) {
    size_t begin = 0, sound = 0;
    for (size_t i = 0; i < parts->count; i++) {
        const struct part *part = parts->sorted[i], *first = parts->sorted[begin];
        if (part->whole != first->whole || part->total != first->total) {
            begin = i;
            sound = 0;
        }
        bool another = i == begin || part->number != parts->sorted[i - 1]->number;
        sound += another && part->sound;
        bool last = i + 1 == parts->count || parts->sorted[i + 1]->whole != part->whole ||
                    parts->sorted[i + 1]->total != part->total;
        for (size_t j = begin; last && sound != 0 && sound == part->total && j <= i; j++) {
            parts->sorted[j]->complete = true;
        }
    }
}

static void sort_parts(struct parts *parts) {
    parts->sorted = want(malloc((parts->count + 1) * sizeof(struct part *)));
    for (size_t i = 0; i < parts->count; i++) {
        parts->sorted[i] = &parts->list[i];
    }
    qsort(parts->sorted, parts->count, sizeof(struct part *), compare_parts);
    mark_complete(parts);
}

// A part of that map which is sound; else one which is not, or NULL.  O(log parts).
static const struct part *part_of(const struct parts *parts, const struct part *like,
                                  unsigned number) {
    struct part wanted = {.whole = like->whole, .total = like->total, .number = number};
    size_t low = 0, high = parts->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_places(parts->sorted[middle], &wanted) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool found = low < parts->count && compare_places(parts->sorted[low], &wanted) == 0;
    return found ? parts->sorted[low] : NULL;
}

// Which parts of the map that `like` belongs to are not there: "2, 5 to 7".
static void name_missing(const struct parts *parts, const struct part *like, struct text *out) {
    const char *separator = "";
    unsigned named = 0;
    for (unsigned number = 1; number <= like->total; number++) {
        unsigned first = number;
        while (number <= like->total && part_of(parts, like, number) == NULL) {
            number++;
        }
        if (number == first) {
            continue;
        }
        if (++named > 8) {
            text_puts(out, " and more");
            return;
        }
        text_printf(out, number - first > 1 ? "%s%u to %u" : "%s%u", separator, first, number - 1);
        separator = ", ";
    }
}

// Says what is wrong with the last map: the first of its parts that is mistyped, or those missing.
static enum map_read_status complain(const struct parts *parts, struct map_reading *out) {
    const struct part *like = &parts->list[parts->count - 1];
    struct text_buffer problem;
    text_buffer_init(&problem, out->problem, sizeof(out->problem));
    for (size_t i = 0; i < parts->count; i++) {
        const struct part *part = &parts->list[i];
        if (part->number == 0) {
            out->error_line = part->line;
            text_printf(
                &problem.text,
                "a code's first characters are mistyped: expected STRATA1*1/2*8F3A21C0*..., "
                "part, checksum of all parts, and its own");
            return MAP_READ_MALFORMED;
        }
        if (!part_of(parts, part, part->number)->sound) {
            out->error_line = part->line;
            text_printf(&problem.text, "part %u of %u %s", part->number, part->total,
                        part->strange ? "has characters that no code has"
                                      : "is mistyped or cut: its checksum does not fit");
            return MAP_READ_MALFORMED;
        }
        like = part;
    }
    out->error_line = like->line;
    text_printf(&problem.text, "of %u codes that belong together these are missing: ", like->total);
    name_missing(parts, like, &problem.text);
    return MAP_READ_MALFORMED;
}

static void add_entry(struct map_reading *out, const struct efi_descriptor *entry) {
    if (out->count == out->capacity) {
        out->capacity = out->capacity * 2 + 128;
        out->entries = want(realloc(out->entries, out->capacity * sizeof(*out->entries)));
    }
    out->entries[out->count++] = *entry;
}

static int hex_digit(char byte) {
    return byte >= '0' && byte <= '9'   ? byte - '0'
           : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10
                                        : -1;
}

// A number if there is one, of at most 64 bits.
static bool take_pages(struct cursor *cursor, uint64_t *pages) {
    if (at_end(cursor) || hex_digit(*cursor->at) < 0) {
        return true;
    }
    return take_hex(cursor, "a number of pages", pages);
}

static bool take_start(struct cursor *cursor, uint64_t *start) {
    uint64_t page, into = 0;
    if (!take_hex(cursor, "a page", &page) || page > UINT64_MAX / PAGE_SIZE ||
        (take_optional(cursor, "+") && !take_hex(cursor, "a number of bytes", &into)) ||
        into >= PAGE_SIZE) {
        return false;
    }
    *start = page * PAGE_SIZE + into;
    return true;
}

static bool take_type(struct cursor *cursor, uint32_t *type) {
    uint64_t number;
    char letter = *cursor->at;
    if (letter >= 'G' && letter < 'W') {
        *type = (uint32_t)(letter - 'G');
        cursor->at++;
        return true;
    }
    if (!take_optional(cursor, "Z") || !take_hex(cursor, "a type", &number) ||
        number > UINT32_MAX || !take_text(cursor, "-")) {
        return false;
    }
    *type = (uint32_t)number;
    return true;
}

// Everything but findings, and a '%' or the end behind it.
static bool take_map(struct cursor *cursor, struct map_reading *out) {
    struct efi_descriptor entry = {.attributes = EFI_ATTRIBUTE_UC | EFI_ATTRIBUTE_WC |
                                                 EFI_ATTRIBUTE_WT | EFI_ATTRIBUTE_WB};
    while (!at_end(cursor) && *cursor->at != '%') {
        if (take_optional(cursor, "*")) {
            if (!take_hex(cursor, "attributes", &entry.attributes)) {
                return false;
            }
            continue;
        }
        if (take_optional(cursor, ".")) {
            if (!take_start(cursor, &entry.physical_start)) {
                return false;
            }
            continue;
        }
        entry.pages = 1;
        if (!take_type(cursor, &entry.type) || !take_pages(cursor, &entry.pages)) {
            return false;
        }
        add_entry(out, &entry);
        entry.physical_start += entry.pages * PAGE_SIZE;
    }
    return out->count != 0;
}

static char small(char byte) {
    return (char)(byte >= 'A' && byte <= 'Z' ? byte - 'A' + 'a' : byte == '+' ? ' ' : byte);
}

// How many bytes from `at` on are a character in UTF-8 that no terminal obeys; 0 for anything else.
static size_t character_length(const unsigned char *at, size_t left) {
    unsigned char lead = at[0];
    if (lead < 0x80) {
        return lead == '\n' || (lead >= ' ' && lead != 0x7f);
    }
    // 0xc2 begins the control characters beyond ASCII; 0xc0 and 0xc1 begin nothing.
    size_t length = lead < 0xc3 || lead > 0xf4 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (length > left) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    // Longer than it need be: a control character again, to who reads it so.
    bool longer = (lead == 0xe0 && at[1] < 0xa0) || (lead == 0xf0 && at[1] < 0x90);
    return longer ? 0 : length;
}

// Puts '?' in place of what is no text.
static void keep_text(char *text, size_t length) {
    for (size_t at = 0; at < length;) {
        size_t taken = character_length((const unsigned char *)text + at, length - at);
        if (taken == 0) {
            text[at] = '?';
            taken = 1;
        }
        at += taken;
    }
}

// The findings as lines of ordinary text.
static void take_findings(struct cursor *cursor, struct map_reading *out) {
    char *to = out->findings = want(malloc((size_t)(cursor->end - cursor->at) + 2));
    for (; !at_end(cursor); cursor->at++) {
        bool escaped = *cursor->at == '/' && cursor->end - cursor->at > 2 &&
                       hex_digit(cursor->at[1]) >= 0 && hex_digit(cursor->at[2]) >= 0;
        if (escaped) {
            unsigned byte = (unsigned)hex_digit(cursor->at[1]) * 16;
            byte += (unsigned)hex_digit(cursor->at[2]);
            *to++ = (char)(byte == '\n' ? '?' : byte);
            cursor->at += 2;
        } else if (*cursor->at != '%') {
            *to++ = small(*cursor->at);
        } else if (to != out->findings) {
            *to++ = '\n';
        }
    }
    *to++ = '\n';
    *to = '\0';
    keep_text(out->findings, (size_t)(to - out->findings));
}

static enum map_read_status read_whole(const struct parts *parts, const struct part *like,
                                       struct map_reading *out) {
    char *text = want(malloc(parts->used + 1));
    size_t length = 0;
    out->first_line = SIZE_MAX;
    for (unsigned number = 1; number <= like->total; number++) {
        const struct part *part = part_of(parts, like, number);
        memcpy(text + length, part->share, part->share_length);
        length += part->share_length;
        out->first_line = part->line < out->first_line ? part->line : out->first_line;
        out->last_line = part->line > out->last_line ? part->line : out->last_line;
    }
    struct cursor cursor = cursor_on(text, text + length);
    bool fine = map_code_checksum(0, text, length) == like->whole && take_map(&cursor, out);
    if (fine && !at_end(&cursor)) {
        take_findings(&cursor, out);
    }
    free(text);
    if (fine) {
        out->maps++;
        out->format = MAP_FORMAT_CODES;
        return MAP_READ_OK;
    }
    out->error_line = out->first_line;
    snprintf(out->problem, sizeof(out->problem),
             "the codes are whole, but not of a kind that this program knows");
    return MAP_READ_MALFORMED;
}

enum map_read_status codes_read(const char *text, size_t length, struct map_reading *out) {
    struct parts parts = {.text = want(malloc(length + 1))};
    enum map_read_status status = MAP_READ_NOTHING;
    const struct part *whole = NULL;
    find_parts(&parts, text, text + length);
    sort_parts(&parts);
    for (size_t i = 0; i < parts.count; i++) {
        const struct part *part = &parts.list[i];
        whole = part->number == 1 && part->complete ? part : whole;
    }
    if (whole != NULL) {
        status = read_whole(&parts, whole, out);
    } else if (parts.count != 0) {
        status = complain(&parts, out);
    }
    free(parts.list);
    free(parts.sorted);
    free(parts.text);
    return status;
}
