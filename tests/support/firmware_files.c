// SPDX-License-Identifier: MIT
// The fake firmware's volume: files in memory, behind the firmware's protocol. See firmware.h.
#include "firmware.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <text/utf.h>

struct open_file {
    EFI_FILE_PROTOCOL protocol; // first
    struct firmware_file *file; // NULL for the root
    size_t at;
};

static EFI_STATUS EFIAPI file_open(EFI_FILE_HANDLE root, EFI_FILE_HANDLE *out, CHAR16 *name,
                                   UINT64 mode, UINT64 attributes);

static EFI_STATUS EFIAPI file_close(EFI_FILE_HANDLE self) {
    firmware_enter("Close", false);
    firmware.handles--;
    free(self);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI file_delete(EFI_FILE_HANDLE self) {
    struct open_file *open = (struct open_file *)self;
    firmware_enter("Delete", false);
    firmware.handles--;
    free(open->file->bytes);
    *open->file = firmware.files[--firmware.file_count];
    free(open);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI file_read(EFI_FILE_HANDLE self, UINTN *size, void *bytes) {
    struct open_file *open = (struct open_file *)self;
    if (firmware_enter("Read", false)) {
        return firmware.script.fail_status;
    }
    size_t left = open->file->size - open->at;
    *size = *size < left ? *size : left;
    if (firmware.script.short_reads && *size > 1) {
        *size = 1 + *size / 2;
    }
    memcpy(bytes, open->file->bytes + open->at, *size);
    open->at += *size;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI file_write(EFI_FILE_HANDLE self, UINTN *size, void *bytes) {
    struct firmware_file *file = ((struct open_file *)self)->file;
    if (firmware_enter("Write", false)) {
        return firmware.script.fail_status;
    }
    if (firmware.script.short_reads && *size > 1) {
        *size = 1 + *size / 2;
    }
    if (firmware.script.volume_room != 0 && file->size + *size > firmware.script.volume_room) {
        return EFI_VOLUME_FULL;
    }
    file->bytes = realloc(file->bytes, file->size + *size + 1);
    memcpy(file->bytes + file->size, bytes, *size);
    file->size += *size;
    file->bytes[file->size] = 0;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI file_flush(EFI_FILE_HANDLE self) {
    (void)self;
    return firmware_enter("Flush", false) ? firmware.script.fail_status : EFI_SUCCESS;
}

static EFI_STATUS EFIAPI file_get_info(EFI_FILE_HANDLE self, EFI_GUID *guid, UINTN *size,
                                       void *out) {
    static const EFI_GUID info_guid = EFI_FILE_INFO_ID;
    struct firmware_file *file = ((struct open_file *)self)->file;
    if (firmware_enter("GetInfo", false)) {
        return firmware.script.fail_status;
    }
    assert_memory_equal(guid, &info_guid, sizeof(info_guid));
    EFI_FILE_INFO info = {.Size = sizeof(EFI_FILE_INFO),
                          .FileSize = file->claimed_size ? file->claimed_size : file->size,
                          .Attribute = file->folder ? EFI_FILE_DIRECTORY : 0};
    assert_true(*size >= sizeof(info));
    memcpy(out, &info, sizeof(info));
    *size = sizeof(info);
    return EFI_SUCCESS;
}

static EFI_FILE_HANDLE new_handle(struct firmware_file *file) {
    struct open_file *open = calloc(1, sizeof(*open));
    open->protocol = (EFI_FILE_PROTOCOL){.Open = file_open,
                                         .Close = file_close,
                                         .Delete = file_delete,
                                         .Read = file_read,
                                         .Write = file_write,
                                         .Flush = file_flush,
                                         .GetInfo = file_get_info};
    open->file = file;
    firmware.handles++;
    return &open->protocol;
}

static EFI_STATUS EFIAPI file_open(EFI_FILE_HANDLE root, EFI_FILE_HANDLE *out, CHAR16 *name,
                                   UINT64 mode, UINT64 attributes) {
    char path[64];
    (void)root;
    if (firmware_enter("Open", false)) {
        return firmware.script.fail_status;
    }
    utf8_from_utf16(path, sizeof(path), name, 256, false);
    struct firmware_file *file = (struct firmware_file *)(uintptr_t)firmware_find_file(path);
    if (firmware.script.read_only && (mode & EFI_FILE_MODE_WRITE) != 0) {
        return EFI_WRITE_PROTECTED;
    }
    if (file == NULL && (mode & EFI_FILE_MODE_CREATE) != 0) {
        file = firmware_add_file(path, "", 0);
        file->folder = (attributes & EFI_FILE_DIRECTORY) != 0;
    }
    if (file == NULL) {
        return EFI_NOT_FOUND;
    }
    if (EFI_ERROR(file->status)) {
        return file->status;
    }
    *out = new_handle(file);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI open_volume(EFI_FILE_IO_INTERFACE *self, EFI_FILE_HANDLE *root) {
    (void)self;
    if (firmware_enter("OpenVolume", false)) {
        return firmware.script.fail_status;
    }
    *root = new_handle(NULL);
    return EFI_SUCCESS;
}

EFI_FILE_IO_INTERFACE firmware_volume = {.OpenVolume = open_volume};

const struct firmware_file *firmware_find_file(const char *name) {
    for (size_t i = 0; i < firmware.file_count; i++) {
        if (strcmp(firmware.files[i].name, name) == 0) {
            return &firmware.files[i];
        }
    }
    return NULL;
}

struct firmware_file *firmware_add_file(const char *name, const void *bytes, size_t size) {
    struct firmware_file *file = &firmware.files[firmware.file_count++];
    assert_true(firmware.file_count <= FIRMWARE_FILES_MAX);
    *file = (struct firmware_file){.size = size, .bytes = malloc(size + 1)};
    snprintf(file->name, sizeof(file->name), "%s", name);
    memcpy(file->bytes, bytes, size);
    file->bytes[size] = 0;
    return file;
}
