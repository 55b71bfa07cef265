// SPDX-License-Identifier: MIT
// Sets of ranges against an oracle that is an array: of a byte for each place, for sets without
// overlaps; of all the ranges there are, for sets with. ranges_check after every operation.
//   STRATA_SEED=n STRATA_STEPS=n run another, or a longer, sequence.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <mm/ranges.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BEGIN  1000 // of the address space of the tests, which is small enough to try every place
#define PLACES 600
#define END    (BEGIN + PLACES)
#define MAX    200

static struct range storage[MAX];
static bool live[MAX];
static uint8_t taken[END]; // 0, or 1 + the range's index
static struct ranges set;
static uint64_t seed;

static uint64_t pick(uint64_t below) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % below;
}

static uint64_t environment(const char *name, uint64_t otherwise) {
    const char *value = getenv(name);
    return value != NULL ? strtoull(value, NULL, 0) : otherwise;
}

static bool is_free(uint64_t begin, uint64_t end) {
    for (uint64_t i = begin; i < end; i++) {
        if (i < BEGIN || i >= END || taken[i] != 0) {
            return false;
        }
    }
    return true;
}

// What ranges_place should answer, by trying; END for nothing.
static uint64_t lowest_place(uint64_t bytes, uint64_t align, uint64_t from, uint64_t to) {
    for (uint64_t place = from; place + bytes <= to && place < END; place++) {
        if (place % align == 0 && place >= BEGIN + set.guard && place + bytes + set.guard <= END &&
            is_free(place - set.guard, place + bytes + set.guard)) {
            return place;
        }
    }
    return END;
}

static int unused(void) {
    for (int i = 0; i < MAX; i++) {
        if (!live[i]) {
            return i;
        }
    }
    return -1;
}

static void mark(uint64_t begin, uint64_t end, int index) {
    memset(taken + begin, index + 1, end - begin);
    live[index] = true;
}

static void random_alloc(void) {
    int index = unused();
    uint64_t bytes = pick(12) == 0 ? pick(PLACES) : pick(12);
    uint64_t align = UINT64_C(1) << (pick(3) == 0 ? pick(6) : 0);
    uint64_t from = pick(2) == 0 ? 0 : pick(END + 20);
    if (index < 0) {
        return;
    }
    uint64_t expected = bytes == 0 ? END : lowest_place(bytes, align, from, END);
    if (expected == END && bytes != 0) {
        expected = lowest_place(bytes, align, 0, END);
    }
    struct range before = storage[index];
    struct ranges set_before = set;
    if (ranges_alloc(&set, &storage[index], bytes, align, vaddr(from))) {
        assert_int_equal(storage[index].begin, expected);
        assert_int_equal(storage[index].end, expected + bytes);
        mark(expected, expected + bytes, index);
    } else {
        assert_int_equal(expected, END);
        assert_memory_equal(&before, &storage[index], sizeof(before));
        assert_memory_equal(&set_before, &set, sizeof(set));
    }
}

static void random_place(void) {
    uint64_t bytes = 1 + pick(30), align = UINT64_C(1) << pick(5);
    uint64_t from = pick(END + 20), to = pick(END + 20);
    uint64_t expected = lowest_place(bytes, align, from, to);
    vaddr_t out = vaddr(7);
    bool found = ranges_place(&set, bytes, align, vaddr(from), vaddr(to), &out);
    assert_int_equal(found, expected != END);
    assert_int_equal(out.value, found ? expected : 7);
}

static void random_insert(void) {
    int index = unused();
    uint64_t begin = BEGIN - 5 + pick(PLACES + 10), end = begin + pick(8);
    if (index < 0) {
        return;
    }
    bool expected = end > begin && is_free(begin, end);
    assert_int_equal(ranges_insert(&set, &storage[index], vaddr(begin), vaddr(end)), expected);
    if (expected) {
        mark(begin, end, index);
    }
}

static void random_remove(void) {
    int index = (int)pick(MAX);
    if (live[index]) {
        ranges_remove(&set, &storage[index]);
        memset(taken + storage[index].begin, 0, storage[index].end - storage[index].begin);
        live[index] = false;
    }
}

static void random_resize(void) {
    int index = (int)pick(MAX);
    if (!live[index]) {
        return;
    }
    uint64_t begin = storage[index].begin, end = storage[index].end;
    memset(taken + begin, 0, end - begin);
    uint64_t new_begin = begin - pick(3) + pick(3), new_end = end - pick(3) + pick(3);
    uint64_t low = new_begin < begin ? new_begin : begin, high = new_end > end ? new_end : end;
    if (new_begin < new_end && is_free(low, high)) { // it stays between its neighbours
        begin = new_begin;
        end = new_end;
        ranges_resize(&set, &storage[index], vaddr(begin), vaddr(end));
    }
    mark(begin, end, index);
}

static struct range *at_place(uint64_t place) {
    return taken[place] != 0 ? &storage[taken[place] - 1] : NULL;
}

static void look_everywhere(void) {
    for (uint64_t place = BEGIN; place < END; place++) {
        assert_ptr_equal(ranges_find(&set, vaddr(place)), at_place(place));
        uint64_t above = place, below = place;
        while (above < END && taken[above] == 0) {
            above++;
        }
        struct range *from = ranges_from(&set, vaddr(place));
        assert_ptr_equal(from, above < END ? at_place(above) : NULL);
        while (below > BEGIN && (taken[below - 1] == 0 || at_place(below - 1)->end > place)) {
            below--;
        }
        assert_ptr_equal(ranges_before(&set, vaddr(place)),
                         below > BEGIN ? at_place(below - 1) : NULL);
    }
}

static void walk(void) {
    uint64_t count = 0, last = 0;
    for (struct range *range = ranges_from(&set, vaddr(0)); range != NULL;
         range = ranges_next(range, vaddr(0))) {
        assert_true(range->begin >= last);
        last = range->end;
        count++;
    }
    assert_int_equal(count, set.count);
}

static void run(uint64_t guard, uint64_t steps) {
    ranges_init(&set, vaddr(BEGIN), vaddr(END), guard);
    memset(taken, 0, sizeof(taken));
    memset(live, 0, sizeof(live));
    for (uint64_t step = 0; step < steps; step++) {
        uint64_t what = pick(100);
        if (what < 35) {
            random_alloc();
        } else if (what < 50) {
            random_place();
        } else if (what < 60) {
            random_insert();
        } else if (what < 70) {
            random_resize();
        } else {
            random_remove();
        }
        assert_null(ranges_check(&set));
        if (step % 64 == 0) {
            look_everywhere();
            walk();
        }
    }
}

static void random_operations(void **state) {
    (void)state;
    seed = environment("STRATA_SEED", 0x9e3779b97f4a7c15);
    uint64_t steps = environment("STRATA_STEPS", 10000);
    printf("seed 0x%lx, %lu steps\n", seed, steps);
    for (uint64_t guard = 0; guard < 3; guard++) {
        run(guard, steps);
    }
}

// Every range that meets [begin, end), in order, against all there are.
static void check_meeting(uint64_t begin, uint64_t end) {
    uint64_t expected = 0, found = 0, last = 0;
    for (int i = 0; i < MAX; i++) {
        expected += live[i] && storage[i].begin < end && storage[i].end > begin;
    }
    for (struct range *range = ranges_from(&set, vaddr(begin)); range != NULL && range->begin < end;
         range = ranges_next(range, vaddr(begin))) {
        assert_true(range->end > begin && range->begin >= last);
        last = range->begin;
        found++;
    }
    assert_int_equal(found, expected);
}

static void ranges_that_overlap(void **state) {
    (void)state;
    seed = environment("STRATA_SEED", 0x9e3779b97f4a7c15);
    ranges_init(&set, vaddr(BEGIN), vaddr(END), 0);
    memset(live, 0, sizeof(live));
    for (uint64_t step = 0; step < environment("STRATA_STEPS", 10000); step++) {
        int index = (int)pick(MAX);
        uint64_t begin = BEGIN + pick(PLACES), end = begin + pick(pick(10) == 0 ? 300 : 6);
        if (live[index]) {
            ranges_remove(&set, &storage[index]);
            live[index] = false;
        } else {
            live[index] = end > begin && end <= END;
            assert_int_equal(ranges_add(&set, &storage[index], vaddr(begin), vaddr(end)),
                             live[index]);
        }
        assert_null(ranges_check(&set));
        check_meeting(BEGIN + pick(PLACES), BEGIN + pick(PLACES + 100));
    }
}

// The whole of the address space but its last byte, and nothing wraps.
static void the_ends_of_the_address_space(void **state) {
    (void)state;
    struct range range[3] = {0};
    vaddr_t top = vaddr(UINT64_MAX);
    ranges_init(&set, vaddr(0), top, 0);
    assert_false(ranges_alloc(&set, &range[0], 0, 1, vaddr(0)));
    assert_true(ranges_alloc(&set, &range[0], UINT64_MAX, 1, vaddr(0)));
    assert_false(ranges_alloc(&set, &range[1], 1, 1, vaddr(0)));
    ranges_remove(&set, &range[0]);
    assert_true(ranges_insert(&set, &range[0], vaddr(0), vaddr(UINT64_MAX - 1)));
    assert_false(ranges_alloc(&set, &range[1], 1, UINT64_C(1) << 63, vaddr(0)));
    assert_true(ranges_alloc(&set, &range[1], 1, 1, top));
    assert_int_equal(range[1].begin, UINT64_MAX - 1);
    assert_false(ranges_insert(&set, &range[2], top, top));
    ranges_init(&set, vaddr(UINT64_MAX - 3 * PAGE_SIZE + 1), top, PAGE_SIZE);
    assert_false(ranges_alloc(&set, &range[0], PAGE_SIZE, PAGE_SIZE, vaddr(0)));
    assert_false(ranges_alloc(&set, &range[0], UINT64_MAX - PAGE_SIZE, 1, vaddr(0)));
    assert_true(ranges_alloc(&set, &range[0], PAGE_SIZE - 1, PAGE_SIZE, vaddr(0)));
    assert_int_equal(range[0].begin, UINT64_MAX - 2 * PAGE_SIZE + 1);
}

// 1.44 log2 n: whatever the order, ascending, descending or from both ends.
static void the_tree_stays_low(void **state) {
    (void)state;
    const uint64_t count = 1 << 16;
    struct range *many = calloc(count, sizeof(*many));
    for (unsigned order = 0; order < 3; order++) {
        ranges_init(&set, vaddr(0), vaddr(2 * count), 0);
        for (uint64_t i = 0; i < count; i++) {
            uint64_t place = order == 0   ? i
                             : order == 1 ? count - 1 - i
                             : i % 2 == 0 ? i / 2
                                          : count - 1 - i / 2;
            assert_true(ranges_insert(&set, &many[i], vaddr(2 * place), vaddr(2 * place + 1)));
        }
        assert_null(ranges_check(&set));
        assert_true(set.root->height <= 23); // 1.44 * 16
        for (uint64_t i = 0; i < count; i++) {
            ranges_remove(&set, &many[i]);
        }
        assert_null(set.root);
        assert_int_equal(set.count, 0);
    }
    free(many);
}

// The walker itself: it finds each kind of damage.
static void damage_is_found(void **state) {
    (void)state;
    struct range range[3] = {0};
    ranges_init(&set, vaddr(0), vaddr(100), 0);
    for (uint64_t i = 0; i < 3; i++) {
        assert_true(ranges_insert(&set, &range[i], vaddr(10 * i), vaddr(10 * i + 5)));
    }
    assert_null(ranges_check(&set));
    set.count = 4;
    assert_string_equal(ranges_check(&set), "there are not as many ranges as are counted");
    set.count = 3;
    set.end = 20;
    assert_string_equal(ranges_check(&set), "a range lies outside of its set");
    set.end = 100;
    range[1].gap = 6;
    assert_string_equal(ranges_check(&set), "what a range knows of those below it is wrong");
    range[1].gap = 5;
    range[0].parent = &range[2];
    assert_string_equal(ranges_check(&set), "a range's parent is not the one that it hangs from");
    range[0].parent = &range[1];
    range[1].child[0] = &range[2];
    range[1].child[1] = &range[0];
    assert_string_equal(ranges_check(&set), "ranges are not in the order of where they begin");
    range[1].child[0] = &range[0];
    range[1].child[1] = NULL;
    range[0].height = 2;
    assert_string_equal(ranges_check(&set), "the tree of ranges is out of balance");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations),
        cmocka_unit_test(ranges_that_overlap),
        cmocka_unit_test(the_ends_of_the_address_space),
        cmocka_unit_test(the_tree_stays_low),
        cmocka_unit_test(damage_is_found),
    };
    return cmocka_run_group_tests_name("ranges", tests, NULL, NULL);
}
