# SPDX-License-Identifier: MIT
"""The audit of the page tables finds each way in which they can be wrong, and nothing else."""

import re

import pytest

RULES = ["writable-executable", "code-alias", "user-bit", "cache-alias", "mapped-free", "mapped-bad",
         "table-not-owned"]


def audit(session):
    """The verdict, and how often each rule is broken."""
    answer = session.command("audit")
    verdict = re.match(r"audit: (ok|FAILED), \d+ pages mapped by \d+ tables: (.*)$", answer, re.MULTILINE)
    assert verdict, answer
    counts = {name: int(count) for count, name in (part.split() for part in verdict[2].split(", "))}
    assert list(counts) == RULES
    assert (verdict[1] == "ok") == (sum(counts.values()) == 0)
    assert all(f"  {name}: first at 0x" in answer for name, count in counts.items() if count)
    return counts


@pytest.mark.parametrize("rule", RULES)
def test_a_broken_rule_is_found(uboot, rule):
    session = uboot()
    assert not any(audit(session).values())
    assert session.command(f"plant {rule}").startswith("broken on purpose")
    found = audit(session)
    assert found.pop(rule) >= 1
    assert not any(found.values()), found


def test_wrong_words(uboot):
    session = uboot()
    assert "the rules are writable-executable" in session.command("plant roses")
    assert not any(audit(session).values())
