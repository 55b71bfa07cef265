// SPDX-License-Identifier: MIT
// A finding as a sentence: what was found, where, and what Strata did about it.
//
// Ranges are printed half-open, as everywhere. What each rule keeps in `detail` is set where the
// finding is made (mm/map/) and read here.
#include <mm/memmap.h>
#include <mm/report.h>

static void put_range(struct text *out, const struct finding *finding) {
    text_printf(out, "[0x%lx, 0x%lx)", finding->begin, finding->end);
}

static void put_descriptor(struct text *out, const struct finding *finding) {
    text_printf(out, "descriptor %u ", finding->descriptor[0]);
    put_range(out, finding);
}

static const char *class_name(uint64_t detail) {
    return memory_class_name((enum memory_class)(uint32_t)detail);
}

static void print_misaligned(struct text *out, const struct finding *finding) {
    put_descriptor(out, finding);
    text_puts(out, " does not lie on page boundaries: ");
    switch ((enum memory_class)finding->detail) {
    case MEMORY_USABLE:
        text_puts(out, "only its whole pages are used");
        break;
    case MEMORY_BOOTSVC:
    case MEMORY_LOADER:
    case MEMORY_ACPI:
        text_printf(out, "its whole pages are %s, the pages it cuts are reserved",
                    class_name(finding->detail));
        break;
    default:
        text_printf(out, "every page it touches is %s", class_name(finding->detail));
    }
}

static void print_beyond(struct text *out, const struct finding *finding) {
    uint64_t limit = UINT64_C(1) << finding->detail;
    text_printf(out, "descriptor %u [0x%lx … 0x%lx] ", finding->descriptor[0], finding->begin,
                finding->end);
    if (finding->begin < limit) {
        text_printf(out, "reaches beyond the %lu address bits of this CPU: cut at 0x%lx",
                    finding->detail, limit);
    } else {
        text_printf(out, "lies beyond the %lu address bits of this CPU: dropped", finding->detail);
    }
}

static void print_overlap(struct text *out, const struct finding *finding) {
    text_printf(out, "descriptors %u and %u both claim ", finding->descriptor[0],
                finding->descriptor[1]);
    put_range(out, finding);
    text_puts(out, " (");
    text_size(out, finding->end - finding->begin);
    text_printf(out, "): kept as %s, not as %s", class_name(finding->detail),
                class_name(finding->detail >> 32));
}

static void print_duplicate(struct text *out, const struct finding *finding) {
    text_printf(out, "descriptors %u and %u both describe ", finding->descriptor[0],
                finding->descriptor[1]);
    put_range(out, finding);
    text_puts(out, " (");
    text_size(out, finding->end - finding->begin);
    text_printf(out, ") as %s: counted once", class_name(finding->detail));
}

static void print_unsorted(struct text *out, const struct finding *finding) {
    text_printf(out,
                "the map is not sorted: descriptor %u begins at 0x%lx, below descriptor %u at "
                "0x%lx",
                finding->descriptor[0], finding->begin, finding->descriptor[1], finding->end);
    if (finding->detail > 1) {
        text_printf(out, ", and %lu more like it", finding->detail - 1);
    }
    text_puts(out, ": sorted");
}

static const char *type_inventor(uint64_t type) {
    if (type >= 0x80000000) {
        return "an operating system's loader made up";
    }
    return type >= 0x70000000 ? "the machine's maker made up" : "no specification defines";
}

// What a descriptor's type and attributes gave occasion to say.
static void print_kind(struct text *out, const struct finding *finding) {
    char names[96];
    const char *type = efi_type_name((uint32_t)finding->detail);
    put_descriptor(out, finding);
    switch (finding->rule) {
    case FINDING_RUNTIME_TYPE_WITHOUT_ATTRIBUTE:
        text_printf(out, " is %s without the RUNTIME attribute: kept as runtime all the same",
                    type);
        break;
    case FINDING_RUNTIME_ATTRIBUTE_ON_OTHER_TYPE:
        text_printf(out, " is %s with the RUNTIME attribute: kept as %s", type,
                    class_name(finding->detail >> 32));
        break;
    case FINDING_RAM_WITHOUT_WB:
        text_printf(out, " is RAM that cannot be cached write-back (attributes %s): reserved",
                    efi_attribute_names(finding->detail, names));
        break;
    case FINDING_SPECIAL_PURPOSE:
        text_puts(out, " is special-purpose memory: ");
        text_puts(out, finding->detail == MEMORY_SPECIAL ? "kept (special=use gives it out)"
                                                         : class_name(finding->detail));
        break;
    case FINDING_UNACCEPTED:
        text_puts(out, " was not accepted from the host: it must not be touched, and is kept");
        break;
    case FINDING_UNKNOWN_TYPE:
        text_printf(out, " has type 0x%lx, which %s: reserved", finding->detail,
                    type_inventor(finding->detail));
        break;
    default:
        text_printf(out, " has attribute bits 0x%lx that no specification defines: ignored",
                    finding->detail);
    }
}

static void print_attributes_entry(struct text *out, const struct finding *finding) {
    static const char *const why[] = {
        [ATTRIBUTES_VALID] = "is valid",
        [ATTRIBUTES_NO_HOME] = "is not inside one runtime descriptor of its type",
        [ATTRIBUTES_WRONG_TYPE] = "is neither runtime code nor runtime data",
        [ATTRIBUTES_NO_PAGES] = "is empty or not page-aligned",
        [ATTRIBUTES_NO_PERMISSION] = "is neither read-only nor execute-protected",
    };
    text_printf(out, "memory attributes table: entry %u ", (uint32_t)finding->detail);
    put_range(out, finding);
    text_printf(out, " %s: not applied", why[finding->detail >> 32]);
}

// The findings about the map as a whole.
static void print_whole_map(struct text *out, const struct finding *finding) {
    switch (finding->rule) {
    case FINDING_BAD_STRIDE:
        text_printf(out,
                    "descriptors stand %lu bytes apart, less than one is long: nothing was read",
                    finding->detail);
        break;
    case FINDING_TRAILING_BYTES:
        text_printf(out, "the map ends in %lu bytes that are no whole descriptor: ignored",
                    finding->detail);
        break;
    default:
        text_puts(out, "the map holds no descriptor");
    }
}

// `begin` is where it lies, `end` how far of it could be read, `detail` the length that it claims.
static void print_bad_table(struct text *out, const struct finding *finding) {
    if (finding->begin == finding->end) {
        text_printf(out, "a table at 0x%lx does not lie in memory that the map names: not used",
                    finding->begin);
    } else {
        text_printf(out, "table %s at 0x%lx cannot be the %lu bytes long that it says: not used",
                    finding->name, finding->begin, finding->detail);
    }
}

// The findings that are made after the conversion.
static void print_later_check(struct text *out, const struct finding *finding) {
    switch (finding->rule) {
    case FINDING_RAM_UNCACHED_BY_MTRR:
        put_range(out, finding);
        text_printf(out, " is %s memory that the MTRRs make uncached: reserved",
                    class_name(finding->detail));
        break;
    case FINDING_TABLE_IN_USABLE_MEMORY:
        text_printf(out, "table %s ", finding->name);
        put_range(out, finding);
        text_printf(out, " lies in %s memory, which would be given out: its pages are kept",
                    class_name(finding->detail));
        break;
    case FINDING_BAD_ATTRIBUTES_TABLE:
        text_printf(out,
                    "memory attributes table (version %lu, %lu bytes): its header is wrong: not "
                    "applied",
                    finding->detail, finding->end);
        break;
    case FINDING_BAD_CHECKSUM:
        text_printf(out, "table %s ", finding->name);
        put_range(out, finding);
        text_puts(out, " has a wrong checksum");
        break;
    case FINDING_BAD_TABLE:
        print_bad_table(out, finding);
        break;
    default:
        text_printf(out, "the %s window ", finding->name);
        put_range(out, finding);
        text_printf(out, " lies in %s memory: taken for device registers",
                    class_name(finding->detail));
    }
}

// A range and its size: what is compared with the map may be in no descriptor.
static void put_sized_range(struct text *out, const struct finding *finding) {
    put_range(out, finding);
    text_puts(out, " (");
    text_size(out, finding->end - finding->begin);
    text_puts(out, ")");
}

static void print_node(struct text *out, const struct finding *finding) {
    uint64_t class = finding->detail >> 32;
    text_printf(out, "table SRAT: node %u has ", (uint32_t)finding->detail);
    put_sized_range(out, finding);
    if (class == MEMORY_CLASS_COUNT_) {
        text_puts(out, ", of which the map says nothing: not used");
    } else {
        text_printf(out, ", which the map calls %s: kept so", class_name(class));
    }
}

static void print_memory_size(struct text *out, const struct finding *finding) {
    text_puts(out, "SMBIOS: ");
    text_size(out, finding->begin);
    text_puts(out, " of memory are installed, ");
    switch ((enum memory_size_defect)finding->detail) {
    case MEMORY_SIZE_TOO_MUCH:
        text_puts(out, "but the map describes ");
        text_size(out, finding->end);
        text_puts(out, " of RAM: the map is believed");
        break;
    case MEMORY_SIZE_MISSING:
        text_puts(out, "of which the map describes no more than ");
        text_size(out, finding->end);
        text_puts(out, ": the rest is not used");
        break;
    default:
        text_puts(out, "but ");
        text_size(out, finding->end);
        text_puts(out, " of addresses are given to them: the map is believed");
    }
}

// The findings that are made by comparing the map with other tables.
static void print_comparison(struct text *out, const struct finding *finding) {
    switch (finding->rule) {
    case FINDING_NODE_OUTSIDE_RAM:
        print_node(out, finding);
        break;
    case FINDING_MEMORY_SIZE:
        print_memory_size(out, finding);
        break;
    default:
        put_sized_range(out, finding);
        text_puts(out, " is RAM that the table SRAT gives to no node: used all the same");
    }
}

void finding_print(struct text *out, const struct finding *finding) {
    switch (finding->rule) {
    case FINDING_BAD_STRIDE:
    case FINDING_TRAILING_BYTES:
    case FINDING_EMPTY_MAP:
        print_whole_map(out, finding);
        break;
    case FINDING_ZERO_LENGTH:
        text_printf(out, "descriptor %u (%s at 0x%lx) has no pages: dropped",
                    finding->descriptor[0], efi_type_name((uint32_t)finding->detail),
                    finding->begin);
        break;
    case FINDING_WRAPS:
        text_printf(out,
                    "descriptor %u at 0x%lx has 0x%lx pages, past the top of the address space: "
                    "dropped",
                    finding->descriptor[0], finding->begin, finding->detail);
        break;
    case FINDING_MISALIGNED:
        print_misaligned(out, finding);
        break;
    case FINDING_BEYOND_PHYSICAL_WIDTH:
        print_beyond(out, finding);
        break;
    case FINDING_UNSORTED:
        print_unsorted(out, finding);
        break;
    case FINDING_OVERLAP:
        print_overlap(out, finding);
        break;
    case FINDING_DUPLICATE:
        print_duplicate(out, finding);
        break;
    case FINDING_ATTRIBUTES_ENTRY_OUTSIDE:
        print_attributes_entry(out, finding);
        break;
    case FINDING_RAM_UNCACHED_BY_MTRR:
    case FINDING_TABLE_IN_USABLE_MEMORY:
    case FINDING_BAD_ATTRIBUTES_TABLE:
    case FINDING_BAD_CHECKSUM:
    case FINDING_BAD_TABLE:
    case FINDING_WINDOW_IN_RAM:
        print_later_check(out, finding);
        break;
    case FINDING_RAM_OUTSIDE_NODES:
    case FINDING_NODE_OUTSIDE_RAM:
    case FINDING_MEMORY_SIZE:
        print_comparison(out, finding);
        break;
    default:
        print_kind(out, finding);
    }
}
