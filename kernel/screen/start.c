// SPDX-License-Identifier: MIT
// Finding room for a screen.
#include <mm/port.h>
#include <screen/early.h>
#include <screen/start.h>

#define ORDER_MOST  8  // 1 MiB: some 1500 lines at 160 columns
#define LINES_LEAST 50 // beyond what fits the screen: with fewer there is nothing to look back at

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

void screen_start(struct kernel *kernel) {
    const char *why;
    size_t fixed = screen_bytes(&kernel->info->framebuffer, 0, &why);
    if (fixed == 0) {
        port_log(PORT_INFO, "screen: none: %s", why);
        return;
    }
    size_t least = screen_bytes(&kernel->info->framebuffer, LINES_LEAST, &why);
    pfn_t block;
    for (unsigned order = ORDER_MOST + 1; order-- > 0 && PAGE_SIZE << order >= least;) {
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
