// SPDX-License-Identifier: MIT
// What a watch knows, as text and as records.
#include <mm/report.h>

void report_caller(struct text *out, uint32_t caller) {
    uint32_t into;
    if (caller == 0) {
        text_puts(out, "unknown");
        return;
    }
    // The call itself lies before the address that it returns to.
    const char *name = port_code_name(caller - 1, &into);
    if (name != NULL) {
        text_printf(out, "%s+0x%x", name, into + 1);
    } else {
        text_printf(out, "text+0x%x", caller);
    }
}

static void report_site(struct text *out, const struct page_site *site) {
    text_printf(out, "  %9lu pages in %7lu blocks  ", site->pages, site->blocks);
}

void report_sites(struct text *out, const struct page_site *sites, size_t count,
                  const struct page_site *rest) {
    text_printf(out, "allocated and not freed, by who asked for it (%zu places)\n", count);
    for (size_t i = 0; i < count; i++) {
        report_site(out, &sites[i]);
        text_printf(out, "%-10s  ", page_owner_name((enum page_owner)sites[i].owner));
        report_caller(out, sites[i].caller);
        text_puts(out, "\n");
    }
    if (rest->blocks != 0) {
        report_site(out, rest);
        text_puts(out, "            others\n");
    }
}

void report_failures(struct text *out, const struct page_watch *watch) {
    if (watch == NULL || watch->failures.failing == PAGE_FAIL_NEVER) {
        text_puts(out, "no request is made to fail\n");
        return;
    }
    const struct page_failures *failures = &watch->failures;
    text_printf(out, "made to fail: %s:%lu", page_failing_name(failures->failing), failures->n);
    if (failures->failing == PAGE_FAIL_RANDOM) {
        text_printf(out, ":0x%lx", failures->seed);
    }
    text_printf(out, "; %lu of %lu requests so far\n", failures->injected, failures->requests);
}

static uint64_t kept(const struct page_trace *trace) {
    return trace->recorded < trace->capacity ? trace->recorded : trace->capacity;
}

void report_trace(struct text *out, const struct page_watch *watch) {
    if (watch == NULL || watch->trace.capacity == 0) {
        text_puts(out, "nothing is recorded\n");
        return;
    }
    const struct page_trace *trace = &watch->trace;
    text_printf(out, "%s: %lu events, of which the last %lu are kept; room for %lu\n",
                trace->recording ? "recording" : "recorded", trace->recorded, kept(trace),
                trace->capacity);
}

static void record_section(struct text *out, const struct page_start_section *section) {
    text_printf(out, "{\"record\":\"trace-section\",\"index\":%u,\"state\":\"%s\"", section->index,
                section_kind_name((enum section_kind)section->kind));
    if (section->kind == SECTION_SPLIT) {
        text_printf(out, ",\"span\":%u,\"own_metadata\":%s", section->span,
                    section->own_metadata ? "true" : "false");
    } else if (section->kind == SECTION_TAKEN) {
        text_printf(out, ",\"as\":\"%s\",\"owner\":\"%s\"",
                    page_state_name((enum page_state)section->state),
                    page_owner_name((enum page_owner)section->owner));
    }
    text_puts(out, "}\n");
}

static void record_run(struct text *out, const struct page_start_run *run) {
    text_printf(out, "{\"record\":\"trace-run\",\"start\":\"0x%lx\",\"blocks\":%u,\"state\":\"%s\"",
                paddr_of(run->first).value, run->count,
                page_state_name((enum page_state)run->state));
    if (run->state == PAGE_STATE_ALLOCATED) {
        text_printf(out, ",\"order\":%u,\"owner\":\"%s\"", run->order,
                    page_owner_name((enum page_owner)run->owner));
    }
    text_puts(out, "}\n");
}

static void record_request(struct text *out, const struct page_event *event) {
    bool alloc = event->operation == PAGE_OPERATION_ALLOC;
    bool free = event->operation == PAGE_OPERATION_FREE;
    bool contig = event->operation == PAGE_OPERATION_CONTIG;
    if (alloc || free) {
        text_printf(out, ",\"order\":%u", event->order);
    }
    if (alloc || free || contig) {
        text_printf(out, ",\"owner\":\"%s\"", page_owner_name((enum page_owner)event->owner));
    }
    if (alloc || contig) {
        text_printf(out, ",\"ceiling\":\"0x%lx\"", event->ceiling.value);
    }
    if (contig) {
        text_printf(out, ",\"align\":\"0x%lx\",\"boundary\":\"0x%lx\"",
                    event->align_log == 0 ? 0 : UINT64_C(1) << event->align_log,
                    event->boundary_log == 0 ? 0 : UINT64_C(1) << event->boundary_log);
    }
    if (event->atomic) {
        text_puts(out, ",\"atomic\":true");
    }
}

static void record_event(struct text *out, const struct page_event *event) {
    text_printf(out,
                "{\"record\":\"trace-event\",\"sequence\":%lu,\"operation\":\"%s\","
                "\"status\":\"%s\",\"start\":\"0x%lx\",\"pages\":%lu",
                event->sequence, page_operation_name((enum page_operation)event->operation),
                page_status_name((enum page_status)event->status), paddr_of(event->first).value,
                event->count);
    record_request(out, event);
    if (event->injected) {
        text_puts(out, ",\"injected\":true");
    }
    text_printf(out, ",\"cpu\":%u,\"caller\":\"", event->cpu);
    report_caller(out, event->caller);
    text_puts(out, "\"}\n");
}

void record_trace(struct text *out, const struct page_watch *watch) {
    const struct page_trace *trace = &watch->trace;
    uint64_t count = kept(trace);
    text_printf(out,
                "{\"record\":\"trace\",\"sections\":%lu,\"recorded\":%lu,\"kept\":%lu,"
                "\"below_16m\":%lu,\"below_4g\":%lu,\"atomic\":%lu}\n",
                trace->section_count, trace->recorded, count, trace->reserves.below_16m,
                trace->reserves.below_4g, trace->reserves.atomic);
    for (uint64_t i = 0; i < trace->start_section_count; i++) {
        record_section(out, &trace->sections[i]);
    }
    for (uint64_t i = 0; i < trace->run_count; i++) {
        record_run(out, &trace->runs[i]);
    }
    for (uint64_t i = trace->recorded - count; i < trace->recorded; i++) {
        record_event(out, &trace->events[i % trace->capacity]);
    }
    text_printf(out, "{\"record\":\"trace-end\",\"events\":%lu}\n", count);
}
