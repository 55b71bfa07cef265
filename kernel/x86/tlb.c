// SPDX-License-Identifier: MIT
// Flushing the TLB: the running CPU's, which is the only one that runs.
//
// INVLPG drops global entries too, and the paging-structure caches with them (Intel SDM vol. 3A,
// 4.10.4.1). Writing CR3 leaves global entries; clearing and setting CR4.PGE drops everything. No
// PCIDs are used.
#include <mm/port.h>
#include <mm/tlb.h>
#include <x86/cpu.h>

#define CR4_PGE UINT64_C(0x80)

static void flush_everything(bool global) {
    uint64_t cr4 = cpu_read_cr4();
    if (global && (cr4 & CR4_PGE) != 0) {
        cpu_write_cr4(cr4 & ~CR4_PGE);
        cpu_write_cr4(cr4);
    } else {
        cpu_write_cr3(cpu_read_cr3());
    }
}

void port_tlb_flush(const struct tlb_flush *flush) {
    const struct tlb_space *space = flush->space;
    if (!space->kernel && (space->cpus >> port_cpu() & 1) == 0) {
        return; // its tables are not loaded: loading others has dropped what there was
    }
    if (flush->everything) {
        flush_everything(space->kernel);
        return;
    }
    for (uint32_t i = 0; i < flush->count; i++) {
        const struct tlb_range *range = &flush->ranges[i];
        uint64_t address = range->begin, step = UINT64_C(1) << range->shift;
        for (uint32_t left = range->pages; left > 0; left--) {
            cpu_invalidate_page(address);
            address += step;
        }
    }
}
