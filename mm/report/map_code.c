// SPDX-License-Identifier: MIT
// The map as characters: written as often as somebody wants a piece of it, so that nowhere there
// has to be room for all.
// Invariants (tests/unit/test_map_code.c):
//   I1  the parts, in any order, are read as the same map   parts_are_read_in_any_order
//   I2  a part is no longer than was asked for              parts_are_read_in_any_order
#include <mm/map_code.h>

#define DESCRIPTOR_TYPES 16 // that have a letter

uint32_t map_code_checksum(uint32_t checksum, const char *bytes, size_t count) {
    uint32_t crc = ~checksum;
    for (size_t i = 0; i < count; i++) {
        crc ^= (uint8_t)bytes[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320u : 0);
        }
    }
    return ~crc;
}

// A sink that counts everything and keeps a piece.
struct piece {
    struct text text;
    uint64_t from, position;
    size_t length, capacity;
    char *kept;
    uint32_t checksum;
};

static void piece_write(struct text *self, const char *bytes, size_t count) {
    struct piece *piece = (struct piece *)self;
    piece->checksum = map_code_checksum(piece->checksum, bytes, count);
    for (size_t i = 0; i < count; i++, piece->position++) {
        if (piece->position >= piece->from && piece->length < piece->capacity) {
            piece->kept[piece->length++] = bytes[i];
        }
    }
}

static void put_start(struct text *out, uint64_t start) {
    text_printf(out, ".%lX", start / PAGE_SIZE);
    if (start % PAGE_SIZE != 0) {
        text_printf(out, "+%lX", start % PAGE_SIZE);
    }
}

static void put_descriptor(struct text *out, const struct efi_descriptor *entry) {
    if (entry->type < DESCRIPTOR_TYPES) {
        text_printf(out, "%c", 'G' + (int)entry->type);
    } else {
        text_printf(out, "Z%X-", entry->type);
    }
    if (entry->pages != 1) {
        text_printf(out, "%lX", entry->pages);
    }
}

static void put_map(struct text *out, const struct efi_map *map) {
    uint64_t attributes = EFI_ATTRIBUTE_UC | EFI_ATTRIBUTE_WC | EFI_ATTRIBUTE_WT | EFI_ATTRIBUTE_WB;
    uint64_t next = 0;
    for (uint64_t i = 0; i < efi_map_count(map); i++) {
        struct efi_descriptor entry = efi_map_entry(map, i);
        if (entry.attributes != attributes) {
            attributes = entry.attributes;
            text_printf(out, "*%lX", attributes);
        }
        if (entry.physical_start != next) {
            put_start(out, entry.physical_start);
        }
        put_descriptor(out, &entry);
        next = entry.physical_start + entry.pages * PAGE_SIZE;
    }
}

// A sink that writes a sentence in the few characters that there are.
struct narrow {
    struct text text;
    struct text *out;
};

static void narrow_write(struct text *self, const char *bytes, size_t count) {
    struct text *out = ((struct narrow *)self)->out;
    for (size_t i = 0; i < count; i++) {
        char byte = bytes[i];
        if (byte >= 'a' && byte <= 'z') {
            byte = (char)(byte - 'a' + 'A');
        } else if (byte == ' ') {
            byte = '+';
        } else if ((byte < '0' || byte > '9') && byte != ':' && byte != '.' && byte != '-') {
            text_printf(out, "/%02X", (uint8_t)byte);
            continue;
        }
        out->write(out, &byte, 1);
    }
}

static void put_findings(struct text *out, const struct memmap *map) {
    struct narrow narrow = {.text = {.write = narrow_write}, .out = out};
    for (size_t i = 0; i < map->finding_count; i++) {
        const struct finding *finding = &map->findings[i];
        text_printf(out, "%%");
        text_printf(&narrow.text, "%s: %s: ", finding_severity_name(finding->severity),
                    finding_rule_name(finding->rule));
        finding_print(&narrow.text, finding);
    }
}

static void put_all(const struct map_code *code, struct piece *piece) {
    piece->text.write = piece_write;
    put_map(&piece->text, code->map);
    if (code->findings != NULL) {
        put_findings(&piece->text, code->findings);
    }
}

void map_code_init(struct map_code *code, const struct efi_map *map,
                   const struct memmap *findings) {
    struct piece nothing = {.capacity = 0};
    *code = (struct map_code){.map = map, .findings = findings};
    put_all(code, &nothing);
    code->length = nothing.position;
    code->checksum = nothing.checksum;
}

size_t map_code_parts(const struct map_code *code, size_t capacity) {
    uint64_t share = capacity - MAP_CODE_FRAME_MAX;
    uint64_t parts = (code->length + share - 1) / share;
    return parts != 0 ? parts : 1;
}

size_t map_code_part(const struct map_code *code, size_t part, size_t parts, char *buffer) {
    uint64_t share = (code->length + parts - 1) / parts;
    char name[MAP_CODE_FRAME_MAX];
    struct text_buffer frame, whole;
    text_buffer_init(&frame, name, sizeof(name));
    text_printf(&frame.text, "%zu/%zu*%08X*", part, parts, code->checksum);
    // The share first, where it will stand: its checksum goes before it.
    size_t before = sizeof(MAP_CODE_MARK) - 1 + frame.length + sizeof("12345678*") - 1;
    struct piece piece = {.from = share * (part - 1), .capacity = share, .kept = buffer + before};
    put_all(code, &piece);
    uint32_t checksum = map_code_checksum(0, name, frame.length);
    checksum = map_code_checksum(checksum, piece.kept, piece.length);
    char first = buffer[before];
    text_buffer_init(&whole, buffer, before + 1);
    text_printf(&whole.text, MAP_CODE_MARK "%s%08X*", name, checksum);
    buffer[before] = first;
    buffer[before + piece.length] = '$';
    buffer[before + piece.length + 1] = '\0';
    return before + piece.length + 1;
}
