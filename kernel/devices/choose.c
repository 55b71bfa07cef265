// SPDX-License-Identifier: MIT
// Choosing the serial port. One that is named but does not answer leaves COM1 in use.
#include <devices/choose.h>
#include <mm/port.h>

#define BASE_BAUD     115200u
#define MEMORY_STRIDE 4 // of serial=memory:ADDRESS

bool serial_named(const struct kernel *kernel, struct acpi_serial *out) {
    const struct boot_options *options = &kernel->info->options;
    switch (options->serial) {
    case BOOT_SERIAL_PORT:
    case BOOT_SERIAL_MEMORY:
        *out = (struct acpi_serial){.table = "serial=",
                                    .address = options->serial_address,
                                    .memory = options->serial == BOOT_SERIAL_MEMORY,
                                    .stride = 1,
                                    .baud = BASE_BAUD};
        out->stride = out->memory ? MEMORY_STRIDE : 1;
        return true;
    default:
        return acpi_find_serial(&kernel->acpi, out);
    }
}

static void use(struct kernel *kernel, const struct acpi_serial *named, void *memory) {
    const struct serial place = {
        .port = named->memory ? 0 : (uint16_t)named->address,
        .memory = memory,
        .stride = named->stride,
        .divisor = named->baud != 0 ? BASE_BAUD / named->baud : 0,
    };
    const char *where = named->memory ? "address" : "port";
    if (serial_init_at(&kernel->serial, &place)) {
        port_log(PORT_INFO, "serial: at %s 0x%lx, as %s says", where, named->address, named->table);
    } else {
        bool com1 = serial_init(&kernel->serial, SERIAL_COM1);
        port_log(PORT_WARNING, "serial: %s names one at %s 0x%lx, where nothing answers%s",
                 named->table, where, named->address, com1 ? ": COM1 is used" : "");
    }
}

bool serial_choose(struct kernel *kernel) {
    struct acpi_serial named;
    if (kernel->info->options.serial == BOOT_SERIAL_OFF) {
        kernel->serial.present = false;
    } else if (serial_named(kernel, &named)) {
        if (named.memory) {
            return false;
        }
        if (named.address != SERIAL_COM1 || named.baud != BASE_BAUD) {
            use(kernel, &named, NULL);
        }
    }
    return true;
}

void serial_choose_mapped(struct kernel *kernel) {
    struct acpi_serial named;
    struct ioremap_refusal refusal;
    if (!kernel->own_tables || !serial_named(kernel, &named) || !named.memory) {
        return;
    }
    void *memory = ioremap(&kernel->ioremap, paddr(named.address),
                           (uint64_t)SERIAL_REGISTERS * named.stride, PAGING_UC, &refusal);
    if (memory != NULL) {
        use(kernel, &named, memory);
    } else {
        port_log(PORT_WARNING, "serial: the registers at 0x%lx, which %s names, cannot be mapped",
                 named.address, named.table);
    }
}
