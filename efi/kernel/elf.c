// SPDX-License-Identifier: MIT
// Checking and loading the kernel's file. Invariants (tests/unit/test_elf.c):
//   I1  no byte outside [bytes, bytes + size) is read            every_header_byte, truncated
//   I2  no byte outside [memory, memory + end - begin) is written   every_header_byte (loads)
//   I3  an accepted image has no page that is both writable and executable, and no page twice
// All sums of numbers from the file are checked for overflow before they are compared. This file
// must never allocate and never read a field in place: nothing in the file need be aligned.
#include "elf.h"

#include <string.h>
#include <text/format.h>

struct elf_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, program_offset, section_offset;
    uint32_t flags;
    uint16_t header_bytes, program_bytes, program_count;
    uint16_t section_bytes, section_count, section_names;
};
_Static_assert(sizeof(struct elf_header) == 64, "ELF-64 object file format, figure 2");

struct elf_program {
    uint32_t type, flags;
    uint64_t offset, virtual, physical, file_bytes, memory_bytes, align;
};
_Static_assert(sizeof(struct elf_program) == 56, "ELF-64 object file format, figure 6");

struct elf_dynamic {
    uint64_t tag, value;
};

struct elf_relocation {
    uint64_t offset, info, addend;
};

enum { ELF_CLASS_64 = 2, ELF_LITTLE_ENDIAN = 1, ELF_VERSION = 1 };
enum { ELF_TYPE_DYN = 3, ELF_MACHINE_X86_64 = 62 };
enum { ELF_LOAD = 1, ELF_DYNAMIC = 2, ELF_INTERPRETER = 3, ELF_TLS = 7 };
enum { ELF_EXECUTE = 1, ELF_WRITE = 2 };
enum {
    TAG_NULL = 0,
    TAG_NEEDED = 1,
    TAG_PLT_RELOCATION_BYTES = 2,
    TAG_RELA = 7,
    TAG_RELA_BYTES = 8,
    TAG_RELA_ENTRY_BYTES = 9,
    TAG_REL = 17,
    TAG_PLT_RELOCATIONS = 23,
    TAG_RELR = 36,
};
enum { RELOCATION_RELATIVE = 8 };

struct check {
    struct elf_image *image;
    struct elf_header header;
    uint64_t align; // the largest that a segment asks for
    char *defect;
};

static bool refuse(struct check *check, const char *text, ...)
    __attribute__((format(printf, 2, 3)));

static bool refuse(struct check *check, const char *text, ...) {
    va_list arguments;
    va_start(arguments, text);
    format_list(check->defect, ELF_DEFECT_BYTES, text, arguments);
    va_end(arguments);
    return false;
}

// [offset, offset + bytes) lies in a whole of `size` bytes.
static bool fits(uint64_t offset, uint64_t bytes, uint64_t size) {
    return bytes <= size && offset <= size - bytes;
}

static bool check_header(struct check *check) {
    struct elf_image *image = check->image;
    const struct elf_header *header = &check->header;
    if (image->size < sizeof(*header)) {
        return refuse(check, "it is truncated: %zu bytes, an ELF header has %zu", image->size,
                      sizeof(*header));
    }
    memcpy(&check->header, image->bytes, sizeof(*header));
    if (memcmp(header->ident,
               "\x7f"
               "ELF",
               4) != 0) {
        return refuse(check, "it is not an ELF file: it begins with %02x %02x %02x %02x",
                      header->ident[0], header->ident[1], header->ident[2], header->ident[3]);
    }
    if (header->ident[4] != ELF_CLASS_64 || header->ident[5] != ELF_LITTLE_ENDIAN) {
        return refuse(check,
                      "wrong machine: it is not a 64-bit little-endian ELF file (class %u, data "
                      "%u at offset 4)",
                      header->ident[4], header->ident[5]);
    }
    if (header->machine != ELF_MACHINE_X86_64) {
        return refuse(check, "wrong machine: it is for machine %u, this is %u (x86-64)",
                      header->machine, ELF_MACHINE_X86_64);
    }
    if (header->ident[6] != ELF_VERSION || header->version != ELF_VERSION) {
        return refuse(check, "its ELF version is %u and %u, known is 1", header->ident[6],
                      header->version);
    }
    if (header->type != ELF_TYPE_DYN) {
        return refuse(check,
                      "its type is %u: wanted is 3, a static position-independent executable",
                      header->type);
    }
    return true;
}

static bool check_program_table(struct check *check) {
    const struct elf_header *header = &check->header;
    if (header->program_bytes != sizeof(struct elf_program)) {
        return refuse(check, "its program headers have %u bytes each, not %zu",
                      header->program_bytes, sizeof(struct elf_program));
    }
    if (header->program_count == 0) {
        return refuse(check, "it has no program headers");
    }
    uint64_t bytes = (uint64_t)header->program_count * sizeof(struct elf_program);
    if (!fits(header->program_offset, bytes, check->image->size)) {
        return refuse(check,
                      "it is truncated: %u program headers at " X64 " end beyond its %zu bytes",
                      header->program_count, header->program_offset, check->image->size);
    }
    return true;
}

static struct elf_program program_at(const struct check *check, unsigned index) {
    struct elf_program program;
    memcpy(&program, check->image->bytes + check->header.program_offset + index * sizeof(program),
           sizeof(program));
    return program;
}

// A segment's numbers by themselves.
static bool check_bounds(struct check *check, unsigned index, const struct elf_program *program) {
    uint64_t size = check->image->size, end;
    if (!fits(program->offset, program->file_bytes, size)) {
        return refuse(check,
                      "segment %u is out of bounds: " X64 " bytes at " X64
                      " of a file of %zu bytes (is it truncated?)",
                      index, program->file_bytes, program->offset, check->image->size);
    }
    if (program->file_bytes > program->memory_bytes) {
        return refuse(check, "segment %u has " X64 " bytes in the file and only " X64 " in memory",
                      index, program->file_bytes, program->memory_bytes);
    }
    if (program->memory_bytes > ELF_IMAGE_MAX) {
        return refuse(check, "segment %u is " X64 " bytes long: more than the " X64 " allowed",
                      index, program->memory_bytes, (uint64_t)ELF_IMAGE_MAX);
    }
    if (__builtin_add_overflow(program->virtual, program->memory_bytes, &end) ||
        end > UINT64_MAX - ELF_ALIGN_MAX) {
        return refuse(check, "segment %u wraps: " X64 " bytes at address " X64, index,
                      program->memory_bytes, program->virtual);
    }
    if (program->virtual % PAGE_SIZE != 0) {
        return refuse(check, "segment %u begins at " X64 ", not at a page's first byte", index,
                      program->virtual);
    }
    return true;
}

static bool check_alignment(struct check *check, unsigned index,
                            const struct elf_program *program) {
    uint64_t align = program->align;
    if (align < 2) {
        return true; // none asked for
    }
    if ((align & (align - 1)) != 0 || align > ELF_ALIGN_MAX) {
        return refuse(check, "segment %u asks for alignment " X64 ": no power of two up to " X64,
                      index, align, (uint64_t)ELF_ALIGN_MAX);
    }
    if ((program->virtual - program->offset) % align != 0) {
        return refuse(check,
                      "segment %u: address " X64 " and offset " X64
                      " disagree about its alignment " X64,
                      index, program->virtual, program->offset, align);
    }
    if (align > check->align) {
        check->align = align;
    }
    return true;
}

static uint64_t page_end(const struct elf_segment *segment) {
    return align_up(segment->begin + segment->memory_bytes, PAGE_SIZE);
}

// Takes a segment into the image, after those before it.
static bool add_segment(struct check *check, unsigned index, const struct elf_program *program) {
    struct elf_image *image = check->image;
    if ((program->flags & ELF_WRITE) != 0 && (program->flags & ELF_EXECUTE) != 0) {
        return refuse(check, "segment %u at " X64 " is both writable and executable", index,
                      program->virtual);
    }
    if (image->segment_count == ELF_SEGMENT_MAX) {
        return refuse(check, "it has more than %u segments", ELF_SEGMENT_MAX);
    }
    if (image->segment_count > 0) {
        const struct elf_segment *last = &image->segments[image->segment_count - 1];
        if (program->virtual < last->begin) {
            return refuse(check, "segment %u at " X64 " is not in ascending order", index,
                          program->virtual);
        }
        if (program->virtual < page_end(last)) {
            return refuse(check,
                          "segment %u at " X64 " overlaps the one before, which ends at " X64,
                          index, program->virtual, page_end(last));
        }
    }
    image->segments[image->segment_count++] = (struct elf_segment){
        .begin = program->virtual,
        .memory_bytes = program->memory_bytes,
        .offset = program->offset,
        .file_bytes = program->file_bytes,
        .write = (program->flags & ELF_WRITE) != 0,
        .execute = (program->flags & ELF_EXECUTE) != 0,
    };
    return true;
}

static bool check_segments(struct check *check) {
    struct elf_image *image = check->image;
    check->align = PAGE_SIZE;
    for (unsigned i = 0; i < check->header.program_count; i++) {
        struct elf_program program = program_at(check, i);
        if (program.type == ELF_INTERPRETER || program.type == ELF_TLS) {
            return refuse(check, "segment %u asks for %s, which a kernel does not have", i,
                          program.type == ELF_TLS ? "thread-local storage" : "a dynamic linker");
        }
        if (program.type != ELF_LOAD || program.memory_bytes == 0) {
            continue;
        }
        if (!check_bounds(check, i, &program) || !check_alignment(check, i, &program) ||
            !add_segment(check, i, &program)) {
            return false;
        }
    }
    if (image->segment_count == 0) {
        return refuse(check, "it has nothing to load");
    }
    image->begin = align_down(image->segments[0].begin, check->align);
    image->end = page_end(&image->segments[image->segment_count - 1]);
    if (image->end - image->begin > ELF_IMAGE_MAX) {
        return refuse(check, "it spans " X64 " bytes in memory: more than the " X64 " allowed",
                      image->end - image->begin, (uint64_t)ELF_IMAGE_MAX);
    }
    return true;
}

// The segment that has [address, address + bytes) in its memory, or in its part of the file.
static const struct elf_segment *segment_of(const struct elf_image *image, uint64_t address,
                                            uint64_t bytes, bool in_file) {
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct elf_segment *segment = &image->segments[i];
        uint64_t length = in_file ? segment->file_bytes : segment->memory_bytes;
        if (address >= segment->begin && fits(address - segment->begin, bytes, length)) {
            return segment;
        }
    }
    return NULL;
}

static bool check_entry(struct check *check) {
    struct elf_image *image = check->image;
    const struct elf_segment *segment = segment_of(image, check->header.entry, 1, true);
    if (segment == NULL || !segment->execute) {
        return refuse(check, "its entry " X64 " is not in an executable segment",
                      check->header.entry);
    }
    image->entry = check->header.entry;
    return true;
}

struct relocation_table {
    uint64_t address, bytes, entry_bytes;
};

static bool check_tag(struct check *check, const struct elf_dynamic *entry,
                      struct relocation_table *table) {
    switch (entry->tag) {
    case TAG_RELA:
        table->address = entry->value;
        return true;
    case TAG_RELA_BYTES:
        table->bytes = entry->value;
        return true;
    case TAG_RELA_ENTRY_BYTES:
        table->entry_bytes = entry->value;
        return true;
    case TAG_NEEDED:
        return refuse(check, "it needs a shared library: it is not linked statically");
    case TAG_REL:
    case TAG_RELR:
    case TAG_PLT_RELOCATIONS:
    case TAG_PLT_RELOCATION_BYTES:
        return refuse(check, "it has relocations of another form than RELA (dynamic tag %u)",
                      (unsigned)entry->tag);
    default:
        return true;
    }
}

// Reads the dynamic table, if there is one: it says where the relocations are.
static bool read_dynamic(struct check *check, struct relocation_table *table) {
    for (unsigned i = 0; i < check->header.program_count; i++) {
        struct elf_program program = program_at(check, i);
        if (program.type != ELF_DYNAMIC) {
            continue;
        }
        if (!fits(program.offset, program.file_bytes, check->image->size)) {
            return refuse(check, "its dynamic table is out of bounds: " X64 " bytes at " X64,
                          program.file_bytes, program.offset);
        }
        for (uint64_t at = 0; program.file_bytes - at >= sizeof(struct elf_dynamic);
             at += sizeof(struct elf_dynamic)) {
            struct elf_dynamic entry;
            memcpy(&entry, check->image->bytes + program.offset + at, sizeof(entry));
            if (entry.tag == TAG_NULL) {
                break;
            }
            if (!check_tag(check, &entry, table)) {
                return false;
            }
        }
    }
    return true;
}

static struct elf_relocation relocation_at(const struct elf_image *image, uint64_t index) {
    struct elf_relocation relocation;
    memcpy(&relocation, image->bytes + image->relocations + index * sizeof(relocation),
           sizeof(relocation));
    return relocation;
}

static bool check_relocations(struct check *check) {
    struct elf_image *image = check->image;
    struct relocation_table table = {.entry_bytes = sizeof(struct elf_relocation)};
    if (!read_dynamic(check, &table)) {
        return false;
    }
    if (table.bytes == 0) {
        return true;
    }
    if (table.entry_bytes != sizeof(struct elf_relocation) ||
        table.bytes % sizeof(struct elf_relocation) != 0) {
        return refuse(check, "its relocations have " X64 " bytes in entries of " X64, table.bytes,
                      table.entry_bytes);
    }
    const struct elf_segment *segment = segment_of(image, table.address, table.bytes, true);
    if (segment == NULL) {
        return refuse(check, "its relocations are out of bounds: " X64 " bytes at address " X64,
                      table.bytes, table.address);
    }
    image->relocations = segment->offset + (table.address - segment->begin);
    image->relocation_count = table.bytes / sizeof(struct elf_relocation);
    for (uint64_t i = 0; i < image->relocation_count; i++) {
        struct elf_relocation relocation = relocation_at(image, i);
        if (relocation.info != RELOCATION_RELATIVE) {
            return refuse(check, "relocation " U64 " is of type " U64 ", known is %u (relative)", i,
                          relocation.info, RELOCATION_RELATIVE);
        }
        if (segment_of(image, relocation.offset, sizeof(uint64_t), false) == NULL) {
            return refuse(check, "relocation " U64 " is out of bounds: it changes address " X64, i,
                          relocation.offset);
        }
    }
    return true;
}

bool elf_check(struct elf_image *image, const void *bytes, size_t size,
               char defect[ELF_DEFECT_BYTES]) {
    *image = (struct elf_image){.bytes = bytes, .size = size};
    struct check check = {.image = image, .defect = defect};
    defect[0] = '\0';
    return check_header(&check) && check_program_table(&check) && check_segments(&check) &&
           check_entry(&check) && check_relocations(&check);
}

void elf_load(const struct elf_image *image, void *memory, uint64_t base) {
    uint8_t *target = memory;
    memset(target, 0, image->end - image->begin);
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct elf_segment *segment = &image->segments[i];
        memcpy(target + (segment->begin - image->begin), image->bytes + segment->offset,
               segment->file_bytes);
    }
    for (uint64_t i = 0; i < image->relocation_count; i++) {
        struct elf_relocation relocation = relocation_at(image, i);
        uint64_t value = base - image->begin + relocation.addend;
        memcpy(target + (relocation.offset - image->begin), &value, sizeof(value));
    }
}
