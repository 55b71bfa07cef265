// SPDX-License-Identifier: MIT
// Commands about the address space.
#include <monitor/monitor.h>
#include <monitor/plant.h>
#include <paging/audit.h>
#include <paging/fault.h>
#include <paging/mappings.h>
#include <paging/wx.h>
#include <user/selftest.h>

static void layout(struct text *out, size_t count, char **arguments) {
    (void)count, (void)arguments;
    layout_report(out, &strata.layout);
}

static void pt(struct text *out, size_t count, char **arguments) {
    uint64_t address;
    if (count == 1) {
        if (monitor_number(out, "pt", arguments[0], &address)) {
            fault_explain_address(out, &strata, vaddr(address));
        }
        return;
    }
    mappings_report(out, &strata);
}

static void audit(struct text *out, size_t count, char **arguments) {
    (void)count, (void)arguments;
    audit_print(out, &strata);
}

static void wx(struct text *out, size_t count, char **arguments) {
    (void)count, (void)arguments;
    wx_print(out, &strata);
}

static void user(struct text *out, size_t count, char **arguments) {
    (void)count, (void)arguments;
    user_selftest(out, &strata);
}

const struct monitor_command monitor_paging_commands[] = {
    {"layout", "", "where everything is in the kernel's address space", 0, 0, layout},
    {"pt", "[ADDRESS]", "what is mapped, or how one address is translated", 0, 1, pt},
    {"audit", "", "the page tables in use, against what was promised of them", 0, 0, audit},
    {"wx", "", "what can be written, what executed; nothing may be both", 0, 0, wx},
    {"user", "", "programs in user mode try to get out: a self-test", 0, 0, user},
    {"plant", "RULE", "breaks a rule of the audit on purpose", 1, 1, plant_command},
    {0},
};
