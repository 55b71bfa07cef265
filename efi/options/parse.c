// SPDX-License-Identifier: MIT
// From text to words: blanks, comments, quotes, and where in the text something is wrong.
// Invariant (tests/unit/test_options.c, tests/fuzz/fuzz_options.c): every byte of the input is
// consumed exactly once, and none outside it is read.
#include "parse.h"

#include <string.h>
#include <text/format.h>
#include <text/utf.h>

#define SENTENCE_BYTES 400
#define REPORTS_MAX    24 // of one source: the rest is counted

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_newline(char c) {
    return c == '\n' || c == '\r';
}

struct place {
    size_t line, column; // from 1; columns count characters
};

static struct place place_of(const struct parser *parser, const char *at) {
    struct place place = {1, 1};
    for (const char *p = parser->text; p < at;) {
        bool carriage = *p == '\r' && p + 1 < parser->end && p[1] == '\n';
        if (is_newline(*p) && !carriage) {
            place.line++;
            place.column = 1;
        } else {
            place.column++;
        }
        utf8_next(&p, parser->end);
    }
    return place;
}

void parser_wrong(struct parser *parser, const char *at, const char *text, ...) {
    if (parser->wrong++ >= REPORTS_MAX) {
        return;
    }
    struct place place = place_of(parser, at);
    char sentence[SENTENCE_BYTES];
    size_t length = format(sentence, sizeof(sentence), "%s:%zu:%zu: ", parser->source_name,
                           place.line, place.column);
    va_list arguments;
    va_start(arguments, text);
    format_list(sentence + length, sizeof(sentence) - length, text, arguments);
    va_end(arguments);
    for (char *p = sentence; *p != '\0'; p++) { // quoted input may hold anything
        if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            *p = '?';
        }
    }
    parser->report(parser->context, sentence);
}

static const char *skip_line(const char *at, const char *end) {
    while (at < end && !is_newline(*at)) {
        at++;
    }
    return at;
}

static const char *skip_word(const char *at, const char *end) {
    while (at < end && !is_blank(*at)) {
        at++;
    }
    return at;
}

// Reads a value in quotes, `at` behind the first; returns what follows the last, or NULL when there
// is none on the line.
static const char *quoted_value(struct parser *parser, const char *at, struct word *word) {
    const char *line_end = skip_line(at, parser->end);
    const char *close = memchr(at, '"', (size_t)(line_end - at));
    if (close == NULL) {
        parser_wrong(parser, at - 1, "no closing quote on this line");
        return NULL;
    }
    word->value = at;
    word->value_length = (size_t)(close - at);
    return close + 1;
}

// Reads one word and gives it its meaning; returns what follows it.
static const char *take_word(struct parser *parser, const char *at) {
    const char *word_end = skip_word(at, parser->end);
    const char *equals = memchr(at, '=', (size_t)(word_end - at));
    if (equals == NULL || equals == at) {
        parser_wrong(parser, at, "'%.*s' is no option: expected name=value",
                     word_end - at < 40 ? (int)(word_end - at) : 40, at);
        return word_end;
    }
    struct word word = {
        .name = at,
        .name_length = (size_t)(equals - at),
        .value = equals + 1,
        .value_length = (size_t)(word_end - equals - 1),
    };
    if (word.value_length > 0 && word.value[0] == '"') {
        word_end = quoted_value(parser, word.value + 1, &word);
        if (word_end == NULL) {
            return skip_line(at, parser->end);
        }
        if (word_end < parser->end && !is_blank(*word_end)) {
            parser_wrong(parser, word_end, "expected a blank after the closing quote");
            return skip_word(word_end, parser->end);
        }
    }
    options_apply(parser, &word);
    return word_end;
}

size_t options_parse(struct options *options, enum options_source source, const char *name,
                     const char *text, size_t length, options_report *report, void *context) {
    struct parser parser = {options, source, name, text, text + length, report, context, 0};
    const char *at = text;
    while (at < parser.end) {
        if (is_blank(*at)) {
            at++;
        } else if (*at == '#' && source == OPTIONS_FILE) {
            at = skip_line(at, parser.end);
        } else {
            at = take_word(&parser, at);
        }
    }
    if (parser.wrong > REPORTS_MAX) {
        char sentence[SENTENCE_BYTES];
        format(sentence, sizeof(sentence), "%s: %zu more words are wrong", name,
               parser.wrong - REPORTS_MAX);
        report(context, sentence);
    }
    return parser.wrong;
}
