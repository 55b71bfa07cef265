// SPDX-License-Identifier: MIT
// Reading the memory type range registers (Intel SDM vol. 3, 12.11.1 to 12.11.3).
#include <x86/cpu.h>
#include <x86/mtrr.h>

#define MSR_MTRR_CAPABILITIES 0xfe
#define MSR_MTRR_PHYSBASE(n)  (0x200 + 2 * (n))
#define MSR_MTRR_PHYSMASK(n)  (0x201 + 2 * (n))
#define MSR_MTRR_DEFAULT_TYPE 0x2ff

void mtrr_read(struct mtrrs *mtrrs) {
    unsigned count = cpu_read_msr(MSR_MTRR_CAPABILITIES) & 0xff;
    mtrrs->count = count < MTRR_VARIABLE_MAX ? count : MTRR_VARIABLE_MAX;
    mtrrs->default_type = cpu_read_msr(MSR_MTRR_DEFAULT_TYPE);
    for (unsigned i = 0; i < mtrrs->count; i++) {
        mtrrs->variable[i].base = cpu_read_msr(MSR_MTRR_PHYSBASE(i));
        mtrrs->variable[i].mask = cpu_read_msr(MSR_MTRR_PHYSMASK(i));
    }
}
