// SPDX-License-Identifier: MIT
// The boot's phases: kept, and shown.
#include <phases.h>
#include <x86/cpu.h>

void phases_init(struct phases *phases, const struct clock *clock) {
    phases->clock = clock;
    phases->count = 0;
}

void phases_add(struct phases *phases, const char *name, uint64_t begin, uint64_t end) {
    if (phases->count < PHASE_MAX && begin <= end) {
        phases->list[phases->count++] = (struct phase){name, begin, end};
    }
}

void phases_end(struct phases *phases, const char *name) {
    uint64_t begin = phases->clock->entry;
    if (phases->count != 0 && phases->list[phases->count - 1].end > begin) {
        begin = phases->list[phases->count - 1].end;
    }
    phases_add(phases, name, begin, cpu_tsc());
}

// Ticks from the kernel's entry to the end of a phase; false for what came before the entry.
static bool since_entry(const struct phases *phases, const struct phase *phase, uint64_t *ticks) {
    *ticks = phase->end - phases->clock->entry;
    return phase->begin >= phases->clock->entry;
}

void phases_report(struct text *out, const struct phases *phases) {
    text_printf(out, "phases (time stamp counter: %lu kHz, %s)\n", phases->clock->khz,
                phases->clock->source);
    text_puts(out, "  name                 microseconds            ticks   ticks since entry\n");
    for (size_t i = 0; i < phases->count; i++) {
        const struct phase *phase = &phases->list[i];
        uint64_t ticks = phase->end - phase->begin, total;
        text_printf(out, "  %-18s %14lu %16lu", phase->name,
                    clock_microseconds(phases->clock, ticks), ticks);
        if (since_entry(phases, phase, &total)) {
            text_printf(out, " %19lu\n", total);
        } else {
            text_puts(out, "                   -\n");
        }
    }
}

void phases_record(struct text *out, const struct phases *phases) {
    for (size_t i = 0; i < phases->count; i++) {
        const struct phase *phase = &phases->list[i];
        uint64_t ticks = phase->end - phase->begin, total;
        text_puts(out, "{\"record\":\"phase\",\"name\":");
        text_json_string(out, phase->name);
        text_printf(out, ",\"microseconds\":%lu,\"instructions\":null,\"ticks\":\"0x%lx\"",
                    clock_microseconds(phases->clock, ticks), ticks);
        if (since_entry(phases, phase, &total)) {
            text_printf(out, ",\"ticks_since_entry\":\"0x%lx\"}\n", total);
        } else {
            text_puts(out, ",\"ticks_since_entry\":null}\n");
        }
    }
}
