// SPDX-License-Identifier: MIT
// Showing the CPUs.
#include <mm/report.h>
#include <monitor/cpus.h>

// What is counted of them.
struct counts {
    unsigned all, enabled, possible;
    bool this_one; // is among them
};

static void count_cpus(const struct kernel *kernel, struct counts *counts) {
    struct acpi_cpu cpu;
    for (uint64_t at = 0; acpi_next_cpu(&kernel->acpi, &at, &cpu);) {
        counts->all++;
        counts->enabled += cpu.enabled;
        counts->possible += cpu.can_be_enabled;
        counts->this_one |= cpu.apic_id == kernel->cpu.apic_id;
    }
}

static const char *state_of(const struct kernel *kernel, const struct acpi_cpu *cpu) {
    if (cpu->apic_id == kernel->cpu.apic_id) {
        return "runs: this is CPU 0 of Strata";
    }
    if (cpu->enabled) {
        return "enabled; not started, as the firmware left it";
    }
    return cpu->can_be_enabled ? "not there; can be plugged in" : "not there";
}

static void print_list(struct text *out, const struct kernel *kernel) {
    struct acpi_cpu cpu;
    text_puts(out, "     APIC ID        node  state\n");
    for (uint64_t at = 0; acpi_next_cpu(&kernel->acpi, &at, &cpu);) {
        text_printf(out, "  %10u  ", cpu.apic_id);
        if (cpu.has_node) {
            text_printf(out, "%10u", cpu.node);
        } else {
            text_printf(out, "%10s", "-");
        }
        text_printf(out, "  %s\n", state_of(kernel, &cpu));
    }
}

static void print_all(struct text *out, const struct kernel *kernel) {
    struct counts counts = {0};
    count_cpus(kernel, &counts);
    text_heading(out, "CPUs:");
    if (counts.all == 0) {
        text_puts(out, " the ACPI tables name none");
    } else {
        text_printf(out, " %u enabled, %u more can be plugged in", counts.enabled, counts.possible);
    }
    text_puts(out, "; only one runs\n");
    if (counts.all != 0) {
        print_list(out, kernel);
    }
    if (!counts.this_one) {
        text_printf(out, "  the one that runs, APIC ID %u, is not among them\n",
                    kernel->cpu.apic_id);
    }
}

static void print_this(struct text *out, const struct kernel *kernel) {
    const struct cpu_features *cpu = &kernel->cpu;
    text_heading(out, "this one:");
    text_printf(out, " %s\n  %s family %u model %u stepping %u", cpu_name(cpu), cpu->vendor,
                cpu->family, cpu->model, cpu->stepping);
    if (cpu->hypervisor[0] != '\0') {
        text_printf(out, ", under %s", cpu->hypervisor);
    }
    text_printf(out,
                "\n  addresses: %u bits physical, %u virtual, of which %u paging levels use %u\n",
                cpu->physical_bits, cpu->virtual_bits, kernel->info->paging_levels,
                kernel->info->paging_levels == 5 ? 57u : 48u);
    text_printf(out, "  page sizes: 4 KiB, 2 MiB%s\n",
                cpu_has(cpu, CPU_FEATURE_GIB_PAGES) ? ", 1 GiB" : "");
    cpu_features_lists(out, cpu);
    text_puts(out, "  ");
    controls_report(out, &kernel->controls);
    text_printf(out, "  cr0 %lx  cr3 %lx  cr4 %lx\n", cpu_read_cr0(), cpu_read_cr3(),
                cpu_read_cr4());
    text_printf(out, "  %lu stray interrupts; serial: input was lost %lu times\n",
                kernel->stray_interrupts, kernel->serial.overruns);
}

void cpus_print(struct text *out, struct kernel *kernel) {
    print_all(out, kernel);
    print_this(out, kernel);
    for (unsigned cpu = 0; cpu < PORT_CPU_MAX; cpu++) {
        if (!report_cpu(out, &kernel->pages, &kernel->kmalloc.heap, cpu) && cpu == port_cpu()) {
            text_printf(out, "CPU %u keeps nothing for itself now\n", cpu);
        }
    }
}
