// SPDX-License-Identifier: MIT
// Slabs with room, by address: a pairing heap whose root is the highest one (M. Fredman et al.,
// 1986). Insertion is O(1), taking any slab out amortised O(log slabs).
//
// `before` is the sibling to the left, or the parent of a first child; the root's is NULL.
#include "internal.h"

static struct slab *meld(struct slab *one, struct slab *other) {
    if (one == NULL || other == NULL) {
        return one != NULL ? one : other;
    }
    struct slab *high = one->base > other->base ? one : other;
    struct slab *low = high == one ? other : one;
    low->next = high->child;
    if (low->next != NULL) {
        low->next->before = low;
    }
    low->before = high;
    high->child = low;
    return high;
}

// Melds siblings: in pairs from the left, then these from the right.
static struct slab *meld_all(struct slab *first) {
    struct slab *pairs = NULL, *root = NULL;
    while (first != NULL) {
        struct slab *second = first->next, *rest = second != NULL ? second->next : NULL;
        struct slab *pair = meld(first, second);
        pair->next = pairs;
        pairs = pair;
        first = rest;
    }
    while (pairs != NULL) {
        struct slab *rest = pairs->next;
        root = meld(root, pairs);
        pairs = rest;
    }
    if (root != NULL) {
        root->next = NULL;
        root->before = NULL;
    }
    return root;
}

void slab_heap_insert(struct slab *slab) {
    struct slab **heap = &slab->home->heap;
    slab->child = slab->next = slab->before = NULL;
    *heap = meld(*heap, slab);
    (*heap)->next = NULL;
    (*heap)->before = NULL;
}

void slab_heap_remove(struct slab *slab) {
    struct slab **heap = &slab->home->heap, *children = meld_all(slab->child);
    if (slab->home->current == slab) {
        slab->home->current = NULL;
    }
    if (*heap == slab) {
        *heap = children;
        return;
    }
    if (slab->before->child == slab) {
        slab->before->child = slab->next;
    } else {
        slab->before->next = slab->next;
    }
    if (slab->next != NULL) {
        slab->next->before = slab->before;
    }
    *heap = meld(*heap, children);
    (*heap)->next = NULL;
    (*heap)->before = NULL;
}
