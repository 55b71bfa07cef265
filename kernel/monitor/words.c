// SPDX-License-Identifier: MIT
// Reading what a person typed.
#include <monitor/words.h>
#include <string.h>

size_t words_split(char *line, char **words, size_t most) {
    size_t count = 0;
    for (;;) {
        line += strspn(line, " \t");
        if (*line == '\0') {
            return count;
        }
        if (count < most) {
            words[count] = line;
        }
        count++;
        while (*line != '\0' && *line != ' ' && *line != '\t') {
            line++;
        }
        if (*line != '\0') {
            *line++ = '\0';
        }
    }
}

static unsigned digit_value(char digit) {
    if (digit >= '0' && digit <= '9') {
        return (unsigned)(digit - '0');
    }
    char lower = (char)(digit | 0x20);
    return lower >= 'a' && lower <= 'f' ? (unsigned)(lower - 'a') + 10 : 99;
}

// The power of two that a suffix stands for, 0 for no suffix; 99 for another letter.
static unsigned suffix_shift(const char *suffix) {
    static const char letters[] = "KMGT";
    if (*suffix == '\0') {
        return 0;
    }
    const char *found = strchr(letters, *suffix & ~0x20);
    return found == NULL || *found == '\0' || suffix[1] != '\0'
               ? 99
               : 10 * (unsigned)(found - letters + 1);
}

const char *number_parse(const char *word, uint64_t *value) {
    bool hexadecimal = word[0] == '0' && (word[1] | 0x20) == 'x';
    unsigned base = hexadecimal ? 16 : 10;
    const char *at = hexadecimal ? word + 2 : word;
    uint64_t number = 0;
    bool digits = false, overflow = false;
    for (; *at != '\0' && (*at == '_' || digit_value(*at) < base); at++) {
        if (*at != '_') {
            overflow |= __builtin_mul_overflow(number, (uint64_t)base, &number);
            overflow |= __builtin_add_overflow(number, (uint64_t)digit_value(*at), &number);
            digits = true;
        }
    }
    unsigned shift = suffix_shift(at);
    if (!digits || shift > 63) {
        return "a number is decimal or 0x and hexadecimal, with K, M, G or T at its end if you "
               "like";
    }
    if (overflow || (shift != 0 && number >> (64 - shift) != 0)) {
        return "that number does not fit into 64 bits";
    }
    *value = number << shift;
    return NULL;
}

#define DISTANCE_MOST 31

static unsigned smaller(unsigned a, unsigned b) {
    return a < b ? a : b;
}

unsigned words_distance(const char *left, const char *right) {
    unsigned rows[3][DISTANCE_MOST + 1]; // of the matrix, the last three
    size_t height = strlen(left), width = strlen(right);
    if (height > DISTANCE_MOST || width > DISTANCE_MOST) {
        return 99;
    }
    for (unsigned x = 0; x <= width; x++) {
        rows[0][x] = x;
    }
    for (unsigned y = 1; y <= height; y++) {
        unsigned *row = rows[y % 3];
        const unsigned *above = rows[(y - 1) % 3];
        row[0] = y;
        for (unsigned x = 1; x <= width; x++) {
            unsigned change = above[x - 1] + (left[y - 1] != right[x - 1]);
            row[x] = smaller(change, smaller(above[x], row[x - 1]) + 1);
            if (y > 1 && x > 1 && left[y - 1] == right[x - 2] && left[y - 2] == right[x - 1]) {
                row[x] = smaller(row[x], rows[(y - 2) % 3][x - 2] + 1);
            }
        }
    }
    return rows[height % 3][width];
}
