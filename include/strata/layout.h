// SPDX-License-Identifier: MIT
// Where everything is in the kernel's half of the address space. Shared by the loader, which puts
// the image and the direct map in their places, and by the kernel, which does the rest.
//
//    4 levels                                       5 levels
//    0xffff800000000000  direct map (64 TiB)        0xff00000000000000  direct map (32 PiB)
//                                                   0xff80000000000000  nothing
//    0xffffc00000000000  vmalloc    (32 TiB)        the same
//    0xffffe00000000000  mmio       (16 TiB)        the same
//    0xfffff00000000000  stacks      (8 TiB)        the same
//    0xfffff80000000000  nothing                    the same
//    0xffffffff80000000  image       (2 GiB)        the same
//
// These are areas. What is used of one begins at its first byte without kaslr, and at random with
// it: the direct map at a multiple of 1 GiB, the image and the windows of vmalloc, mmio and stacks
// at a multiple of 2 MiB. A window is LAYOUT_WINDOW_BYTES long, so that the tables of all of them
// can be made at boot and be shared by all address spaces.
#pragma once

#include <strata/types.h>

#define LAYOUT_DIRECT_4_BEGIN UINT64_C(0xffff800000000000)
#define LAYOUT_DIRECT_4_END   UINT64_C(0xffffc00000000000)
#define LAYOUT_DIRECT_5_BEGIN UINT64_C(0xff00000000000000)
#define LAYOUT_DIRECT_5_END   UINT64_C(0xff80000000000000)

#define LAYOUT_VMALLOC_BEGIN UINT64_C(0xffffc00000000000)
#define LAYOUT_VMALLOC_END   UINT64_C(0xffffe00000000000)
#define LAYOUT_MMIO_BEGIN    UINT64_C(0xffffe00000000000)
#define LAYOUT_MMIO_END      UINT64_C(0xfffff00000000000)
#define LAYOUT_STACKS_BEGIN  UINT64_C(0xfffff00000000000)
#define LAYOUT_STACKS_END    UINT64_C(0xfffff80000000000)

#define LAYOUT_WINDOW_BYTES (512 * GIB) // of vmalloc, mmio and stacks each

#define LAYOUT_IMAGE       UINT64_C(0xffffffff80000000)
#define LAYOUT_IMAGE_ALIGN (2 * MIB)
// The last slot stays empty: no object ends at the top of the address space.
#define LAYOUT_IMAGE_END UINT64_C(0xffffffffffe00000)

// User space: page 0 is never mapped, and neither is the last page before the canonical hole (Intel
// CPUs fault in the kernel when a SYSCALL ends there). The end is the same with 5 levels.
#define LAYOUT_USER_BEGIN PAGE_SIZE
#define LAYOUT_USER_END   (UINT64_C(0x0000800000000000) - PAGE_SIZE)

// Whether tables of 4 or 5 levels can translate the address: its top bits are all alike.
static inline bool layout_canonical(vaddr_t address, unsigned levels) {
    unsigned unused = 64 - (PAGE_SHIFT + 9 * levels);
    return (uint64_t)((int64_t)(address.value << unused) >> unused) == address.value;
}
