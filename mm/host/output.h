// SPDX-License-Identifier: MIT
// The end of a program that prints: whether all of it arrived.
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

// Closes standard output. Returns `status` when everything that was printed could be written; else
// says why not, in the name of `program`, and returns `failed`.
static inline int output_end(const char *program, int status, int failed) {
    bool lost = ferror(stdout) != 0; // the error's number is long forgotten
    errno = 0;
    if (fclose(stdout) == 0 && !lost) {
        return status;
    }
    fprintf(stderr, "%s: the output could not be written%s%s\n", program, errno != 0 ? ": " : "",
            errno != 0 ? strerror(errno) : "");
    return failed;
}
