// SPDX-License-Identifier: MIT
// Boot options: every value of every option, and for everything wrong the exact sentence.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <options/options.h>

#define KNOWN                                                                                      \
    "; known are kaslr acpi record special log exit badram memtest debug guard init fail runtime " \
    "reserve serial menu pages kernel replay run\n"

struct result {
    struct options options;
    char reports[8192];
    size_t wrong;
};

static void collect(void *context, const char *sentence) {
    struct result *result = context;
    size_t length = strlen(result->reports);
    snprintf(result->reports + length, sizeof(result->reports) - length, "%s\n", sentence);
}

// Parses an exact copy, so that a read beyond it is noticed.
static void parse_more(struct result *result, enum options_source source, const char *text,
                       size_t length) {
    char *copy = malloc(length == 0 ? 1 : length);
    memcpy(copy, text, length);
    result->wrong += options_parse(&result->options, source, "f", copy, length, collect, result);
    free(copy);
}

static struct result parse(enum options_source source, const char *text) {
    struct result result = {0};
    options_init(&result.options);
    parse_more(&result, source, text, strlen(text));
    return result;
}

static void expect(const char *text, const char *reports) {
    struct result result = parse(OPTIONS_FILE, text);
    assert_string_equal(result.reports, reports);
    size_t lines = 0;
    for (const char *p = reports; *p != '\0'; p++) {
        lines += *p == '\n';
    }
    assert_int_equal(result.wrong, lines);
}

static void defaults(void **state) {
    (void)state;
    struct result result = parse(OPTIONS_FILE, "");
    const struct boot_options *boot = &result.options.boot;
    assert_int_equal(boot->kaslr, 1);
    assert_int_equal(boot->acpi_keep, 0);
    assert_int_equal(boot->record, 1);
    assert_int_equal(boot->special_use, 0);
    assert_int_equal(boot->log_level, BOOT_LOG_INFO);
    assert_int_equal(boot->exit_on_panic, 0);
    assert_int_equal(boot->badram_count, 0);
    assert_string_equal(boot->run, "");
    assert_string_equal(boot->text, "");
    assert_string_equal(result.options.kernel, "");
    assert_int_equal(result.wrong, 0);
}

static void every_choice(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t field;
        uint32_t value;
    } choices[] = {
        {"kaslr=on", offsetof(struct boot_options, kaslr), 1},
        {"kaslr=off", offsetof(struct boot_options, kaslr), 0},
        {"acpi=keep", offsetof(struct boot_options, acpi_keep), 1},
        {"acpi=reclaim", offsetof(struct boot_options, acpi_keep), 0},
        {"record=on", offsetof(struct boot_options, record), 1},
        {"record=off", offsetof(struct boot_options, record), 0},
        {"special=use", offsetof(struct boot_options, special_use), 1},
        {"special=keep", offsetof(struct boot_options, special_use), 0},
        {"log=error", offsetof(struct boot_options, log_level), BOOT_LOG_ERROR},
        {"log=warning", offsetof(struct boot_options, log_level), BOOT_LOG_WARNING},
        {"log=info", offsetof(struct boot_options, log_level), BOOT_LOG_INFO},
        {"log=debug", offsetof(struct boot_options, log_level), BOOT_LOG_DEBUG},
        {"memtest=0", offsetof(struct boot_options, memtest_passes), 0},
        {"memtest=7", offsetof(struct boot_options, memtest_passes), 7},
        {"memtest=007", offsetof(struct boot_options, memtest_passes), 7},
        {"memtest=1000", offsetof(struct boot_options, memtest_passes), 1000},
        {"debug=off", offsetof(struct boot_options, debug), 0},
        {"debug=owner", offsetof(struct boot_options, debug), BOOT_DEBUG_OWNER},
        {"debug=slab", offsetof(struct boot_options, debug), BOOT_DEBUG_SLAB},
        {"debug=owner,slab", offsetof(struct boot_options, debug), 3},
        {"init=off", offsetof(struct boot_options, clear), 0},
        {"init=alloc", offsetof(struct boot_options, clear), BOOT_CLEAR_ALLOC},
        {"init=free", offsetof(struct boot_options, clear), BOOT_CLEAR_FREE},
        {"init=alloc,free", offsetof(struct boot_options, clear), 3},
        {"fail=off", offsetof(struct boot_options, fail), BOOT_FAIL_NEVER},
        {"fail=nth:3", offsetof(struct boot_options, fail), BOOT_FAIL_NTH},
        {"fail=every:7", offsetof(struct boot_options, fail), BOOT_FAIL_EVERY},
        {"fail=random:2", offsetof(struct boot_options, fail), BOOT_FAIL_RANDOM},
        {"exit=qemu", offsetof(struct boot_options, exit_on_panic), 1},
        {"exit=halt", offsetof(struct boot_options, exit_on_panic), 0},
    };
    for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
        struct result result = parse(OPTIONS_FILE, choices[i].text);
        uint32_t value;
        memcpy(&value, (char *)&result.options.boot + choices[i].field, sizeof(value));
        assert_int_equal(value, choices[i].value);
        assert_int_equal(result.wrong, 0);
        assert_string_equal(result.options.boot.text, choices[i].text);
    }
}

static void words_and_quotes(void **state) {
    (void)state;
    struct result result = parse(OPTIONS_FILE, "# run=\"no\"\r\n"
                                               "\tkaslr=off  acpi=keep # record=off\r\n"
                                               "run=\"ledger; check\"\tkernel=\\a#b.elf\n\n"
                                               "log=debug");
    assert_string_equal(result.reports, "");
    assert_int_equal(result.options.boot.kaslr, 0);
    assert_int_equal(result.options.boot.acpi_keep, 1);
    assert_int_equal(result.options.boot.record, 1);
    assert_int_equal(result.options.boot.log_level, BOOT_LOG_DEBUG);
    assert_string_equal(result.options.boot.run, "ledger; check");
    assert_string_equal(result.options.kernel, "\\a#b.elf");
    assert_string_equal(result.options.boot.text,
                        "kaslr=off acpi=keep run=\"ledger; check\" kernel=\\a#b.elf log=debug");
    result = parse(OPTIONS_FILE, "run=\"\" kernel=");
    assert_string_equal(result.reports, "");
    assert_string_equal(result.options.boot.text, "run=\"\" kernel=\"\"");
}

static void later_counts(void **state) {
    (void)state;
    struct result result = parse(OPTIONS_FILE, "kaslr=off run=abcdef badram=1K$0,1K$4K log=debug");
    parse_more(&result, OPTIONS_LOADED, "run=x badram=8K-12K log=nonsense kaslr=on", 41);
    assert_string_equal(result.reports,
                        "f:1:25: log='nonsense': expected error|warning|info|debug\n");
    assert_int_equal(result.options.boot.kaslr, 1);
    assert_int_equal(result.options.boot.log_level, BOOT_LOG_DEBUG);
    assert_string_equal(result.options.boot.run, "x");
    assert_int_equal(result.options.boot.badram_count, 1);
    assert_int_equal(result.options.boot.badram[0].begin.value, 8192);
    assert_int_equal(result.options.boot.badram[1].end.value, 0);
}

static void comments_only_in_files(void **state) {
    (void)state;
    struct result result = parse(OPTIONS_LOADED, "# kaslr=off");
    assert_string_equal(result.reports, "f:1:1: '#' is no option: expected name=value\n");
    assert_int_equal(result.options.boot.kaslr, 0);
}

static void wrong_words(void **state) {
    (void)state;
    expect("quiet", "f:1:1: 'quiet' is no option: expected name=value\n");
    expect("  =off", "f:1:3: '=off' is no option: expected name=value\n");
    expect("serial=com5", "f:1:8: serial='com5': expected auto, off, com1 to com4, port:NUMBER or "
                          "memory:ADDRESS\n");
    expect("serial=port:0x12345",
           "f:1:8: serial=: that is no such address; expected auto, off, com1 "
           "to com4, port:NUMBER or memory:ADDRESS\n");
    expect("menu=301", "f:1:6: menu='301': expected a number from 0 to 300\n");
    expect("kalsr=off", "f:1:1: unknown option 'kalsr'" KNOWN);
    expect("KASLR=off", "f:1:1: unknown option 'KASLR'" KNOWN);
    expect("kasl=off", "f:1:1: unknown option 'kasl'" KNOWN);
    expect("\n\r\nacpi=keep\n kaslr=maybe\n", "f:4:8: kaslr='maybe': expected on|off\n");
    expect("kaslr=", "f:1:7: kaslr='': expected on|off\n");
    expect("kaslr=on=off", "f:1:7: kaslr='on=off': expected on|off\n");
    expect("special=\"use it\"", "f:1:10: special='use it': expected keep|use\n");
    expect("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80 kaslr=x", // columns count characters
           "f:1:1: '\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80' is no option: expected name=value\n"
           "f:1:11: kaslr='x': expected on|off\n");
    expect("a\x01\x1b[2Jb=1", "f:1:1: unknown option 'a??[2Jb'" KNOWN);
    expect("a\rb", "f:1:1: 'a' is no option: expected name=value\n"
                   "f:2:1: 'b' is no option: expected name=value\n");
    expect("12345678901234567890123456789012345678901234567890",
           "f:1:1: '1234567890123456789012345678901234567890' is no option: expected name=value\n");
}

static void wrong_numbers(void **state) {
    (void)state;
    static const char *const wrong[] = {"1001", "-1",         "+1",   "0x3", "many", "1.5",
                                        "9999", "4294967297", "10 0", "1K",  "\"\""};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char text[64], report[128];
        bool quoted = strchr(wrong[i], ' ') != NULL;
        bool empty = wrong[i][0] == '"';
        snprintf(text, sizeof(text), quoted ? "memtest=\"%s\"" : "memtest=%s", wrong[i]);
        snprintf(report, sizeof(report), "f:1:%d: memtest='%s': expected a number from 0 to 1000\n",
                 quoted || empty ? 10 : 9, empty ? "" : wrong[i]);
        expect(text, report);
        assert_int_equal(parse(OPTIONS_FILE, text).options.boot.memtest_passes, 0);
    }
}

static void failures_have_numbers(void **state) {
    (void)state;
    struct boot_options got = parse(OPTIONS_FILE, "fail=random:50:0xAf12345678").options.boot;
    assert_int_equal(got.fail, BOOT_FAIL_RANDOM);
    assert_int_equal(got.fail_n, 50);
    assert_int_equal(got.fail_seed, 0xaf12345678);
    got = parse(OPTIONS_FILE, "fail=random:1:18446744073709551615 fail=every:0x20").options.boot;
    assert_int_equal(got.fail, BOOT_FAIL_EVERY);
    assert_int_equal(got.fail_n, 32);
    assert_int_equal(got.fail_seed, 0);
    static const struct {
        const char *text;
        int column;
    } wrong[] = {
        {"fail=", 6},
        {"fail=never", 6},
        {"fail=nth", 6},
        {"fail=nth:", 10},
        {"fail=nth:0", 11},
        {"fail=nth:x", 10},
        {"fail=nth:5:6", 11},
        {"fail=off:1", 9},
        {"fail=every:-1", 12},
        {"fail=every:18446744073709551616", 32},
        {"fail=random:5:", 15},
        {"fail=random:5:0x", 17},
        {"fail=random:5:6:7", 16},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char report[128];
        snprintf(report, sizeof(report),
                 "f:1:%d: fail: expected off, nth:N, every:N, random:N or random:N:SEED\n",
                 wrong[i].column);
        expect(wrong[i].text, report);
        assert_int_equal(parse(OPTIONS_FILE, wrong[i].text).options.boot.fail, BOOT_FAIL_NEVER);
    }
}

static void reserves(void **state) {
    (void)state;
    struct boot_options got = parse(OPTIONS_FILE, "").options.boot;
    assert_int_equal(got.reserve_below_16m, BOOT_RESERVE_DEFAULT);
    assert_int_equal(got.reserve_below_4g, BOOT_RESERVE_DEFAULT);
    assert_int_equal(got.reserve_atomic, BOOT_RESERVE_DEFAULT);
    got = parse(OPTIONS_FILE, "reserve=atomic:1,below4g:0x8000000,below16m:0").options.boot;
    assert_int_equal(got.reserve_below_16m, 0);
    assert_int_equal(got.reserve_below_4g, 128 * MIB);
    assert_int_equal(got.reserve_atomic, PAGE_SIZE); // rounded up
    assert_string_equal(got.text, "reserve=atomic:1,below4g:0x8000000,below16m:0");
    got = parse(OPTIONS_FILE, "reserve=below16m:16M,below4g:4g reserve=atomic:1G").options.boot;
    assert_int_equal(got.reserve_below_16m, BOOT_RESERVE_DEFAULT); // the later counts, all of it
    assert_int_equal(got.reserve_atomic, GIB);
}

static void wrong_reserves(void **state) {
    (void)state;
#define EXPECTED "reserve: expected below16m:SIZE, below4g:SIZE or atomic:SIZE\n"
    expect("reserve=", "f:1:9: " EXPECTED);
    expect("reserve=64M", "f:1:9: " EXPECTED);
    expect("reserve=below4g", "f:1:9: " EXPECTED);
    expect("reserve=below4g:", "f:1:17: reserve: expected a number, as 4096, 4K or 0x1000\n");
    expect("reserve=below4g:-1", "f:1:17: reserve: expected a number, as 4096, 4K or 0x1000\n");
    expect("log=debug\nreserve=atomic:1M,below8g:1M", "f:2:19: " EXPECTED);
    expect("reserve=atomic:1M,", "f:1:19: " EXPECTED);
    expect("reserve=atomic:1M;below4g:1M", "f:1:18: reserve: expected ',' and another reserve\n");
    expect("reserve=atomic:1M,atomic:2M", "f:1:19: reserve: atomic is there twice\n");
    expect("reserve=below16m:17M", "f:1:18: reserve: below16m can be 16 MiB at most\n");
    expect("reserve=below4g:5G", "f:1:17: reserve: below4g can be 4096 MiB at most\n");
    expect("reserve=atomic:2G", "f:1:16: reserve: atomic can be 1024 MiB at most\n");
    expect("reserve=atomic:16777216T", "f:1:16: reserve: the number does not fit 64 bits\n");
    struct result result = parse(OPTIONS_FILE, "reserve=atomic:1M reserve=below4g:1M,oops");
    assert_int_equal(result.options.boot.reserve_atomic, MIB); // a mistake changes nothing
    assert_int_equal(result.options.boot.reserve_below_4g, BOOT_RESERVE_DEFAULT);
    assert_string_equal(result.options.boot.text, "reserve=atomic:1M");
}

static void wrong_quotes(void **state) {
    (void)state;
    expect("kaslr=off run=\"a b\nacpi=keep", "f:1:15: no closing quote on this line\n");
    struct result result = parse(OPTIONS_FILE, "kaslr=off run=\"a b\nacpi=keep");
    assert_int_equal(result.options.boot.acpi_keep, 1);
    expect("run=\"a\"b acpi=keep", "f:1:8: expected a blank after the closing quote\n");
    expect("run=\"", "f:1:5: no closing quote on this line\n");
}

static void text_limits(void **state) {
    (void)state;
    char text[1200], report[100];
    struct result result;
    for (size_t length = 510; length < 514; length++) {
        snprintf(text, sizeof(text), "run=%0*d", (int)length, 0);
        result = parse(OPTIONS_FILE, text);
        snprintf(report, sizeof(report), "f:1:5: run= has %zu bytes: at most 511 are taken\n",
                 length);
        assert_string_equal(result.reports, length <= 511 ? "" : report);
        assert_int_equal(strlen(result.options.boot.run), length <= 511 ? length : 0);
    }
    result = parse(OPTIONS_FILE, "");
    parse_more(&result, OPTIONS_FILE, "run=a\0b", 7);
    assert_string_equal(result.reports, "f:1:5: run= holds a NUL byte\n");
    // What is shown has room for so much; what does not fit is left out whole.
    for (unsigned i = 0; i < 5; i++) {
        snprintf(text, sizeof(text), "run=%0511d", 0);
        parse_more(&result, OPTIONS_FILE, text, strlen(text));
    }
    assert_int_equal(strlen(result.options.boot.text), 3 * 516 - 1);
}

static void many_mistakes_are_counted(void **state) {
    (void)state;
    char text[201];
    for (size_t i = 0; i < 100; i++) {
        memcpy(text + 2 * i, "x ", 3);
    }
    struct result result = parse(OPTIONS_FILE, text);
    assert_int_equal(result.wrong, 100);
    assert_non_null(strstr(result.reports, "f:1:47: 'x' is no option"));
    assert_null(strstr(result.reports, "f:1:49:"));
    assert_non_null(strstr(result.reports, "\nf: 76 more words are wrong\n"));
}

static void badram_expect(const char *text, const char *ranges) {
    char out[4096] = "";
    struct result result = parse(OPTIONS_FILE, text);
    assert_string_equal(result.reports, "");
    for (uint32_t i = 0; i < result.options.boot.badram_count; i++) {
        const struct boot_badram *range = &result.options.boot.badram[i];
        size_t length = strlen(out);
        snprintf(out + length, sizeof(out) - length, "%lx-%lx ", range->begin.value,
                 range->end.value);
    }
    for (uint32_t i = 0; i < result.options.pattern_count; i++) {
        const struct badram_pattern *pattern = &result.options.patterns[i];
        size_t length = strlen(out);
        snprintf(out + length, sizeof(out) - length, "%lx&%lx ", pattern->address, pattern->mask);
    }
    assert_string_equal(out, ranges);
}

static void badram_forms(void **state) {
    (void)state;
    badram_expect("badram=64K$0x12340000", "12340000-12350000 ");
    badram_expect("badram=0x12340000-0x12350000", "12340000-12350000 ");
    badram_expect("badram=1$4095,1M-2M,2G$1T", "0-1000 100000-200000 10000000000-10080000000 ");
    badram_expect("badram=2$4095", "0-2000 "); // rounded outward
    badram_expect("badram=0x12340000,0xffff0000", "12340000-12350000 ");
    badram_expect("badram=0x12345678,0xfffffffc", "12345000-12346000 ");
    badram_expect("badram=0x7ddf0000,0xffffc000", "7ddf0000-7ddf4000 ");
    badram_expect("badram=0x1000,0", "0-100000000 ");
    badram_expect("badram=0x3000,0xffff7000", "3000&ffffffffffff7000 ");
    badram_expect("badram=0x1000,0xfffe7000,4K$0,0x1fff,0xfffffe7fff",
                  "0-1000 1000&fffffffffffe7000 1000&fff000fffffe7000 ");
    // More than 32 bits: the mask is taken as it is.
    badram_expect("badram=0x812345000,0xfffffffffffff000", "812345000-812346000 ");
    badram_expect("badram=0x800000000,0xfffffffff00000", "800000000-800100000 ");
    badram_expect("badram=4k$0X1000,0-1g", "1000-2000 0-40000000 ");
    badram_expect("badram=0xFFFFFFFFFF000-0x10000000000000", "ffffffffff000-10000000000000 ");
}

static void badram_mistakes(void **state) {
    (void)state;
    expect("badram=", "f:1:8: badram: expected a number, as 4096, 4K or 0x1000\n");
    expect("badram=x", "f:1:8: badram: expected a number, as 4096, 4K or 0x1000\n");
    expect("badram=0x$1", "f:1:8: badram: expected a number, as 4096, 4K or 0x1000\n");
    expect("badram=4K", "f:1:10: badram: expected size$start, begin-end, or address,mask\n");
    expect("badram=4K$", "f:1:11: badram: expected a number, as 4096, 4K or 0x1000\n");
    expect("badram=4K$0,", "f:1:13: badram: expected a number, as 4096, 4K or 0x1000\n");
    expect("badram=4K$0;4K$8K", "f:1:12: badram: expected ',' and another range\n");
    expect("badram=4KK$0", "f:1:10: badram: expected size$start, begin-end, or address,mask\n");
    expect("badram=0$4096", "f:1:8: badram: the range is empty\n");
    expect("badram=8K-4K", "f:1:8: badram: the range is empty\n");
    expect("badram=1K$18446744073709551616", "f:1:11: badram: the number does not fit 64 bits\n");
    expect("badram=16777216T$0", "f:1:8: badram: the number does not fit 64 bits\n");
    expect("badram=4K$0x10000000000000",
           "f:1:8: badram: the range ends beyond what a CPU can address\n");
    expect("badram=0xffffffffffffffff$0xfff",
           "f:1:8: badram: the range ends beyond what a CPU can address\n");
    expect("badram=0x8010000000000000,0x8010000000001000",
           "f:1:8: badram: the pattern lies beyond what a CPU can address\n");
    expect("badram=0x8010000000000000,0xfff0000000000000",
           "f:1:8: badram: the range ends beyond what a CPU can address\n");
    struct result result = parse(OPTIONS_FILE, "badram=4K$1M badram=4K$2M,oops");
    assert_int_equal(result.options.boot.badram_count, 1); // a mistake changes nothing
    assert_int_equal(result.options.boot.badram[0].begin.value, MIB);
    assert_string_equal(result.options.boot.text, "badram=4K$1M");
}

static void badram_is_full_at_64(void **state) {
    (void)state;
    char text[2048] = "badram=";
    for (unsigned i = 0; i < 64; i++) {
        sprintf(text + strlen(text), "%s4K$%uM", i == 0 ? "" : ",", i);
    }
    struct result result = parse(OPTIONS_FILE, text);
    assert_string_equal(result.reports, "");
    assert_int_equal(result.options.boot.badram_count, 64);
    memcpy(text + strlen(text), ",4K$1G", 7);
    result = parse(OPTIONS_FILE, text);
    assert_non_null(strstr(result.reports, "badram: more than 64 ranges"));
    assert_int_equal(result.options.boot.badram_count, 0);
    strcpy(text, "badram=0,0xfff7f000");
    for (unsigned i = 1; i < 64; i++) {
        sprintf(text + strlen(text), ",%uM,0xfff7f000", i);
    }
    result = parse(OPTIONS_FILE, text);
    assert_string_equal(result.reports, "");
    assert_int_equal(result.options.pattern_count, 64);
    memcpy(text + strlen(text), ",1G,0xfff7f000", 15);
    result = parse(OPTIONS_FILE, text);
    assert_non_null(strstr(result.reports, "badram: more than 64 patterns"));
    assert_int_equal(result.options.pattern_count, 0);
}

static void guards(void **state) {
    (void)state;
    static const struct {
        const char *text, *name;
        uint32_t begin;
    } cases[] = {
        {"guard=64", "64", 0},
        {"guard=4K:end", "4K", 0},
        {"guard=kmalloc-1K:begin", "kmalloc-1K", 1},
        {"guard=a_name.that_has_23_byte", "a_name.that_has_23_byte", 0},
        {"guard=64:begin guard=off", "", 0},
        {"guard=64:begin guard=off:begin", "", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct result result = parse(OPTIONS_FILE, cases[i].text);
        assert_string_equal(result.reports, "");
        assert_string_equal(result.options.boot.guard, cases[i].name);
        assert_int_equal(result.options.boot.guard_begin, cases[i].begin);
    }
    static const char *const wrong[] = {
        "guard=",         "guard=:begin",   "guard=64:",     "guard=64:beginning",
        "guard=64:start", "guard=64,begin", "guard=\"a b\"", "guard=a_name.that_has_24_bytes",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct result result = parse(OPTIONS_FILE, wrong[i]);
        assert_int_equal(result.wrong, 1);
        assert_non_null(strstr(result.reports, "guard: "));
        assert_string_equal(result.options.boot.guard, "");
    }
}

static void help_names_all(void **state) {
    (void)state;
    size_t count = 0;
    for (; options_help(count) != NULL; count++) {
        const struct option_help *help = options_help(count);
        assert_true(strlen(help->name) > 2 && strlen(help->values) > 3 && strlen(help->help) > 10);
    }
    assert_int_equal(count, 20);
}

// Any bytes at all: nothing outside them is read, and what comes out can be shown.
static void random_bytes(void **state) {
    (void)state;
    static const char pieces[] = "kaslr=on badram=4K$,-0x1f\"# \n\r\t=\xff\xc3\xa4\0run";
    uint64_t seed = 7;
    for (unsigned round = 0; round < 20000; round++) {
        char text[64];
        for (size_t i = 0; i < sizeof(text); i++) {
            seed = seed * UINT64_C(6364136223846793005) + 1;
            text[i] = pieces[(seed >> 33) % sizeof(pieces)];
        }
        struct result result = {0};
        options_init(&result.options);
        parse_more(&result, round % 2 ? OPTIONS_FILE : OPTIONS_LOADED, text, sizeof(text));
        assert_true(strlen(result.options.boot.text) < sizeof(result.options.boot.text));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(every_choice),
        cmocka_unit_test(words_and_quotes),
        cmocka_unit_test(later_counts),
        cmocka_unit_test(comments_only_in_files),
        cmocka_unit_test(wrong_words),
        cmocka_unit_test(wrong_numbers),
        cmocka_unit_test(wrong_quotes),
        cmocka_unit_test(text_limits),
        cmocka_unit_test(many_mistakes_are_counted),
        cmocka_unit_test(badram_forms),
        cmocka_unit_test(badram_mistakes),
        cmocka_unit_test(badram_is_full_at_64),
        cmocka_unit_test(failures_have_numbers),
        cmocka_unit_test(reserves),
        cmocka_unit_test(wrong_reserves),
        cmocka_unit_test(guards),
        cmocka_unit_test(help_names_all),
        cmocka_unit_test(random_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
