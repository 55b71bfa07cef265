// SPDX-License-Identifier: MIT
// The part of the defect matrix that the running kernel can play: nothing panics here, so what a
// free would say is asked for (object_refusal), and what was overwritten is looked for
// (object_debug_find). tests/unit/test_object_defects.c has all of it.
#include <guard.h>
#include <kmalloc.h>
#include <mm/object_debug.h>
#include <monitor/selftest.h>
#include <string.h>

struct selftest {
    struct text *out;
    struct kmalloc *kmalloc;
    unsigned class;
    size_t size;     // of the class
    uint8_t *object; // that is misused
    uint64_t passed, failed;
};

static void expect(struct selftest *test, const char *what, bool caught) {
    test->passed += caught;
    test->failed += !caught;
    if (!caught) {
        text_printf(test->out, "  not caught: %s, %lu bytes\n", what, test->size);
    }
}

static void expect_refusal(struct selftest *test, const char *word,
                           const struct object_cache *cache, const void *address) {
    const char *refusal = object_refusal(&test->kmalloc->heap, cache, address);
    expect(test, word, refusal != NULL && strcmp(refusal, word) == 0);
}

static const char *cache_of(const void *object, const struct selftest *test) {
    const char *name = object_inspect(&test->kmalloc->heap, object).cache;
    return name != NULL ? name : "";
}

// A byte is changed; a look at everything finds it.
static void expect_found(struct selftest *test, const char *what, uint8_t *at) {
    struct object_defect defect = {.address = NULL};
    *at ^= 0xff;
    bool found = object_debug_find(&test->kmalloc->heap, &defect) && defect.address == at &&
                 strcmp(defect.cache, cache_of(test->object, test)) == 0;
    *at ^= 0xff;
    expect(test, what, found);
}

static void misuse_frees(struct selftest *test) {
    static uint8_t not_ours[64];
    struct object_heap *heap = &test->kmalloc->heap;
    const struct object_cache *other = &test->kmalloc->classes[test->size == 8 ? 1 : 0];
    expect(test, "a good free", object_refusal(heap, NULL, test->object) == NULL);
    expect_refusal(test, "interior", NULL, test->object + 1);
    expect_refusal(test, "interior", NULL, test->object + test->size - 1);
    expect_refusal(test, "wrong cache", other, test->object);
    expect_refusal(test, "foreign", NULL, not_ours);
    expect_refusal(test, "foreign", NULL, &heap);
    expect(test, "wrapping size", kmalloc_alloc(test->kmalloc, SIZE_MAX - test->size, 0) == NULL);
}

static void misuse_memory(struct selftest *test) {
    size_t size = test->size;
    expect_found(test, "+1", test->object + size);
    expect_found(test, "+8", test->object + size + 7);
    expect_found(test, "-1", test->object - 1);
    expect_found(test, "-8", test->object - 8);
    expect_found(test, "+page", test->object + size - 1 + PAGE_SIZE);
    expect_found(test, "-page", test->object - PAGE_SIZE);
}

static void misuse_freed(struct selftest *test, bool debug) {
    kmalloc_free(test->kmalloc, test->object);
    expect_refusal(test, "double free", NULL, test->object);
    if (debug) {
        bool poison = true;
        for (size_t i = 0; i < test->size; i++) {
            poison = poison && test->object[i] == OBJECT_POISON;
        }
        expect(test, "read after free", poison);
        expect_found(test, "write after free", test->object);
        expect_found(test, "write after free, last byte", test->object + test->size - 1);
    }
}

static void construct(void *object) {
    *(uint8_t *)object = 0xc0;
}

// What keeps its contents while it is free, and what has pages of its own.
static void test_other_objects(struct selftest *test, bool debug) {
    static struct object_cache cache;
    struct object_heap *heap = &test->kmalloc->heap;
    struct object_defect defect;
    test->size = 100;
    object_cache_init(&cache, heap, "selftest", test->size, 0, construct);
    test->object = object_alloc(&cache, 0);
    if (test->object != NULL) {
        expect_refusal(test, "interior", &cache, test->object + 1);
        expect_refusal(test, "wrong cache", NULL, test->object);
        object_free(&cache, test->object);
        expect_refusal(test, "double free", &cache, test->object);
        expect(test, "what it held", *test->object == 0xc0);
        test->object[50] ^= 1;
        expect(test, "write after free",
               !debug || (object_debug_find(heap, &defect) && defect.object == test->object));
        test->object[50] ^= 1;
    }
    expect(test, "a cache's end", object_cache_destroy(&cache, NULL));
    test->size = 100000;
    test->object = kmalloc_alloc(test->kmalloc, test->size, 0);
    if (test->object != NULL) {
        expect_refusal(test, "interior", NULL, test->object + 8);
        expect_refusal(test, "wrong cache", &cache, test->object);
        if (debug) {
            misuse_memory(test);
        }
        kmalloc_free(test->kmalloc, test->object);
        expect(test, "double free", object_refusal(heap, NULL, test->object) != NULL);
        if (debug) {
            expect_found(test, "write after free", test->object + test->size - 1);
        }
        object_heap_shrink(heap);
    }
}

static bool is_mapped(const void *address) {
    struct paging_range page;
    return tables_query(&strata.tables, vaddr((uint64_t)address), &page);
}

// A guarded object of the class, at one end of its pages: beside that end nothing is mapped, nor
// where it was when it is freed, and it is known whose that is.
static void misuse_guarded(struct selftest *test, struct object_guard *guard, bool at_begin) {
    const struct object_cache *cache = &test->kmalloc->classes[test->class];
    struct object_guarded found = {.object = NULL};
    object_guard_choose(guard, cache->name, at_begin);
    uint8_t *object = kmalloc_alloc(test->kmalloc, test->size, 0);
    object_guard_choose(guard, NULL, false);
    if (object == NULL || !object_inspect(&test->kmalloc->heap, object).guarded) {
        expect(test, "memory for a guard", false);
        kmalloc_free(test->kmalloc, object);
        return;
    }
    const uint8_t *over = at_begin ? object - 1 : object + test->size;
    expect(test, "over the guarded end", is_mapped(object) && !is_mapped(over));
    expect(test, "whose guard it is",
           object_guard_look(&test->kmalloc->heap, over, &found) && found.object == object &&
               found.in_use);
    kmalloc_free(test->kmalloc, object);
    expect(test, "a freed object's pages",
           !is_mapped(object) && !is_mapped(object + test->size - 1));
    expect(test, "who freed it",
           object_guard_look(&test->kmalloc->heap, object, &found) && found.object == object &&
               !found.in_use && found.freed_by != 0);
    expect_refusal(test, "double free", NULL, object);
}

static void test_guards(struct selftest *test) {
    static struct object_guard guard;
    struct object_guard_pages pages = guard_pages(&strata);
    if (!strata.own_tables) {
        return; // the loader's page tables are in use: there is no vmalloc
    }
    expect(test, "a guard", object_guard_start(&guard, &test->kmalloc->heap, &pages));
    for (test->class = 0; test->class < KMALLOC_CLASSES; test->class ++) {
        test->size = test->kmalloc->classes[test->class].wanted;
        misuse_guarded(test, &guard, false);
        misuse_guarded(test, &guard, true);
    }
    expect(test, "every invariant", object_check(&test->kmalloc->heap) == NULL);
    expect(test, "the guard's end", object_guard_end(&guard));
    vm_window_trim(&strata.vmalloc);
}

static void test_classes(struct selftest *test, bool debug) {
    const struct object_options options = {.debug = debug, .seed = 1};
    if (!kmalloc_init(test->kmalloc, &strata.pages, &options)) {
        expect(test, "memory for the test", false);
        return;
    }
    for (unsigned class = 0; class < KMALLOC_CLASSES && !console_stopped(&strata.tty); class ++) {
        test->size = test->kmalloc->classes[class].wanted;
        test->object = kmalloc_alloc(test->kmalloc, test->size, 0);
        if (test->object == NULL) {
            expect(test, "memory for the test", false);
            continue;
        }
        misuse_frees(test);
        if (debug) {
            misuse_memory(test);
        }
        misuse_freed(test, debug);
        object_heap_shrink(&test->kmalloc->heap);
    }
    expect(test, "every invariant", object_check(&test->kmalloc->heap) == NULL);
    test_other_objects(test, debug);
    if (debug) {
        test_guards(test);
    }
    for (unsigned class = 0; class < KMALLOC_CLASSES; class ++) {
        object_cache_destroy(&test->kmalloc->classes[class], NULL);
    }
    expect(test, "everything given back", object_heap_destroy(&test->kmalloc->heap));
}

void selftest_command(struct text *out, size_t count, char **arguments) {
    (void)count, (void)arguments;
    static struct kmalloc kmalloc;
    struct selftest test = {.out = out, .kmalloc = &kmalloc};
    if (strata.own_tables) { // whose first block takes a table that stays
        vfree(&strata.vmalloc, vmalloc(&strata.vmalloc, PAGE_SIZE));
        vm_window_trim(&strata.vmalloc);
    }
    page_drain(&strata.pages);
    uint64_t before = page_free_count(&strata.pages);
    test_classes(&test, false);
    test_classes(&test, true);
    page_drain(&strata.pages);
    expect(&test, "no page lost", page_free_count(&strata.pages) == before);
    if (console_stopped(&strata.tty)) {
        return;
    }
    selftest_interrupts(&test.passed, &test.failed, out);
    text_printf(out, "%lu passed, %lu failed\n", test.passed, test.failed);
}
