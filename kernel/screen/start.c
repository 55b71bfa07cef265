// SPDX-License-Identifier: MIT
// Finding room for a screen.
#include <mm/port.h>
#include <screen/early.h>
#include <screen/start.h>

#define ORDER_USUAL     8    // 1 MiB: some 1500 lines at 160 columns
#define ORDER_MOST      11   // 8 MiB, for maps that have thousands of descriptors
#define SHARE_OF_MEMORY 64   // of what is free, at most so much beyond the usual
#define LINES_LEAST     50   // beyond what fits the screen: fewer are nothing to look back at
#define LINES_BESIDE    1000 // of the report: what does not grow with the map
#define WIDEST_LINE     160  // of a descriptor, and of a finding

static void begin(struct kernel *kernel, pfn_t block, unsigned order, size_t fixed) {
    const struct boot_framebuffer *framebuffer = &kernel->info->framebuffer;
    struct console *tty = &kernel->tty;
    const char *why;
    size_t line = screen_bytes(framebuffer, 1, &why) - fixed;
    unsigned lines = (unsigned)(((PAGE_SIZE << order) - fixed) / line);
    console_add_screen(tty, framebuffer, port_direct_map(paddr_of(block)), lines);
    port_log(PORT_INFO, "screen: %u x %u pixels, %u columns and %u rows of text, %u lines are kept",
             tty->screen.pixels.width, tty->screen.pixels.height, tty->screen.columns,
             tty->screen.rows, lines);
}

// How many lines the whole report takes: each descriptor and what became of it, the findings, the
// codes that repeat both.
static unsigned lines_wanted(const struct kernel *kernel) {
    struct pixels pixels;
    pixels_init(&pixels, &kernel->info->framebuffer, NULL);
    unsigned columns = pixels_columns(&pixels);
    uint64_t rows = (WIDEST_LINE + columns - 1) / columns;
    uint64_t told = efi_map_count(&kernel->firmware_map) + kernel->map.finding_count;
    return (unsigned)(LINES_BESIDE + told * rows + kernel->map.region_count + told / 2);
}

static unsigned order_to_try(struct kernel *kernel) {
    const char *why;
    size_t wanted = screen_bytes(&kernel->info->framebuffer, lines_wanted(kernel), &why);
    size_t most = page_free_count(&kernel->pages) / SHARE_OF_MEMORY;
    unsigned order = ORDER_USUAL;
    while (order < ORDER_MOST && PAGE_SIZE << order < wanted && UINT64_C(2) << order <= most) {
        order++;
    }
    return order;
}

void screen_start(struct kernel *kernel) {
    const char *why;
    size_t fixed = screen_bytes(&kernel->info->framebuffer, 0, &why);
    if (fixed == 0) {
        port_log(PORT_INFO, "screen: none: %s", why);
        return;
    }
    size_t least = screen_bytes(&kernel->info->framebuffer, LINES_LEAST, &why);
    pfn_t block;
    for (unsigned order = order_to_try(kernel) + 1; order-- > 0 && PAGE_SIZE << order >= least;) {
        if (page_alloc(&kernel->pages, order, PAGE_ANYWHERE, PAGE_OWNER_KERNEL, &block) ==
            PAGE_OK) {
            begin(kernel, block, order, fixed);
            return;
        }
    }
    port_log(PORT_WARNING, "screen: there is no memory for its text");
}

void screen_show(struct kernel *kernel) {
    if (kernel->screen == NULL) {
        kernel->screen = screen_map_early(kernel);
    }
    if (kernel->tty.screen.columns != 0 && kernel->screen != NULL) {
        console_light(&kernel->tty, kernel->screen);
    }
}
