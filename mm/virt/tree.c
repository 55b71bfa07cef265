// SPDX-License-Identifier: MIT
// The AVL tree of ranges.
//
// A change is linked in or out, and then the way up to the root is retraced: each node's numbers
// are computed anew from its children, and where the two subtrees differ by two in height they are
// rotated. It ends early at the first node whose numbers stay as they were. Invariants
// (tests/unit/test_ranges.c calls ranges_check after every operation):
//   T1  in order, ranges begin at ascending addresses                       random_operations
//   T2  the heights of two sibling subtrees differ by one at the most       random_operations
//   T3  first, last, gap and height of a node are those of its subtree      random_operations
// Never: a recursion that is deeper than the tree, 1.44 log2 n.
#include "tree.h"

#include <mm/assert.h>

static uint32_t height_of(const struct range *node) {
    return node != NULL ? node->height : 0;
}

// Computes a node's numbers from its children's; false when nothing changed.
static bool update(struct range *node) {
    const struct range *low = node->child[0], *high = node->child[1];
    uint64_t first = node->begin, last = node->end, gap = 0;
    uint32_t height = 0;
    if (low != NULL) {
        first = low->first;
        gap = node->begin > low->last ? node->begin - low->last : 0;
        gap = low->gap > gap ? low->gap : gap;
        last = low->last > last ? low->last : last;
        height = low->height;
    }
    if (high != NULL) {
        uint64_t between = high->first > node->end ? high->first - node->end : 0;
        gap = between > gap ? between : gap;
        gap = high->gap > gap ? high->gap : gap;
        last = high->last > last ? high->last : last;
        height = high->height > height ? high->height : height;
    }
    height++;
    if (first == node->first && last == node->last && gap == node->gap && height == node->height) {
        return false;
    }
    node->first = first;
    node->last = last;
    node->gap = gap;
    node->height = height;
    return true;
}

// Puts `node`, or nothing, where `old` hangs.
static void replace(struct ranges *ranges, const struct range *old, struct range *node) {
    struct range *parent = old->parent;
    if (parent == NULL) {
        ranges->root = node;
    } else {
        parent->child[parent->child[1] == old] = node;
    }
    if (node != NULL) {
        node->parent = parent;
    }
}

//        node                 lifted
//       /    \                /    \            side 1: as drawn; side 0: mirrored
//      a   lifted     =>    node    c
//           /  \            /  \                returns the lifted one
//          b    c          a    b
static struct range *rotate(struct ranges *ranges, struct range *node, unsigned side) {
    struct range *lifted = node->child[side];
    struct range *moved = lifted->child[!side];
    replace(ranges, node, lifted);
    lifted->child[!side] = node;
    node->parent = lifted;
    node->child[side] = moved;
    if (moved != NULL) {
        moved->parent = node;
    }
    update(node);
    update(lifted);
    return lifted;
}

// One subtree is higher than the other by two.
static struct range *rebalance(struct ranges *ranges, struct range *node) {
    unsigned side = height_of(node->child[1]) > height_of(node->child[0]);
    struct range *heavy = node->child[side];
    if (height_of(heavy->child[!side]) > height_of(heavy->child[side])) {
        rotate(ranges, heavy, !side);
    }
    return rotate(ranges, node, side);
}

static void retrace(struct ranges *ranges, struct range *node) {
    for (; node != NULL; node = node->parent) {
        uint32_t low = height_of(node->child[0]), high = height_of(node->child[1]);
        if (low > high + 1 || high > low + 1) {
            node = rebalance(ranges, node);
        } else if (!update(node)) {
            return;
        }
    }
}

void tree_insert(struct ranges *ranges, struct range *range, uint64_t begin, uint64_t end) {
    struct range *parent = NULL, **link = &ranges->root;
    while (*link != NULL) {
        parent = *link;
        link = &parent->child[begin >= parent->begin];
    }
    *range = (struct range){.begin = begin,
                            .end = end,
                            .parent = parent,
                            .first = begin,
                            .last = end,
                            .height = 1,
                            .tag = range->tag};
    *link = range;
    ranges->count++;
    retrace(ranges, parent);
}

static struct range *outermost(struct range *node, unsigned side) {
    while (node->child[side] != NULL) {
        node = node->child[side];
    }
    return node;
}

// The next in order, whose place is below `range`, takes its place.
static void replace_by_next(struct ranges *ranges, struct range *range) {
    struct range *next = outermost(range->child[1], 0);
    struct range *changed = next->parent == range ? next : next->parent;
    replace(ranges, next, next->child[1]);
    replace(ranges, range, next);
    for (unsigned side = 0; side < 2; side++) {
        next->child[side] = range->child[side];
        if (next->child[side] != NULL) {
            next->child[side]->parent = next;
        }
    }
    // Whoever stands above has been told these; a difference goes up from here.
    next->first = range->first;
    next->last = range->last;
    next->gap = range->gap;
    next->height = range->height;
    retrace(ranges, changed);
    retrace(ranges, next);
}

void ranges_remove(struct ranges *ranges, struct range *range) {
    ASSERT(ranges->count != 0);
    ranges->count--;
    if (range->child[0] != NULL && range->child[1] != NULL) {
        replace_by_next(ranges, range);
        return;
    }
    replace(ranges, range, range->child[range->child[0] == NULL]);
    retrace(ranges, range->parent);
}

void ranges_resize(struct ranges *ranges, struct range *range, vaddr_t begin, vaddr_t end) {
    DEBUG_ASSERT(begin.value < end.value);
    range->begin = begin.value;
    range->end = end.value;
    retrace(ranges, range);
}

// The first in order in a subtree that has one which ends above `address`.
static struct range *first_above(struct range *node, uint64_t address) {
    for (;;) {
        if (node->child[0] != NULL && node->child[0]->last > address) {
            node = node->child[0];
        } else if (node->end > address) {
            return node;
        } else {
            node = node->child[1];
        }
    }
}

struct range *ranges_from(const struct ranges *ranges, vaddr_t address) {
    struct range *root = ranges->root;
    return root != NULL && root->last > address.value ? first_above(root, address.value) : NULL;
}

struct range *ranges_next(const struct range *range, vaddr_t address) {
    struct range *higher = range->child[1];
    if (higher != NULL && higher->last > address.value) {
        return first_above(higher, address.value);
    }
    for (struct range *parent = range->parent; parent != NULL;
         range = parent, parent = parent->parent) {
        if (parent->child[0] != range) {
            continue;
        }
        if (parent->end > address.value) {
            return parent;
        }
        higher = parent->child[1];
        if (higher != NULL && higher->last > address.value) {
            return first_above(higher, address.value);
        }
    }
    return NULL;
}

struct range *ranges_before(const struct ranges *ranges, vaddr_t address) {
    struct range *found = NULL, *node = ranges->root;
    while (node != NULL) {
        if (node->end <= address.value) {
            found = node;
            node = node->child[1];
        } else {
            node = node->child[0];
        }
    }
    return found;
}

static const char *check_links(const struct range *node) {
    for (unsigned side = 0; side < 2; side++) {
        const struct range *child = node->child[side];
        if (child != NULL && child->parent != node) {
            return "a range's parent is not the one that it hangs from";
        }
        if (child != NULL &&
            (side == 0 ? child->begin > node->begin : child->begin < node->begin)) {
            return "ranges are not in the order of where they begin";
        }
    }
    uint32_t low = height_of(node->child[0]), high = height_of(node->child[1]);
    return low > high + 1 || high > low + 1 ? "the tree of ranges is out of balance" : NULL;
}

// Counts the nodes below.
static const char *check_subtree(const struct range *node, uint64_t *count) {
    if (node == NULL) {
        return NULL;
    }
    const char *broken = check_links(node);
    for (unsigned side = 0; broken == NULL && side < 2; side++) {
        broken = check_subtree(node->child[side], count);
    }
    struct range copy = *node;
    if (broken == NULL && update(&copy)) {
        broken = "what a range knows of those below it is wrong";
    }
    ++*count;
    return broken;
}

const char *ranges_check(const struct ranges *ranges) {
    uint64_t count = 0;
    const struct range *root = ranges->root;
    const char *broken = check_subtree(root, &count);
    if (broken != NULL) {
        return broken;
    }
    if (count != ranges->count) {
        return "there are not as many ranges as are counted";
    }
    if (root != NULL && (root->first < ranges->begin || root->last > ranges->end)) {
        return "a range lies outside of its set";
    }
    return NULL;
}
