// SPDX-License-Identifier: MIT
// Showing what can be written and what can be executed.
#include <paging/audit.h>
#include <paging/fault.h>
#include <paging/mappings.h>
#include <paging/wx.h>

#define BOTH    ((unsigned)(WALK_CAN_WRITE | WALK_CAN_EXECUTE))
#define CLASSES (BOTH + 1) // a class for each way to have these two permissions

// Bytes by class.
struct totals {
    uint64_t bytes[CLASSES];
};

static uint64_t run_bytes(const struct walk_run *run) {
    return run->last.value - run->begin.value + 1;
}

static enum layout_area area_of(const struct kernel *kernel, const struct walk_run *run) {
    return layout_find(&kernel->layout, run->begin);
}

// Neighbours in one area that differ in their frames, the sizes of their pages and how they are
// cached: all one here.
static bool is_alike(const struct kernel *kernel, const struct walk_run *run,
                     const struct walk_run *next) {
    return next->begin.value == run->last.value + 1 && next->permissions == run->permissions &&
           area_of(kernel, next) == area_of(kernel, run);
}

static void print_size(struct text *out, uint64_t bytes) {
    char size[24];
    struct text_buffer buffer;
    text_buffer_init(&buffer, size, sizeof(size));
    text_size(&buffer.text, bytes);
    text_printf(out, "%9s", size);
}

static void print_run(struct text *out, const struct walk_run *run, const char *name) {
    text_printf(out, "  [0x%016lx, 0x%016lx]  %s  ", run->begin.value, run->last.value,
                walk_permission_name(run->permissions));
    print_size(out, run_bytes(run));
    text_printf(out, "  %s\n", name);
}

// What is mapped in [0, last], by the tables that `walker` reads. `name`: what all of it is; NULL:
// the area of the layout says so.
static void print_runs(struct text *out, const struct kernel *kernel, const struct walker *walker,
                       uint64_t last, const char *name, struct totals *totals) {
    struct walk_run run, next;
    bool more = mappings_next(&run, kernel, walker, 0) && run.begin.value <= last;
    while (more) {
        more = run.last.value < last && mappings_next(&next, kernel, walker, run.last.value + 1) &&
               next.begin.value <= last;
        if (more && is_alike(kernel, &run, &next)) {
            run.last = next.last;
            continue;
        }
        totals->bytes[run.permissions & BOTH] += run_bytes(&run);
        print_run(out, &run, name != NULL ? name : layout_area_name(area_of(kernel, &run)));
        run = next;
    }
}

static void print_totals(struct text *out, const struct totals *totals) {
    static const struct {
        unsigned permissions;
        const char *words;
    } classes[CLASSES] = {
        {0, "only be read"},
        {WALK_CAN_WRITE, "be written"},
        {WALK_CAN_EXECUTE, "be executed"},
        {BOTH, "be written and executed"},
    };
    text_puts(out, "  in all:\n");
    for (unsigned i = 0; i < CLASSES; i++) {
        uint64_t bytes = totals->bytes[classes[i].permissions];
        text_printf(out, "    %s %12lu bytes  ", walk_permission_name(classes[i].permissions),
                    bytes);
        print_size(out, bytes);
        text_printf(out, "  can %s\n", classes[i].words);
    }
}

// A breach, by its address and whose that is; the others are counted only.
struct breaches {
    struct text *out;
    struct kernel *kernel;
    uint64_t count;
};

static void print_breach(void *context, const struct audit_breach *breach) {
    struct breaches *breaches = context;
    if (breaches->count++ == 0) {
        text_puts(breaches->out, "  breaches:\n");
    }
    text_printf(breaches->out, "    [0x%016lx, 0x%016lx]  ", breach->begin.value,
                breach->last.value);
    layout_describe(breaches->out, &breaches->kernel->layout, breach->begin);
    if (breach->rule == AUDIT_CODE_ALIAS) {
        text_printf(breaches->out, ",\n      code that can be written at 0x%016lx",
                    breach->alias.value);
    }
    text_puts(breaches->out, "\n");
}

// Only the user half is theirs; the kernel's is shared.
static void print_runtime(struct text *out, struct kernel *kernel) {
    struct totals totals = {{0}};
    struct walker walker = paging_walker(kernel);
    if (kernel->runtime.state != RUNTIME_READY) {
        text_puts(out, "the firmware's runtime services: nothing is mapped for them now\n");
        return;
    }
    walker.root = paddr_of(kernel->runtime.tables.root);
    text_puts(out, "the firmware's runtime services, mapped while one of them is called:\n");
    print_runs(out, kernel, &walker, LAYOUT_USER_END - 1, "runtime services", &totals);
    if (totals.bytes[BOTH] == 0) {
        text_puts(out, "  nothing of it can be written and executed\n");
        return;
    }
    text_puts(out, "  ");
    text_size(out, totals.bytes[BOTH]);
    text_puts(out, kernel->runtime.attribute_entries == 0
                       ? " can be written and executed: there is no memory attributes table\n"
                       : " can be written and executed, as the memory attributes table has it\n");
}

void wx_print(struct text *out, struct kernel *kernel) {
    struct walker walker = paging_walker(kernel);
    struct totals totals = {{0}};
    struct breaches breaches = {out, kernel, 0};
    struct audit audit;
    if (!kernel->own_tables) {
        text_puts(out, "wx: none, the loader's page tables are in use\n");
        return;
    }
    text_heading(out, "what can be written, and what can be executed");
    text_puts(out, "\n");
    print_runs(out, kernel, &walker, UINT64_MAX, NULL, &totals);
    print_totals(out, &totals);
    audit_run(&audit, kernel, print_breach, &breaches);
    if (breaches.count == 0) {
        text_puts(out, "  breaches: none\n");
    }
    print_runtime(out, kernel);
    if (!walker.no_execute) {
        text_puts(out, "wx: without NX all of it can be executed: nothing is promised\n");
    } else {
        text_printf(out, "wx: %s, %lu writable-executable, %lu code-alias\n",
                    breaches.count == 0 ? "ok" : "FAILED", audit.broken[AUDIT_WRITABLE_EXECUTABLE],
                    audit.broken[AUDIT_CODE_ALIAS]);
    }
}
