# SPDX-License-Identifier: MIT
"""Every way to fail that `fault` offers, against its whole report: nothing is missing from it, nothing else is there,
and the machine ends by itself with the status of a panic. In the expectations # is a hexadecimal number, and everything
else stands for itself; without kaslr most addresses are known."""

import re

import pytest

REGISTERS = """\
  rax #  rbx #  rcx #  rdx #
  rsi #  rdi #  rbp #  rsp #
  r8  #  r9  #  r10 #  r11 #
  r12 #  r13 #  r14 #  r15 #
  rip #  cs 0008  ss 0010  rflags #
  cr0 80010033  cr2 #  cr3 #  cr4 #
"""
BY_HAND = ["fault_command", "execute", "monitor_loop", "kernel_main", "kernel_start"]
NULL = """\
address: page 0, never mapped
tables: root 0x#, 4 levels
  level 4, entry   0 of 0x#: 0000000000000000 empty
"""


def walk(indices, last, upper="table at 0x#, writable"):
    """The lines of a translation that goes down to level 1."""
    lines = "tables: root 0x#, 4 levels\n"
    for level, index in zip((4, 3, 2, 1), indices):
        number = index if index == "@" else f" {index:3}"
        lines += f"  level {level}, entry{number} of 0x#: # {upper if level > 1 else last}\n"
    return lines


def image(entry, last, permissions):
    return f"{walk((511, 510, 0, entry), last)}together: {permissions}, write-back; physical 0x#: kernel\n"


def exception(what, at, explanation, calls, nowhere=""):
    lines = "".join(f"  0x# {name}+0x# (image+0x#)\n" for name in [*calls, *BY_HAND])
    return (f"exception {what}, at {at}\n{explanation}{REGISTERS}"
            f"calls, innermost first (image at 0xffffffff80000000):\n{nowhere}{lines}stopped.\n")


def page_fault(name, error, at, explanation, calls=None, nowhere=""):
    return exception(f"14 (page fault), error code 0x{error:x}", at or f"0x# fault_{name}+0x#", explanation,
                     calls or [f"fault_{name}"], nowhere)


def panic(message, *calls):
    lines = "".join(f"  0x# {name}+0x# (image+0x#)\n" for name in [*calls, *BY_HAND])
    return f"panic: {message}\ncalls, innermost first (image at 0xffffffff80000000):\n{lines}stopped.\n"


USER_WALK = walk((0, 0, 3, 0), "4 KiB page at 0x#, read-only, user", "table at 0x#, writable, user") + (
    "together: r-x user, write-back; physical 0x#: usable, allocated, in a block of order 0 at 0x#, owner user\n")
FORBIDDEN = "by the kernel: the page's permissions forbid it"
NOTHING = "by the kernel: nothing is mapped there"

REPORTS = {
    "null-read": page_fault("null_read", 0, None,
                            f"read of 0x0000000000000010 {NOTHING} (a null pointer)\n{NULL}"),
    "null-write": page_fault("null_write", 2, None,
                             f"write to 0x0000000000000010 {NOTHING} (a null pointer)\n{NULL}"),
    "null-execute": page_fault("null_execute", 0x10, "0x0000000000000000",
                               f"instruction fetch from 0x0000000000000000 {NOTHING} (a null pointer)\n{NULL}"),
    "text-write": page_fault("text_write", 3, None,
                             f"write to 0xffffffff80000000 {FORBIDDEN}\naddress: kernel code\n"
                             + image(0, "4 KiB page at 0x#, read-only, global", "r-x")),
    "rodata-write": page_fault("rodata_write", 3, None,
                               f"write to 0xffffffff# {FORBIDDEN}\naddress: kernel constants\n"
                               + image("@", "4 KiB page at 0x#, read-only, no-execute, global", "r--")),
    "data-execute": page_fault("data_execute", 0x11, "0xffffffff#",
                               f"instruction fetch from 0xffffffff# {FORBIDDEN}\naddress: kernel data\n"
                               + image("@", "4 KiB page at 0x#, writable, no-execute, global", "rw-"),
                               nowhere="  0xffffffff# outside the kernel's code\n"),
    "guard": page_fault("guard", 2, None,
                        f"write to 0xffffc00000004000 {NOTHING}\naddress: vmalloc\n"
                        + walk((384, 0, 0, 4), "empty")
                        + "mapped below: 0xffffc00000003000, 0x0 bytes away, rw-, physical 0x#: usable, allocated, in "
                          "a block of order 0 at 0x#, owner vmalloc\n"
                          "block: 0x0 bytes behind, in the guard of vmalloc [0xffffc00000001000, 0xffffc00000004000), "
                          "asked for by fault_guard+0x#\n"),
    "overflow": page_fault("overflow", 0, None,
                           f"read of 0xffffc00000002000 {NOTHING}\naddress: vmalloc\n"
                           + walk((384, 0, 0, 2), "empty")
                           + "mapped below: 0xffffc00000001000, 0x0 bytes away, rw-, physical 0x#: usable, allocated, "
                             "in a block of order 0 at 0x#, owner vmalloc\n"
                             "block: 0x0 bytes behind, in the guard of vmalloc [0xffffc00000001000, "
                             "0xffffc00000002000), asked for by guard_alloc+0x#\n"
                             "object: 0xffffc00000001fc0 of kmalloc-64, 64 bytes, in use, allocated by "
                             "fault_overflow+0x#; the address is 0x0 bytes behind it\n"),
    "use-after-free": page_fault("use_after_free", 0, None,
                                 f"read of 0xffffc00000001fd0 {NOTHING}\naddress: vmalloc\n"
                                 + walk((384, 0, 0, 1), "not present")
                                 + "nothing is mapped in vmalloc\n"
                                   "block: freed vmalloc [0xffffc00000001000, 0xffffc00000002000), asked for by "
                                   "guard_alloc+0x#\n"
                                   "object: 0xffffc00000001fc0 of kmalloc-64, 64 bytes, freed, allocated by "
                                   "fault_use_after_free+0x#, freed by fault_use_after_free+0x#; the address is its "
                                   "byte 0x10\n"),
    "use-after-reuse": page_fault("use_after_reuse", 2, None,
                                  f"write to 0xffffc00000001fd0 {NOTHING}\naddress: vmalloc\n"
                                  + walk((384, 0, 0, 1), "not present")
                                  + "nothing is mapped in vmalloc\n"
                                    "block: freed vmalloc [0xffffc00000001000, 0xffffc00000002000), asked for by "
                                    "guard_alloc+0x#\n"
                                    "object: 0xffffc00000001fc0 of kmalloc-64, 64 bytes, freed, allocated by "
                                    "fault_use_after_reuse+0x#, freed by fault_use_after_reuse+0x#; the address is "
                                    "its byte 0x10\n"),
    "user-access": page_fault("user_access", 1, None,
                              f"read of 0x0000000000600000 {FORBIDDEN}\naddress: user space\n{USER_WALK}"
                              "it is user memory, which the kernel must not touch (SMAP)\n"),
    "user-execute": page_fault("user_execute", 0x11, "0x0000000000600000",
                               f"instruction fetch from 0x0000000000600000 {FORBIDDEN}\naddress: user space\n"
                               f"{USER_WALK}"
                               "it is user memory, which the kernel must not execute (SMEP)\n",
                               nowhere="  0x0000000000600000 outside the kernel's code\n"),
    "stack-overflow": exception(
        "8 (double fault), error code 0x0", "0x# fall+0x#",
        "stack: the kernel stack overflowed: rsp is @ bytes below it\naddress: stacks\n"
        + walk((480, 0, 0, 0), "empty")
        + "mapped above: 0xfffff00000001000, 0x# bytes away, rw-, physical 0x#: usable, allocated, in a block of order "
          "3 at 0x#, owner stack\n"
          "block: 0x# bytes before, in the guard of stack [0xfffff00000001000, 0xfffff00000009000), asked for by "
          "paging_start+0x#\n", []).replace(
        "".join(f"  0x# {name}+0x# (image+0x#)\n" for name in BY_HAND),
        "  0x# fall+0x# (image+0x#)\n" * 25 + "  (and more)\n"),
    "non-canonical": exception("13 (general protection), error code 0x0", "0x# fault_not_canonical+0x#",
                               "no segment is to blame\nnot a canonical address: rax\n", ["fault_not_canonical"]),
    "segment": exception("13 (general protection), error code 0x50", "0x# fault_segment+0x#",
                         "entry 10 of the GDT\n", ["fault_segment"]),
    "double": exception("8 (double fault), error code 0x0", "0x# fault_double+0x#", "stack: rsp is in no stack\n",
                        ["fault_double"]),
    "divide": exception("0 (divide error), error code 0x0", "0x# cpu_divide_by_zero+0x#", "", ["cpu_divide_by_zero"]),
    "opcode": exception("6 (invalid opcode), error code 0x0", "0x# cpu_undefined+0x#", "", ["cpu_undefined"]),
    "breakpoint": exception("3 (breakpoint), error code 0x0", "0x# cpu_breakpoint+0x#", "", ["cpu_breakpoint"]),
    "assertion": panic("assertion failed: two + two == 5 (kernel/monitor/fault.c:@)", "fault_assertion"),
    "panic": panic("on purpose: fault panic", "fault_panic"),
    "again": "panic: \ninside that report: exception 14 (page fault), error code 0x0, at 0x# text_vprintf+0x#\n"
             "stopped.\n",
}


def pattern(expected):
    """# is hexadecimal, @ decimal digits with blanks before them."""
    return re.escape(expected).replace(r"\#", "[0-9a-f]+").replace("@", r" *\d+")


# What has to be given so that the machine notices.
OPTIONS = dict.fromkeys(["overflow", "use-after-free", "use-after-reuse"], " guard=64")


@pytest.mark.parametrize("name", REPORTS)
def test_report(uboot, name):
    session = uboot("kaslr=off exit=qemu" + OPTIONS.get(name, ""))
    session.unlock()
    session.send(f"fault {name}\r")
    assert session.wait() == 35, session.tail()
    said = session.text[session.text.rindex("going wrong: "):]
    report = said.partition("\n\n")[2].replace("\r", "")
    wanted = REPORTS[name]
    if not re.fullmatch(pattern(wanted), report.rstrip("\n") + "\n"):
        missing = [line for line in wanted.splitlines() if not re.search(f"^{pattern(line)}$", report, re.MULTILINE)]
        pytest.fail(f"not in the report: {missing}\n{report}")


def test_every_way_has_a_report(uboot):
    ways = re.findall(r"^  ([a-z-]+) {2,}", uboot().command("fault help"), re.MULTILINE)
    assert sorted(ways) == sorted([*REPORTS, "free"])


@pytest.mark.parametrize("cpu, name", [("max,-smap", "user-access"), ("max,-smep", "user-execute")])
def test_what_the_processor_cannot_stop_is_told(uboot, cpu, name):
    session = uboot(cpu=cpu)
    assert session.command(f"fault {name}").splitlines()[-1] == "nothing has stopped it"
    assert session.command("check").strip() == "check: ok"


@pytest.mark.parametrize("name", ["null-read", "text-write", "stack-overflow", "double", "non-canonical"])
def test_with_kaslr_on_ovmf(ovmf, name):
    session = ovmf(options="exit=qemu")
    session.unlock()
    session.send(f"fault {name}\r")
    assert session.wait() == 35, session.tail()
    assert "kernel_main+0x" in session.text or "(and more)" in session.text


def test_a_non_maskable_interrupt(uboot):
    """It comes from outside at any time, and is reported from its own stack."""
    session = uboot("kaslr=off exit=qemu")
    session.qmp("inject-nmi")
    assert session.wait() == 35, session.tail()
    assert re.search(r"^exception 2 \(non-maskable interrupt\), error code 0x0, at 0xf{8}8", session.text, re.MULTILINE)
    assert re.search(r"^  0x[0-9a-f]+ kernel_main\+0x", session.text.partition("calls, innermost")[2], re.MULTILINE)
