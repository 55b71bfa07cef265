// SPDX-License-Identifier: MIT
// The loader: firmware in, boot contract out, jump.
//
// Read from here. The steps below are the whole story, in order; each is in the file that loader.h
// names. Until the last of them a failure undoes everything and goes back to the firmware, which
// starts what is next in its boot order. After the exit nothing can fail.
#include <firmware/file.h>
#include <firmware/memory.h>
#include <text/console.h>

EFI_STATUS EFIAPI efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system);

static EFI_STATUS (*const steps[])(struct loader *) = {
    console_begin,
    contract_begin,
    collect_secure_boot,
    options_read,     // \strata.conf, then the LoadOptions; under Secure Boot only what was signed
    collect_firmware, // names, configuration tables, screen
    map_read,
    map_keep_first,
    menu_show,   // only when a key was pressed, or menu= asks to wait for one
    replay_read, // the map of another machine, to be laid over this one's
    badram_take, // what must not be touched is ours before anything else is
    kernel_find, // embedded, or kernel=FILE; checked
    random_collect,
    kernel_place,  // anywhere, relocated to a random address
    contract_room, // the stack, the page for starting other CPUs
    map_read,
    address_space_build, // W^X from the first page table on
    map_read,
    record_write, // \strata\map.txt
};

static EFI_STATUS begin(struct loader *loader, EFI_HANDLE image, EFI_SYSTEM_TABLE *system) {
    static EFI_GUID loaded_guid = LOADED_IMAGE_PROTOCOL;
    *loader = (struct loader){.image = image, .system = system, .boot = system->BootServices};
    options_init(&loader->options);
    loader->machine = machine_features();
    loader->boot->SetWatchdogTimer(0, 0, 0, NULL); // else the firmware resets us in five minutes
    EFI_STATUS status = loader->boot->HandleProtocol(image, &loaded_guid, (void **)&loader->loaded);
    if (EFI_ERROR(status) || loader->loaded == NULL) {
        return fail(loader, EFI_ERROR(status) ? status : EFI_UNSUPPORTED,
                    "the firmware does not say how it loaded this");
    }
    file_open_volume(loader);
    return EFI_SUCCESS;
}

static EFI_STATUS prepare(struct loader *loader) {
    EFI_STATUS status = EFI_SUCCESS;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && !EFI_ERROR(status); i++) {
        status = steps[i](loader);
    }
    file_close_volume(loader);
    return status;
}

EFI_STATUS EFIAPI efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system) {
    static struct loader loader; // too large for a firmware's stack
    EFI_STATUS status = begin(&loader, image, system);
    if (!EFI_ERROR(status)) {
        status = prepare(&loader);
    }
    if (!EFI_ERROR(status)) {
        status = exit_boot_services(&loader);
    }
    if (EFI_ERROR(status)) {
        memory_release_all(&loader);
        return status;
    }
    contract_finish(&loader);
    machine_jump(&loader.jump);
}
