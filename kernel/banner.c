// SPDX-License-Identifier: MIT
// The first thing that a person reads.
#include <banner.h>

const char banner_version[] = STRATA_VERSION;
const char banner_build[] = STRATA_BUILD;

void banner(struct text *out, const struct kernel *kernel) {
    const struct boot_info *info = kernel->info;
    text_printf(out, "Strata %s (%s)\n", banner_version, banner_build);
    text_printf(out, "firmware: %s, revision 0x%x, UEFI %u.%u%s\n", info->firmware_vendor,
                info->firmware_revision, info->uefi_revision >> 16,
                (info->uefi_revision & 0xffff) / 10, info->secure_boot != 0 ? ", Secure Boot" : "");
    if (info->replayed != 0) {
        text_printf(out,
                    "REPLAY: this is not this machine's map, but %u descriptors of another's laid "
                    "over the memory that is free here; %u pieces left out\n",
                    info->replayed, info->replay_left_out);
    } else if (info->replay_left_out != 0) {
        text_puts(out, "REPLAY: not done, for there was no room for the two maps together\n");
    }
    cpu_features_report(out, &kernel->cpu);
    controls_report(out, &kernel->controls);
    text_printf(out, "kernel: at physical 0x%lx, mapped at 0x%lx, direct map at 0x%lx\n",
                info->kernel_physical.value, info->kernel_virtual.value, info->direct_map.value);
    text_printf(out, "options: %s\n", info->options.text[0] != '\0' ? info->options.text : "none");
}
