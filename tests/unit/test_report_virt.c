// SPDX-License-Identifier: MIT
// What is said about windows of kernel addresses.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "virt_world.h"
#include <host/host.h>
#include <mm/ioremap.h>
#include <mm/report.h>
#include <stdio.h>
#include <string.h>

static struct virt_world virt;
static struct vm_window window;
static struct ioremap io;
static char said[2048];
static struct text_buffer buffer;

static int create(void **state) {
    (void)state;
    virt_create(&virt, 16 * MIB, GIB);
    vm_window_init(&window, &virt.kernel, &virt.world.pages, vaddr(VIRT_BEGIN),
                   vaddr(VIRT_BEGIN + GIB));
    ioremap_init(&io, &window);
    text_buffer_init(&buffer, said, sizeof(said));
    host_code_name = "someone";
    return 0;
}

static int destroy(void **state) {
    (void)state;
    host_code_name = NULL;
    vm_window_trim(&window);
    virt_destroy(&virt);
    return 0;
}

static void an_empty_window(void **state) {
    (void)state;
    report_window(&buffer.text, "vmalloc", &window);
    record_window(&buffer.text, "vmalloc", &window);
    assert_string_equal(
        said, "vmalloc: 0 blocks in use, 0 bytes; 0 places kept, 0 pages to be flushed\n");
}

static void blocks_of_each_kind(void **state) {
    (void)state;
    void *memory = vmalloc(&window, 3 * PAGE_SIZE);
    void *freed = vmalloc(&window, 5 * PAGE_SIZE);
    void *device = ioremap(&io, paddr(0xfed00000), PAGE_SIZE, PAGING_UC, NULL);
    void *screen = ioremap(&io, paddr(0xfd000000), 64 * PAGE_SIZE, PAGING_WC, NULL);
    void *second = ioremap(&io, paddr(0xfed00000), PAGE_SIZE, PAGING_UC, NULL);
    vfree(&window, freed);
    iounmap(&io, second);
    report_window(&buffer.text, "mmio", &window);
    assert_string_equal(
        said, "mmio: 3 blocks in use, 272 KiB; 1 places kept, 5 pages to be flushed\n"
              "  [0xffffc00000001000, 0xffffc00000004000)       3 pages  vmalloc by someone+0x11\n"
              "  [0xffffc0000000b000, 0xffffc0000000c000)       1 page   ioremap physical "
              "0xfed00000, uncached, by someone+0x11\n"
              "  [0xffffc0000000d000, 0xffffc0000004d000)      64 pages  ioremap physical "
              "0xfd000000, write-combining, by someone+0x11\n");
    text_buffer_init(&buffer, said, sizeof(said));
    struct paging_range page;
    assert_true(tables_query(&virt.kernel, vaddr((uintptr_t)memory), &page));
    record_window(&buffer.text, "mmio", &window);
    char expected[1024];
    snprintf(expected, sizeof(expected),
             "{\"record\":\"vm\",\"window\":\"mmio\",\"start\":\"0xffffc00000001000\",\"pages\":3,"
             "\"kind\":\"vmalloc\",\"physical\":\"0x%lx\",\"cache\":\"write-back\","
             "\"caller\":\"someone+0x11\"}\n"
             "{\"record\":\"vm\",\"window\":\"mmio\",\"start\":\"0xffffc0000000b000\",\"pages\":1,"
             "\"kind\":\"ioremap\",\"physical\":\"0xfed00000\",\"cache\":\"uncached\","
             "\"caller\":\"someone+0x11\"}\n"
             "{\"record\":\"vm\",\"window\":\"mmio\",\"start\":\"0xffffc0000000d000\",\"pages\":64,"
             "\"kind\":\"ioremap\",\"physical\":\"0xfd000000\",\"cache\":\"write-combining\","
             "\"caller\":\"someone+0x11\"}\n",
             page.to.value);
    assert_string_equal(said, expected);
    iounmap(&io, screen);
    iounmap(&io, device);
    vfree(&window, memory);
}

static void places_where_nothing_may_be(void **state) {
    (void)state;
    void *held = vmalloc(&window, 2 * PAGE_SIZE);
    vm_hold(&window, held);
    report_window(&buffer.text, "stacks", &window);
    assert_string_equal(said, "stacks: 0 blocks in use, 0 bytes; 0 places kept, 0 pages to be "
                              "flushed, 1 places where nothing may be\n");
    vm_let_go(&window, held);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_window, create, destroy),
        cmocka_unit_test_setup_teardown(blocks_of_each_kind, create, destroy),
        cmocka_unit_test_setup_teardown(places_where_nothing_may_be, create, destroy),
    };
    return cmocka_run_group_tests_name("report_virt", tests, NULL, NULL);
}
