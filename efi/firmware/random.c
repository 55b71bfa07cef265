// SPDX-License-Identifier: MIT
// Random numbers for the addresses: whatever the machine has, mixed. No source is needed, and none
// can spoil the others. Mixing: the finaliser of SplitMix64 (Steele, Lea, Flood: Fast splittable
// pseudorandom number generators, OOPSLA 2014), over all words in order. These numbers choose
// addresses; they are no keys.
#include <text/console.h>

#define FROM_FIRMWARE 1u
#define FROM_CPU      2u
#define FROM_TICKS    4u
#define WORDS         4

static uint64_t mix(uint64_t state, uint64_t word) {
    uint64_t z = (state ^ word) + UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void add(struct loader *loader, uint64_t word) {
    loader->random[0] = mix(loader->random[0], word);
    loader->random[1] = mix(loader->random[1] ^ loader->random[0], ~word);
    loader->info->random_seed = mix(loader->info->random_seed ^ loader->random[1], word);
}

static bool from_firmware(struct loader *loader) {
    static EFI_GUID guid = EFI_RNG_PROTOCOL_GUID;
    EFI_RNG_PROTOCOL *generator = NULL;
    uint64_t words[WORDS] = {0};
    if (EFI_ERROR(loader->boot->LocateProtocol(&guid, NULL, (void **)&generator)) ||
        generator == NULL ||
        EFI_ERROR(generator->GetRNG(generator, NULL, sizeof(words), (uint8_t *)words))) {
        return false;
    }
    for (unsigned i = 0; i < WORDS; i++) {
        add(loader, words[i]);
    }
    return true;
}

static bool from_cpu(struct loader *loader) {
    for (unsigned i = 0; i < WORDS; i++) {
        uint64_t word;
        if (!loader->machine.random || !machine_random(&word)) {
            return false;
        }
        add(loader, word);
    }
    return true;
}

EFI_STATUS random_collect(struct loader *loader) {
    struct boot_info *info = loader->info;
    if (loader->options.boot.kaslr == 0) {
        return EFI_SUCCESS;
    }
    info->random_sources |= from_firmware(loader) ? FROM_FIRMWARE : 0;
    info->random_sources |= from_cpu(loader) ? FROM_CPU : 0;
    // What differs a little between boots: the time it took, and where the firmware put things.
    add(loader, info->tsc_loader);
    add(loader, (uintptr_t)loader->loaded->ImageBase);
    add(loader, (uintptr_t)loader->info);
    for (unsigned i = 0; i < WORDS; i++) {
        add(loader, machine_ticks());
    }
    info->random_sources |= FROM_TICKS;
    if (info->random_sources == FROM_TICKS) {
        say(loader, BOOT_LOG_WARNING,
            "kaslr: neither the firmware nor the CPU has random numbers: the kernel's address is "
            "easy to guess");
    }
    return EFI_SUCCESS;
}
