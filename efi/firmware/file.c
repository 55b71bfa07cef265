// SPDX-License-Identifier: MIT
// Files. What firmware does to those who read them: large reads fail, reads are short without being
// at the end, buffers above 4 GiB cannot be reached by the disk, a folder opens as if it were a
// file. So: pieces, a loop, memory from below 4 GiB (memory.h), and a look at the attributes.
#include "file.h"

#include "memory.h"
#include <string.h>
#include <text/format.h>
#include <text/utf.h>

#define PIECE_BYTES (256 * KIB)
#define NAME_UNITS  256

static EFI_GUID file_system_guid = SIMPLE_FILE_SYSTEM_PROTOCOL;
static EFI_GUID file_info_guid = EFI_FILE_INFO_ID;

void file_open_volume(struct loader *loader) {
    EFI_FILE_IO_INTERFACE *system = NULL;
    loader->volume = NULL;
    if (loader->loaded->DeviceHandle == NULL) {
        return;
    }
    EFI_STATUS status = loader->boot->HandleProtocol(loader->loaded->DeviceHandle,
                                                     &file_system_guid, (void **)&system);
    if (EFI_ERROR(status) || system == NULL ||
        EFI_ERROR(system->OpenVolume(system, &loader->volume))) {
        loader->volume = NULL;
    }
}

void file_close_volume(struct loader *loader) {
    if (loader->volume != NULL) {
        loader->volume->Close(loader->volume);
        loader->volume = NULL;
    }
}

void file_make_path(char *out, size_t capacity, const char *name) {
    bool rooted = name[0] == '\\' || name[0] == '/';
    format(out, capacity, rooted ? "%s" : "\\%s", name);
    for (; *out != '\0'; out++) {
        if (*out == '/') {
            *out = '\\';
        }
    }
}

void file_program_name(const struct loader *loader, char *out, size_t capacity) {
    const uint8_t *node = (const uint8_t *)loader->loaded->FilePath;
    out[0] = '\0';
    for (unsigned nodes = 0; node != NULL && nodes < 16; nodes++) {
        uint16_t length = (uint16_t)(node[2] | node[3] << 8);
        if (length < 4 || node[0] == END_DEVICE_PATH_TYPE) {
            break;
        }
        if (node[0] == MEDIA_DEVICE_PATH && node[1] == MEDIA_FILEPATH_DP) {
            utf8_from_utf16(out, capacity, node + 4, (length - 4u) / 2, false);
        }
        node += length;
    }
    for (size_t i = strlen(out); i > 0; i--) {
        if (out[i - 1] == '\\') {
            memmove(out, out + i, strlen(out + i) + 1);
            break;
        }
    }
}

static EFI_STATUS open_file(struct loader *loader, EFI_FILE_HANDLE *out, const char *name,
                            UINT64 mode, UINT64 attributes) {
    CHAR16 wide[NAME_UNITS];
    utf16_from_utf8((uint16_t *)wide, NAME_UNITS, name);
    *out = NULL;
    EFI_STATUS status = loader->volume->Open(loader->volume, out, wide, mode, attributes);
    return !EFI_ERROR(status) && *out == NULL ? EFI_DEVICE_ERROR : status;
}

static EFI_STATUS size_of(EFI_FILE_HANDLE file, uint64_t *size, bool *folder) {
    struct {
        EFI_FILE_INFO info;
        CHAR16 name[NAME_UNITS];
    } buffer;
    UINTN bytes = sizeof(buffer);
    EFI_STATUS status = file->GetInfo(file, &file_info_guid, &bytes, &buffer);
    if (!EFI_ERROR(status)) {
        *size = buffer.info.FileSize;
        *folder = (buffer.info.Attribute & EFI_FILE_DIRECTORY) != 0;
    }
    return status;
}

static enum file_result wrong(struct file_reason *why, EFI_STATUS status, const char *text, ...)
    __attribute__((format(printf, 3, 4)));

static enum file_result wrong(struct file_reason *why, EFI_STATUS status, const char *text, ...) {
    va_list arguments;
    va_start(arguments, text);
    format_list(why->text, sizeof(why->text), text, arguments);
    va_end(arguments);
    why->status = status;
    return FILE_WRONG;
}

static enum file_result read_pieces(EFI_FILE_HANDLE file, uint8_t *bytes, uint64_t size,
                                    struct file_reason *why) {
    for (uint64_t at = 0; at < size;) {
        UINTN piece = size - at < PIECE_BYTES ? size - at : PIECE_BYTES;
        EFI_STATUS status = file->Read(file, &piece, bytes + at);
        if (EFI_ERROR(status)) {
            return wrong(why, status, "cannot be read at byte " U64, at);
        }
        if (piece == 0 || piece > size - at) {
            return wrong(why, EFI_LOAD_ERROR, "ends at byte " U64 " of " U64, at, size);
        }
        at += piece;
    }
    return FILE_READ;
}

static enum file_result read_open(struct loader *loader, EFI_FILE_HANDLE file, uint64_t limit,
                                  void **bytes, size_t *size, struct file_reason *why) {
    uint64_t length;
    bool folder;
    EFI_STATUS status = size_of(file, &length, &folder);
    if (EFI_ERROR(status)) {
        return wrong(why, status, "cannot be asked for its size");
    }
    if (folder) {
        return wrong(why, EFI_UNSUPPORTED, "is a folder");
    }
    if (length > limit) {
        return wrong(why, EFI_BAD_BUFFER_SIZE, "has " U64 " bytes: at most " U64 " are taken",
                     length, limit);
    }
    status = memory_scratch(loader, length + 1, bytes);
    if (EFI_ERROR(status)) {
        return wrong(why, status, "does not fit into memory");
    }
    enum file_result result = read_pieces(file, *bytes, length, why);
    if (result != FILE_READ) {
        memory_release(loader, *bytes);
        *bytes = NULL;
    }
    *size = length;
    return result;
}

enum file_result file_read(struct loader *loader, const char *name, uint64_t limit, void **bytes,
                           size_t *size, struct file_reason *why) {
    EFI_FILE_HANDLE file;
    *bytes = NULL;
    *size = 0;
    if (loader->volume == NULL) {
        return FILE_ABSENT;
    }
    EFI_STATUS status = open_file(loader, &file, name, EFI_FILE_MODE_READ, 0);
    if (status == EFI_NOT_FOUND) {
        return FILE_ABSENT;
    }
    if (EFI_ERROR(status)) {
        return wrong(why, status, "cannot be opened");
    }
    enum file_result result = read_open(loader, file, limit, bytes, size, why);
    file->Close(file);
    return result;
}

void file_push(struct file_out *out) {
    for (size_t at = 0; at < out->used && !EFI_ERROR(out->status);) {
        UINTN piece = out->used - at;
        out->status = out->file->Write(out->file, &piece, out->buffer + at);
        if (!EFI_ERROR(out->status) && piece == 0) {
            out->status = EFI_VOLUME_FULL;
        }
        if (!EFI_ERROR(out->status)) {
            at += piece;
            out->written += piece;
        }
    }
    out->used = 0;
}

static void take(struct text *self, const char *bytes, size_t count) {
    struct file_out *out = (struct file_out *)self;
    while (count > 0 && !EFI_ERROR(out->status)) {
        size_t room = out->capacity - out->used;
        size_t taken = count < room ? count : room;
        memcpy(out->buffer + out->used, bytes, taken);
        out->used += taken;
        bytes += taken;
        count -= taken;
        if (out->used == out->capacity) {
            file_push(out);
        }
    }
}

EFI_STATUS file_create(struct loader *loader, struct file_out *out, const char *folder,
                       const char *name) {
    const UINT64 make = EFI_FILE_MODE_READ | EFI_FILE_MODE_WRITE | EFI_FILE_MODE_CREATE;
    EFI_FILE_HANDLE file;
    EFI_STATUS status = open_file(loader, &file, folder, make, EFI_FILE_DIRECTORY);
    if (EFI_ERROR(status)) {
        return status;
    }
    file->Close(file);
    // An old file may be longer: it goes first.
    if (!EFI_ERROR(open_file(loader, &file, name, EFI_FILE_MODE_READ | EFI_FILE_MODE_WRITE, 0))) {
        file->Delete(file);
    }
    out->text = (struct text){.write = take};
    out->status = EFI_SUCCESS;
    out->used = 0;
    out->written = 0;
    return open_file(loader, &out->file, name, make, 0);
}

EFI_STATUS file_finish(struct file_out *out) {
    file_push(out);
    EFI_STATUS flushed = out->file->Flush(out->file);
    EFI_STATUS closed = out->file->Close(out->file);
    if (EFI_ERROR(out->status)) {
        return out->status;
    }
    return EFI_ERROR(flushed) ? flushed : closed;
}
