// SPDX-License-Identifier: MIT
// The serial port against a model of a 16550 whose registers are in memory, 1 or 4 bytes apart.
//
// The registers' page cannot be touched: each access traps, the model puts there what a read shall
// find, the one instruction runs, and the model sees what it wrote. The instruction behind it traps
// again, and the page is out of reach as before.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <devices/serial.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <x86/cpu.h>

#define TRAP_FLAG   0x100
#define ERROR_WRITE 2 // of a page fault's error code
#define FIFO        16

static struct model {
    uint8_t *page;
    size_t page_bytes;
    unsigned stride;
    bool no_scratch, no_fifo, deaf;
    bool stalled;         // nobody takes what is sent
    unsigned stalled_for; // nor until the status was read as often

    unsigned accesses, narrow; // of a port with 32-bit registers, writes of another width
    unsigned reg;              // the one being accessed, and whether it is written
    bool writing;

    uint8_t scratch, line_control, modem_control, fifo_control, divisor[2], errors;
    uint8_t arrived[64], error_of[64];
    unsigned arrived_begin, arrived_end;
    char sent[1 << 16];
    unsigned sent_count, in_fifo;
} model;

static uint8_t read_status(void) {
    uint8_t status = model.errors;
    model.errors = 0;
    if (model.arrived_begin != model.arrived_end) {
        status |= 1 | model.error_of[model.arrived_begin % 64];
    }
    if (model.stalled_for != 0) {
        model.stalled_for--;
    } else if (!model.stalled) {
        model.in_fifo = 0;
    }
    return model.in_fifo == 0 ? status | 0x60 : status;
}

static uint8_t read_register(unsigned reg) {
    bool divisor = (model.line_control & 0x80) != 0;
    switch (reg) {
    case 0:
        if (divisor) {
            return model.divisor[0];
        }
        return model.arrived_begin == model.arrived_end ? 0
                                                        : model.arrived[model.arrived_begin++ % 64];
    case 1:
        return divisor ? model.divisor[1] : 0;
    case 2:
        return (model.fifo_control & 1) != 0 && !model.no_fifo ? 0xc1 : 0x01;
    case 3:
        return model.line_control;
    case 5:
        return read_status();
    case 7:
        return model.no_scratch ? 0xff : model.scratch;
    default:
        return 0;
    }
}

static void arrive(uint8_t byte, uint8_t error) {
    model.arrived[model.arrived_end % 64] = byte;
    model.error_of[model.arrived_end++ % 64] = error;
}

static void transmit(uint8_t byte) {
    if ((model.modem_control & 0x10) != 0) {
        arrive(byte, 0);
    } else if (model.sent_count < sizeof(model.sent)) {
        model.sent[model.sent_count++] = (char)byte;
        model.in_fifo++;
    }
}

static void write_register(unsigned reg, uint8_t value) {
    bool divisor = (model.line_control & 0x80) != 0;
    if (reg < 2 && divisor) {
        model.divisor[reg] = value;
    } else if (reg == 0) {
        transmit(value);
    } else if (reg == 2) {
        model.fifo_control = value;
    } else if (reg == 3) {
        model.line_control = value;
    } else if (reg == 4) {
        model.modem_control = value;
    } else if (reg == 7) {
        model.scratch = value;
    }
}

static void on_access(int number, siginfo_t *info, void *context) {
    (void)number;
    ucontext_t *at = context;
    size_t offset = (size_t)((uint8_t *)info->si_addr - model.page);
    if (offset >= 8 * (size_t)model.stride || offset % model.stride != 0) {
        abort(); // no register
    }
    model.reg = (unsigned)(offset / model.stride);
    model.writing = (at->uc_mcontext.gregs[REG_ERR] & ERROR_WRITE) != 0;
    model.accesses++;
    mprotect(model.page, model.page_bytes, PROT_READ | PROT_WRITE);
    // The bytes around a register hold something else.
    memset(model.page, 0xee, model.page_bytes);
    if (!model.writing) {
        model.page[offset] = model.deaf ? 0xff : read_register(model.reg);
    }
    at->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void on_step(int number, siginfo_t *info, void *context) {
    (void)number, (void)info;
    ucontext_t *at = context;
    const uint8_t *written = model.page + (size_t)model.reg * model.stride;
    if (model.writing) {
        model.narrow += model.stride == 4 && (written[1] | written[2] | written[3]) != 0;
        model.narrow += model.stride == 1 && written[1] != 0xee;
        if (!model.deaf) {
            write_register(model.reg, written[0]);
        }
    }
    mprotect(model.page, model.page_bytes, PROT_NONE);
    at->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
}

// Within each test, for cmocka has handlers of its own before.
static void watch_the_page(void) {
    struct sigaction access = {.sa_sigaction = on_access, .sa_flags = SA_SIGINFO};
    struct sigaction step = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
    assert_int_equal(sigaction(SIGSEGV, &access, NULL), 0);
    assert_int_equal(sigaction(SIGTRAP, &step, NULL), 0);
}

static struct serial serial;

static struct serial place(unsigned stride) {
    uint8_t *page = model.page;
    size_t bytes = (size_t)sysconf(_SC_PAGESIZE);
    if (page == NULL) {
        page = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_true(page != MAP_FAILED);
    }
    watch_the_page();
    model = (struct model){.page = page, .page_bytes = bytes, .stride = stride};
    return (struct serial){.memory = page, .stride = stride, .divisor = 12};
}

static void open_port(unsigned stride) {
    struct serial where = place(stride);
    assert_true(serial_init_at(&serial, &where));
    assert_int_equal(model.narrow, 0);
}

static void check_port(unsigned stride) {
    open_port(stride);
    assert_int_equal(model.divisor[0] | model.divisor[1] << 8, 12);
    assert_int_equal(model.line_control, 3);
    assert_int_equal(model.modem_control & 0x13, 0x03); // not in the loop any more
    assert_int_equal(serial.fifo, FIFO);
    text_puts(&serial.text, "one line\n");
    assert_memory_equal(model.sent, "one line\r\n", 10);
    assert_int_equal(model.sent_count, 10);
    assert_int_equal(serial_read(&serial), -1);
    for (unsigned i = 0; i < 40; i++) {
        arrive((uint8_t)(200 + i), 0);
    }
    for (unsigned i = 0; i < 40; i++) {
        assert_int_equal(serial_read(&serial), 200 + i);
    }
    assert_int_equal(serial_read(&serial), -1);
    assert_int_equal(model.narrow, 0);
}

static void registers_a_byte_apart(void **state) {
    (void)state;
    check_port(1);
}

static void registers_a_word_apart(void **state) {
    (void)state;
    check_port(4);
}

static void the_speed_may_stay(void **state) {
    (void)state;
    struct serial where = place(4);
    where.divisor = 0;
    model.divisor[0] = 77;
    assert_true(serial_init_at(&serial, &where));
    assert_int_equal(model.divisor[0], 77);
}

static void a_port_that_is_not_there(void **state) {
    (void)state;
    struct serial where = place(1);
    model.deaf = true;
    assert_false(serial_init_at(&serial, &where));
    unsigned accesses = model.accesses;
    text_puts(&serial.text, "nobody hears it\n");
    assert_int_equal(serial_read(&serial), -1);
    serial_drain(&serial);
    assert_int_equal(model.accesses, accesses); // it is left alone
}

static void no_scratch_register_and_no_fifo(void **state) {
    (void)state;
    struct serial where = place(1);
    model.no_scratch = model.no_fifo = true;
    assert_true(serial_init_at(&serial, &where)); // it heard itself
    assert_int_equal(serial.fifo, 1);
    assert_int_equal(serial_read(&serial), -1);
}

// Not more is put in than the transmitter takes at once, and it is asked before.
static void the_fifo_is_filled_at_most(void **state) {
    (void)state;
    open_port(1);
    for (unsigned i = 0; i < 100; i++) {
        text_puts(&serial.text, "0123456789");
        assert_true(model.in_fifo <= FIFO);
    }
    assert_int_equal(model.sent_count, 1000);
}

static void a_stalled_reader_costs_one_wait(void **state) {
    (void)state;
    open_port(4);
    serial.patience = 1u << 28;
    text_puts(&serial.text, "before");
    model.stalled = true;
    model.in_fifo = FIFO;
    serial.room = 0;
    uint64_t began = cpu_tsc();
    text_puts(&serial.text, "0");
    assert_true(cpu_tsc() - began >= serial.patience);
    assert_true(serial.stalled);
    unsigned before = model.accesses;
    text_puts(&serial.text, "123456789");
    assert_int_equal(model.accesses - before, 9);
    assert_int_equal(serial.lost, 10);
    assert_int_equal(model.sent_count, 6);
    model.stalled = false;
    text_puts(&serial.text, "after");
    assert_memory_equal(model.sent + 6, "a\r\n[serial: 10 bytes lost]\r\nfter", 32);
    assert_false(serial.stalled);
    assert_int_equal(serial.lost, 10);
}

// The time is up at the first look at the clock, but nobody had time to read either.
static void a_paused_machine_is_asked_again(void **state) {
    (void)state;
    open_port(1);
    serial.patience = 0;
    model.stalled_for = 1000;
    model.in_fifo = FIFO;
    serial.room = 0;
    text_puts(&serial.text, "all of it");
    assert_int_equal(serial.lost, 0);
    assert_memory_equal(model.sent, "all of it", 9);
}

static void whoever_reads_again_is_told(void **state) {
    (void)state;
    open_port(1);
    assert_false(serial_resume(&serial));
    serial.patience = 1000;
    model.stalled = true;
    model.in_fifo = FIFO;
    serial.room = 0;
    text_puts(&serial.text, "0123456789");
    assert_false(serial_resume(&serial));
    model.stalled = false;
    assert_true(serial_resume(&serial));
    assert_memory_equal(model.sent, "\r\n\r\n[serial: 10 bytes lost]\r\n", 29);
    assert_false(serial_resume(&serial));
}

// Which bytes stood before the gap nobody knows: none of those that the port had is believed.
static void an_overrun_throws_away_what_is_there(void **state) {
    (void)state;
    open_port(1);
    for (unsigned i = 0; i < 14; i++) {
        arrive((uint8_t) "free 0 0\ralloc"[i], 0);
    }
    model.errors = 0x02;
    assert_int_equal(serial_read(&serial), -1);
    assert_int_equal(serial.overruns, 1);
    arrive('x', 0);
    assert_int_equal(serial_read(&serial), 'x');
    assert_int_equal(serial.overruns, 1);
}

static void damaged_bytes_are_no_text(void **state) {
    (void)state;
    open_port(1);
    arrive('a', 0);
    arrive('b', 0x04); // parity
    arrive('c', 0x08); // framing
    arrive(0, 0x18);   // a break
    arrive('d', 0);
    static const int expected[] = {'a', 0, 0, 0, 'd', -1};
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(serial_read(&serial), expected[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registers_a_byte_apart),
        cmocka_unit_test(registers_a_word_apart),
        cmocka_unit_test(the_speed_may_stay),
        cmocka_unit_test(a_port_that_is_not_there),
        cmocka_unit_test(no_scratch_register_and_no_fifo),
        cmocka_unit_test(the_fifo_is_filled_at_most),
        cmocka_unit_test(a_stalled_reader_costs_one_wait),
        cmocka_unit_test(a_paused_machine_is_asked_again),
        cmocka_unit_test(whoever_reads_again_is_told),
        cmocka_unit_test(an_overrun_throws_away_what_is_there),
        cmocka_unit_test(damaged_bytes_are_no_text),
    };
    return cmocka_run_group_tests_name("serial", tests, NULL, NULL);
}
