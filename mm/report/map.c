// SPDX-License-Identifier: MIT
// The firmware's map, the regions and the findings, as text and as records.
//
// The lines of the firmware's map are those that Linux prints ("efi: mem07: …"), so that tools and
// eyes that know them can read ours; only the end of a line differs: it gives the pages, which
// cannot be told from the range when the descriptor is empty or wraps.
#include <mm/report.h>

static const char *const type_names[EFI_TYPE_COUNT_] = {
    [EFI_RESERVED] = "Reserved",
    [EFI_LOADER_CODE] = "Loader code",
    [EFI_LOADER_DATA] = "Loader data",
    [EFI_BOOT_SERVICES_CODE] = "Boot services code",
    [EFI_BOOT_SERVICES_DATA] = "Boot services data",
    [EFI_RUNTIME_SERVICES_CODE] = "Runtime code",
    [EFI_RUNTIME_SERVICES_DATA] = "Runtime data",
    [EFI_CONVENTIONAL] = "Conventional",
    [EFI_UNUSABLE] = "Unusable",
    [EFI_ACPI_RECLAIM] = "ACPI reclaim",
    [EFI_ACPI_NVS] = "ACPI NVS",
    [EFI_MMIO] = "MMIO",
    [EFI_MMIO_PORT_SPACE] = "MMIO port space",
    [EFI_PAL_CODE] = "PAL code",
    [EFI_PERSISTENT] = "Persistent",
    [EFI_UNACCEPTED] = "Unaccepted",
};

const char *efi_type_name(uint32_t type) {
    return type < EFI_TYPE_COUNT_ ? type_names[type] : "unknown";
}

struct attribute_name {
    uint64_t bit;
    const char *name;
};

static const struct attribute_name attribute_names[] = {
    {EFI_ATTRIBUTE_UC, "UC"},           {EFI_ATTRIBUTE_WC, "WC"},
    {EFI_ATTRIBUTE_WT, "WT"},           {EFI_ATTRIBUTE_WB, "WB"},
    {EFI_ATTRIBUTE_UCE, "UCE"},         {EFI_ATTRIBUTE_WP, "WP"},
    {EFI_ATTRIBUTE_RP, "RP"},           {EFI_ATTRIBUTE_XP, "XP"},
    {EFI_ATTRIBUTE_NV, "NV"},           {EFI_ATTRIBUTE_MORE_RELIABLE, "MR"},
    {EFI_ATTRIBUTE_RO, "RO"},           {EFI_ATTRIBUTE_SP, "SP"},
    {EFI_ATTRIBUTE_CPU_CRYPTO, "CC"},   {EFI_ATTRIBUTE_HOT_PLUGGABLE, "HP"},
    {EFI_ATTRIBUTE_RUNTIME, "RUNTIME"},
};
#define ATTRIBUTE_NAMES (sizeof(attribute_names) / sizeof(attribute_names[0]))

char *efi_attribute_names(uint64_t attributes, char *buffer) {
    struct text_buffer out;
    text_buffer_init(&out, buffer, 96);
    const char *separator = "";
    for (size_t i = 0; i < ATTRIBUTE_NAMES; i++) {
        if ((attributes & attribute_names[i].bit) != 0) {
            text_printf(&out.text, "%s%s", separator, attribute_names[i].name);
            attributes &= ~attribute_names[i].bit;
            separator = "|";
        }
    }
    if (attributes != 0 || out.length == 0) {
        text_printf(&out.text, "%s0x%lx", separator, attributes);
    }
    return buffer;
}

// The columns of a line of the map, as Linux orders them; what has no column is given as a number.
static const struct attribute_name columns[] = {
    {EFI_ATTRIBUTE_RUNTIME, "RUN"},   {EFI_ATTRIBUTE_MORE_RELIABLE, "MR"},
    {EFI_ATTRIBUTE_CPU_CRYPTO, "CC"}, {EFI_ATTRIBUTE_SP, "SP"},
    {EFI_ATTRIBUTE_NV, "NV"},         {EFI_ATTRIBUTE_XP, "XP"},
    {EFI_ATTRIBUTE_RP, "RP"},         {EFI_ATTRIBUTE_WP, "WP"},
    {EFI_ATTRIBUTE_RO, "RO"},         {EFI_ATTRIBUTE_UCE, "UCE"},
    {EFI_ATTRIBUTE_WB, "WB"},         {EFI_ATTRIBUTE_WT, "WT"},
    {EFI_ATTRIBUTE_WC, "WC"},         {EFI_ATTRIBUTE_UC, "UC"},
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static void put_attribute_columns(struct text *out, uint64_t attributes) {
    uint64_t known = 0;
    for (size_t i = 0; i < COLUMNS; i++) {
        known |= columns[i].bit;
    }
    if ((attributes & ~known) != 0) {
        text_printf(out, "|attr=0x%016lx]", attributes);
        return;
    }
    for (size_t i = 0; i < COLUMNS; i++) {
        int width = columns[i].name[2] == '\0' ? 2 : 3;
        text_printf(out, "|%*s", width, (attributes & columns[i].bit) ? columns[i].name : "");
    }
    text_puts(out, "]");
}

static void put_descriptor(struct text *out, uint64_t index, const struct efi_descriptor *entry) {
    text_printf(out, "efi: mem%02lu: [", index);
    if (entry->type < EFI_TYPE_COUNT_) {
        text_printf(out, "%-18s", efi_type_name(entry->type));
    } else {
        text_printf(out, "type=%-13u", entry->type);
    }
    put_attribute_columns(out, entry->attributes);
    uint64_t last = entry->physical_start + entry->pages * PAGE_SIZE - 1;
    text_printf(out, " range=[0x%016lx-0x%016lx] (%lu pages)\n", entry->physical_start, last,
                entry->pages);
}

void report_efi_map(struct text *out, const struct efi_map *map) {
    uint64_t count = efi_map_count(map);
    text_heading(out, "firmware map:");
    text_printf(out, " %lu descriptors of %u bytes\n", count, map->stride);
    for (uint64_t i = 0; i < count; i++) {
        struct efi_descriptor entry = efi_map_entry(map, i);
        put_descriptor(out, i, &entry);
    }
}

// "  usable     [0x0000000000100000, 0x0000000007e00000) 125 MiB"
static void put_region(struct text *out, const struct memory_region *region) {
    text_printf(out, "  %-10s [0x%016lx, 0x%016lx) ", memory_class_name(region->class),
                region->begin.value, region->end.value);
    text_size(out, region->end.value - region->begin.value);
    text_puts(out, "\n");
}

static void put_class_total(struct text *out, enum memory_class class, uint64_t bytes) {
    text_printf(out, "  %-10s %lu pages, ", memory_class_name(class), bytes / PAGE_SIZE);
    text_size(out, bytes);
    text_puts(out, memory_class_is_ram(class) ? "\n" : ", not RAM\n");
}

void report_regions(struct text *out, const struct memmap *map) {
    text_heading(out, "regions:");
    text_printf(out, " %zu, described ", map->region_count);
    text_size(out, map->described_bytes);
    text_puts(out, "\n");
    for (size_t i = 0; i < map->region_count; i++) {
        put_region(out, &map->regions[i]);
    }
    text_puts(out, "by class:\n");
    for (enum memory_class class = 0; class < MEMORY_CLASS_COUNT_; class ++) {
        if (map->class_bytes[class] != 0) {
            put_class_total(out, class, map->class_bytes[class]);
        }
    }
}

static enum text_style style_of(enum finding_severity severity) {
    static const enum text_style styles[] = {TEXT_HEADING, TEXT_WARNING, TEXT_ERROR};
    return styles[severity];
}

void report_findings(struct text *out, const struct memmap *map) {
    text_heading(out, "findings:");
    text_printf(out, " %zu\n", map->finding_count + map->findings_dropped);
    for (size_t i = 0; i < map->finding_count; i++) {
        const struct finding *finding = &map->findings[i];
        text_style(out, style_of(finding->severity));
        text_printf(out, "  %s: %s: ", finding_severity_name(finding->severity),
                    finding_rule_name(finding->rule));
        text_style(out, TEXT_PLAIN);
        finding_print(out, finding);
        text_puts(out, "\n");
    }
    if (map->findings_dropped != 0) {
        text_printf(out, "  and %zu more that there was no room for\n", map->findings_dropped);
    }
}

void record_efi_map(struct text *out, const struct efi_map *map) {
    uint64_t count = efi_map_count(map);
    for (uint64_t i = 0; i < count; i++) {
        struct efi_descriptor entry = efi_map_entry(map, i);
        text_printf(out, "{\"record\":\"efi\",\"index\":%lu,\"type\":%u,\"name\":\"%s\",", i,
                    entry.type, efi_type_name(entry.type));
        text_printf(out, "\"start\":\"0x%lx\",\"pages\":%lu,\"attributes\":\"0x%lx\"}\n",
                    entry.physical_start, entry.pages, entry.attributes);
    }
}

void record_regions(struct text *out, const struct memmap *map) {
    for (size_t i = 0; i < map->region_count; i++) {
        const struct memory_region *region = &map->regions[i];
        text_printf(out,
                    "{\"record\":\"region\",\"start\":\"0x%lx\",\"end\":\"0x%lx\","
                    "\"class\":\"%s\"}\n",
                    region->begin.value, region->end.value, memory_class_name(region->class));
    }
}

void record_findings(struct text *out, const struct memmap *map) {
    for (size_t i = 0; i < map->finding_count; i++) {
        const struct finding *finding = &map->findings[i];
        char sentence[320];
        struct text_buffer line;
        text_buffer_init(&line, sentence, sizeof(sentence));
        finding_print(&line.text, finding);
        text_printf(out, "{\"record\":\"finding\",\"kind\":\"%s\",\"severity\":\"%s\",\"text\":",
                    finding_rule_name(finding->rule), finding_severity_name(finding->severity));
        text_json_string(out, sentence);
        text_puts(out, "}\n");
    }
}
