// SPDX-License-Identifier: MIT
// Steps 2 and 3: the kernel is taken from inside the loader, or from a file for development;
// checked; and placed wherever 2 MiB-aligned memory is free, relocated to its virtual address.
#include <firmware/file.h>
#include <firmware/memory.h>
#include <string.h>
#include <text/console.h>

#define KERNEL_FILE_MAX (64 * MIB)

// blob.S
extern const uint8_t kernel_blob[];
extern const uint64_t kernel_blob_bytes;

static EFI_STATUS read_file(struct loader *loader, const char *path) {
    struct file_reason why;
    void *bytes;
    switch (file_read(loader, path, KERNEL_FILE_MAX, &bytes, &loader->kernel_size, &why)) {
    case FILE_READ:
        loader->kernel_bytes = bytes;
        return EFI_SUCCESS;
    case FILE_ABSENT:
        return fail(loader, EFI_NOT_FOUND, "kernel %s: there is no such file%s", path,
                    loader->volume == NULL ? ": the loader was not started from a volume" : "");
    default:
        return fail(loader, why.status, "kernel %s %s", path, why.text);
    }
}

EFI_STATUS kernel_find(struct loader *loader) {
    char path[OPTIONS_KERNEL_MAX + 1] = "(embedded)";
    char defect[ELF_DEFECT_BYTES];
    if (loader->options.kernel[0] == '\0') {
        loader->kernel_bytes = kernel_blob;
        loader->kernel_size = kernel_blob_bytes;
    } else {
        file_make_path(path, sizeof(path), loader->options.kernel);
        if (loader->info->secure_boot) {
            return fail(loader, EFI_SECURITY_VIOLATION,
                        "kernel %s: Secure Boot is on, and nobody signed this file; without "
                        "kernel= the signed one starts",
                        path);
        }
        EFI_STATUS status = read_file(loader, path);
        if (EFI_ERROR(status)) {
            return status;
        }
    }
    if (!elf_check(&loader->kernel, loader->kernel_bytes, loader->kernel_size, defect)) {
        return fail(loader, EFI_LOAD_ERROR, "kernel %s: %s", path, defect);
    }
    say(loader, BOOT_LOG_DEBUG, "kernel %s: %zu bytes, %zu segments, " U64 " relocations", path,
        loader->kernel_size, loader->kernel.segment_count, loader->kernel.relocation_count);
    return EFI_SUCCESS;
}

EFI_STATUS kernel_place(struct loader *loader) {
    const struct elf_image *kernel = &loader->kernel;
    uint64_t bytes = kernel->end - kernel->begin, address;
    // Not below 16 MiB by choice, but wherever the firmware has room: first where it surely maps.
    EFI_STATUS status = memory_take_below(loader, BOOT_RANGE_KERNEL, bytes / PAGE_SIZE, 4 * GIB,
                                          ELF_ALIGN_MAX, &address);
    if (EFI_ERROR(status)) {
        status = memory_take_below(loader, BOOT_RANGE_KERNEL, bytes / PAGE_SIZE, 0, ELF_ALIGN_MAX,
                                   &address);
    }
    if (EFI_ERROR(status)) {
        return memory_short(loader, status, memory_kind_name(BOOT_RANGE_KERNEL),
                            bytes + ELF_ALIGN_MAX - PAGE_SIZE);
    }
    struct boot_info *info = loader->info;
    info->kernel_physical = paddr(address);
    info->kernel_virtual =
        vaddr(layout_image_base(bytes, loader->options.boot.kaslr != 0, loader->random[0]));
    info->kernel_bytes = bytes;
    elf_load(kernel, (void *)(uintptr_t)address, info->kernel_virtual.value);
    loader->jump.entry = info->kernel_virtual.value + (kernel->entry - kernel->begin);
    if (loader->options.kernel[0] != '\0') {
        memory_release(loader, loader->kernel_bytes);
    }
    loader->kernel_bytes = NULL;
    say(loader, BOOT_LOG_INFO, "kernel: " U64 " KiB at " X64 ", runs at " X64, bytes / KIB, address,
        info->kernel_virtual.value);
    return EFI_SUCCESS;
}
