# SPDX-License-Identifier: MIT
"""`.ci/deps`, with programs in the places of apt and dpkg that only write down what they are asked."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIST = (ROOT / ".ci/packages").read_text()
ALL = re.findall(r"^([a-z][\w.+-]*) ", LIST, re.MULTILINE)
FOR_TESTS = re.findall(r"^([a-z][\w.+-]*) ", LIST[LIST.index("# Only for tests"):], re.MULTILINE)
OPTIONAL = re.findall(r"^([a-z][\w.+-]*) .*\(optional\)$", LIST, re.MULTILINE)

FAKES = {
    "dpkg-query": 'for last; do :; done; grep -qx "$last" "$HERE/installed" && printf installed',
    "apt-cache": 'grep -qx "$2" "$HERE/archive"',
    "apt-get": """\
case "$*" in
update*) cp "$HERE/newer" "$HERE/archive"; echo update >>"$HERE/asked"; exit ;;
esac
for word; do
    case $word in
    -* | install) continue ;;
    esac
    grep -qx "$word" "$HERE/archive" || { echo "no $word" >&2; exit 100; }
done
case "$*" in
"install -s "*) ;;
*) echo "$*" >>"$HERE/asked" ;;
esac
""",
    "id": "echo ${USER_ID:-0}",
}


@pytest.fixture(name="deps")
def fixture_deps(tmp_path):
    for name, script in FAKES.items():
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    for name in "sed", "grep", "cp", "dirname", "env", "sh":
        (tmp_path / "bin" / name).symlink_to(f"/usr/bin/{name}")

    def run(*goals, installed=(), archive=ALL, newer=ALL, **more):
        for name, words in ("installed", installed), ("archive", archive), ("newer", newer), ("asked", ()):
            (tmp_path / name).write_text("".join(f"{word}\n" for word in words))
        result = subprocess.run(["/bin/sh", ROOT / ".ci/deps", *goals], capture_output=True, text=True, timeout=60,
                                check=False, env={"PATH": str(tmp_path / "bin"), "HERE": str(tmp_path), **more})
        asked = (tmp_path / "asked").read_text().splitlines()
        return result, asked
    return run


def packages_of(line):
    return [word for word in line.split() if not word.startswith("-") and word != "install"]


def test_what_runs_needs_less_than_what_tests(deps):
    assert set(FOR_TESTS) >= {"python3-pytest", "chromium-headless-shell"} and "qemu-system-x86" not in FOR_TESTS
    for goals, wanted in (["run"], set(ALL) - set(FOR_TESTS)), (["test"], set(ALL)), ([], set(ALL)), \
            (["run", "lint"], set(ALL)):
        result, asked = deps(*goals)
        assert result.returncode == 0, result.stderr
        assert [set(packages_of(line)) for line in asked] == [wanted], goals


def test_nothing_is_done_when_all_is_there(deps):
    result, asked = deps("test", installed=ALL)
    assert (result.returncode, result.stdout, asked) == (0, "deps: all packages are installed\n", [])
    result, asked = deps("run", installed=set(ALL) - set(FOR_TESTS))
    assert (result.returncode, asked) == (0, [])


def test_package_lists_are_fetched_when_there_are_none(deps):
    result, asked = deps("test", archive=())
    assert result.returncode == 0, result.stderr
    assert asked[0] == "update" and set(packages_of(asked[1])) == set(ALL)


def test_an_archive_without_a_browser(deps):
    without = set(ALL) - set(OPTIONAL)
    for archive in without, ():
        result, asked = deps("test", archive=archive, newer=without)
        assert result.returncode == 0, result.stderr
        assert f"deps: this system's archive has no {OPTIONAL[0]}: what wants it is skipped" in result.stdout
        assert set(packages_of(asked[-1])) == without
    result, asked = deps("test", installed=without, archive=without)
    assert (result.returncode, asked) == (0, [])


def test_without_root_and_sudo_the_command_is_named(deps):
    result, asked = deps("test", installed=set(ALL) - {"lld"}, USER_ID="1000")
    assert (result.returncode, asked) == (1, [])
    assert "apt-get install --no-install-recommends lld\n" in result.stdout
    # What is optional stops nobody.
    result, asked = deps("test", installed=set(ALL) - set(OPTIONAL), USER_ID="1000")
    assert (result.returncode, asked) == (0, [])


def test_other_systems_get_the_list(deps, tmp_path):
    (tmp_path / "bin/apt-get").unlink()
    for goals, wanted in (["run"], set(ALL) - set(FOR_TESTS)), (["test"], set(ALL)):
        result, _ = deps(*goals)
        assert result.returncode == 0
        assert set(re.findall(r"^  ([a-z][\w.+-]*) ", result.stdout, re.MULTILINE)) == wanted
