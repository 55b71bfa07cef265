# SPDX-License-Identifier: MIT
"""`wx`: what can be written and what can be executed, held against the records of the page tables."""

import re

from harness import sound
from records import number

RUN = r"\[(0x[0-9a-f]{16}), (0x[0-9a-f]{16})\]"


class Answer:
    """What `wx` said."""

    def __init__(self, session):
        self.text = session.command("wx")
        self.kernel, _, self.runtime = self.text.partition("the firmware's runtime services")
        self.runs = [(int(begin, 16), int(last, 16) + 1, permissions, area) for begin, last, permissions, area in
                     re.findall(rf"^  {RUN}  ([r-][w-][x-]) +[\d.]+ \w+  (.*)$", self.kernel, re.MULTILINE)]
        self.totals = {permissions: int(size) for permissions, size in
                       re.findall(r"^    ([r-][w-][x-]) +(\d+) bytes  ", self.kernel, re.MULTILINE)}
        self.breaches = [(int(begin, 16), int(last, 16) + 1) for begin, last in
                         re.findall(rf"^    {RUN}  ", self.kernel, re.MULTILINE)]
        self.verdict = re.search(r"^wx: (.*)\Z", self.text.strip(), re.MULTILINE)[1]


def merged(mappings):
    """The records of what is mapped, neighbours that differ in what `wx` does not show as one."""
    runs = []
    for mapping in mappings:
        begin, end = number(mapping["start"]), number(mapping["end"])
        run = (begin, end, mapping["permissions"], mapping["area"])
        if runs and runs[-1][1:] == (begin, *run[2:]):
            run = (runs.pop()[0], *run[1:])
        runs.append(run)
    return runs


def test_runs_and_totals_are_those_of_the_tables(uboot):
    session = uboot(extra=["-device", "VGA"])
    answer = Answer(session)
    mappings = sound(session).of("mapping")
    assert answer.runs == merged(mappings)
    assert {area for *_, area in answer.runs} >= {"direct map", "stacks", "kernel code", "kernel data"}
    for permissions in ("r--", "rw-", "r-x", "rwx"):
        assert answer.totals[permissions] == sum(number(m["end"]) - number(m["start"]) for m in mappings
                                                 if m["permissions"] == permissions)
    assert answer.totals["rwx"] == 0 and answer.totals["r-x"] > 0
    assert "breaches: none" in answer.kernel
    assert answer.verdict == "ok, 0 writable-executable, 0 code-alias"
    assert max(map(len, answer.text.splitlines())) <= 80


def test_a_planted_page_is_found(uboot):
    session = uboot()
    before = Answer(session)
    session.command("plant writable-executable")
    answer = Answer(session)
    (breach,) = answer.breaches
    assert breach[1] - breach[0] == 4096
    stack = next(run for run in before.runs if run[0] == breach[0])
    assert stack[2:] == ("rw-", "stacks")  # the lowest page of one
    assert (*breach, "rwx", "stacks") in answer.runs
    assert answer.totals["rwx"] == 4096 and answer.totals["rw-"] == before.totals["rw-"] - 4096
    assert answer.verdict == "FAILED, 1 writable-executable, 0 code-alias"


def test_code_that_can_be_written_elsewhere_is_found(uboot):
    session = uboot()
    session.command("plant code-alias")
    answer = Answer(session)
    code = next(run for run in answer.runs if run[3] == "kernel code")
    assert answer.breaches == [code[:2]]
    alias = int(re.search(r"code that can be written at (0x[0-9a-f]+)", answer.kernel)[1], 16)
    assert any(run[0] <= alias < run[1] and run[2:] == ("rw-", "direct map") for run in answer.runs)
    assert "physical" in session.command(f"whatis {alias:#x}")
    assert answer.verdict == "FAILED, 0 writable-executable, 1 code-alias"


def test_the_runtime_services_are_shown_once_they_are_mapped(uboot):
    """U-Boot has no memory attributes table, so its code can be written: said, and not held against the kernel."""
    session = uboot()
    assert "nothing is mapped for them now" in Answer(session).runtime
    session.command("time")
    answer = Answer(session)
    code = re.findall(rf"^  {RUN}  rwx ", answer.runtime, re.MULTILINE)
    pages = sum(int(last, 16) + 1 - int(begin, 16) for begin, last in code) // 4096
    assert pages == int(re.search(r"(\d+) pages are writable and executable", session.command("runtime"))[1])
    assert "there is no memory attributes table" in answer.runtime
    assert answer.verdict.startswith("ok, ")


def test_without_nx_nothing_is_promised(uboot):
    answer = Answer(uboot(cpu="max,-nx"))
    assert answer.totals["rwx"] > 0 and answer.totals["rw-"] == 0
    assert answer.verdict.startswith("without NX ")
