// SPDX-License-Identifier: MIT
// What threads of a test hand to each other to free: a box that one puts into and another takes
// from.
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POST_MAX 128

// What is on its way: where it is, and how large, in the test's own units.
struct parcel {
    uint64_t place, size;
};

// Zero is an empty one.
struct post {
    pthread_mutex_t mutex;
    struct parcel parcels[POST_MAX];
    size_t count;
};

// False when the box is full.
static inline bool post_put(struct post *post, struct parcel parcel) {
    pthread_mutex_lock(&post->mutex);
    bool taken = post->count < POST_MAX;
    if (taken) {
        post->parcels[post->count++] = parcel;
    }
    pthread_mutex_unlock(&post->mutex);
    return taken;
}

// False when it is empty.
static inline bool post_get(struct post *post, struct parcel *parcel) {
    pthread_mutex_lock(&post->mutex);
    bool found = post->count != 0;
    if (found) {
        *parcel = post->parcels[--post->count];
    }
    pthread_mutex_unlock(&post->mutex);
    return found;
}
