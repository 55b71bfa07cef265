// SPDX-License-Identifier: MIT
// Completion.
#include <monitor/complete.h>
#include <string.h>

void completion_begin(struct completion *completion, const char *typed, size_t length) {
    *completion = (struct completion){.typed = typed, .length = length};
}

bool completion_offer(struct completion *completion, const char *word, size_t length) {
    if (length >= COMPLETION_MAX || length < completion->length ||
        memcmp(word, completion->typed, completion->length) != 0) {
        return false;
    }
    size_t same = 0;
    if (completion->count++ == 0) {
        memcpy(completion->common, word, length);
        same = length;
    }
    while (same < length && completion->common[same] == word[same]) {
        same++;
    }
    completion->common[same] = '\0';
    return true;
}

static bool is_letter(char letter) {
    return letter >= 'a' && letter <= 'z';
}

static bool is_part(char letter) {
    return is_letter(letter) || letter == '-' || letter == '=' ||
           (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9');
}

const char *completion_next_literal(const char **at, size_t *length) {
    for (;;) {
        const char *begin = *at;
        while (*begin != '\0' && !is_part(*begin)) {
            begin++;
        }
        const char *end = begin;
        bool literal = *begin != '\0';
        for (; is_part(*end); end++) {
            literal = literal && (is_letter(*end) || *end == '-');
        }
        *at = end;
        if (literal || *begin == '\0') {
            *length = (size_t)(end - begin);
            return literal ? begin : NULL;
        }
    }
}
