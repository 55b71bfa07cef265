# SPDX-License-Identifier: MIT
"""The benchmarks run, everybody passes the self-check, and what they write can be read. Never how fast anything is."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PAGES = Path(os.environ["STRATA_BUILD"]) / "bench" / "pages"
OBJECTS = PAGES.with_name("objects")


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    out = tmp_path_factory.mktemp("bench") / "bench.json"
    result = subprocess.run([PAGES, "--quick", "--repeats", "2", "--json", out], capture_output=True, text=True,
                            timeout=120)
    assert result.returncode == 0, result.stderr
    return result.stdout, out


def test_table_has_every_row(quick):
    text, out = quick
    record = json.loads(out.read_text())
    assert record["quick"] and record["repeats"] == 2
    for row in record["rows"]:
        assert row["title"] in text


def test_numbers_are_complete(quick):
    record = json.loads(quick[1].read_text())
    rows = {row["id"]: row for row in record["rows"]}
    assert {"hot", "bulk-alloc", "churn-75", "mixed", "healing", "order-9", "handoff", "init-16g",
            "metadata"} <= rows.keys()
    for row in rows.values():
        assert "strata" in row["values"] and "list" in row["values"], row["id"]
        for value in row["values"].values():
            assert 0 <= value["min"] <= value["median"] <= value["max"]
        for bound in row["bounds"]:
            met = bound["value"] >= bound["limit"] if bound["kind"] == "at-least" else bound["value"] <= bound["limit"]
            assert bound["met"] == met


def test_nobody_refuses_single_frames(quick):
    rows = {row["id"]: row for row in json.loads(quick[1].read_text())["rows"]}
    assert rows["metadata"]["values"]["strata"]["median"] < rows["metadata"]["values"]["list"]["median"]


def test_plot_is_drawn(quick, tmp_path):
    picture = tmp_path / "bench.svg"
    subprocess.run([sys.executable, HERE / "plot.py", quick[1], picture], check=True, timeout=60)
    assert xml.parse(picture).getroot().tag.endswith("svg")


def test_rows_can_be_selected(tmp_path):
    out = tmp_path / "some.json"
    result = subprocess.run([PAGES, "--quick", "--repeats", "1", "--rows", "hot order-9", "--json", out],
                            capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert "churn-75" not in [row["id"] for row in json.loads(out.read_text())["rows"]]


def test_wrong_words_are_refused():
    assert subprocess.run([PAGES, "--repeats", "0"], capture_output=True, timeout=60).returncode == 2


@pytest.mark.parametrize("option, words, wrong, right", [
    ("--rows", "hot,ordre-9", "ordre-9", "order-9"),
    ("--only", "strata lust", "lust", "list"),
])
def test_an_unknown_name_is_named(option, words, wrong, right):
    result = subprocess.run([PAGES, "--quick", option, words], capture_output=True, text=True, timeout=60)
    assert result.returncode == 2 and result.stdout == ""
    assert f'nothing is called "{wrong}"; there are' in result.stderr and f" {right}" in result.stderr


@pytest.fixture(scope="module")
def quick_objects(tmp_path_factory):
    out = tmp_path_factory.mktemp("bench") / "objects.json"
    result = subprocess.run([OBJECTS, "--quick", "--repeats", "1", "--json", out], capture_output=True, text=True,
                            timeout=200)
    assert result.returncode == 0, result.stderr
    return result.stdout, out


def test_objects_table_is_complete(quick_objects):
    text, out = quick_objects
    rows = {row["id"]: row for row in json.loads(out.read_text())["rows"]}
    assert {"hot-64", "fresh", "bulk-random", "churn", "producer", "realloc-64", "memory-half"} <= rows.keys()
    for row in rows.values():
        assert row["title"] in text
        assert {"strata", "mimalloc", "jemalloc", "glibc"} <= row["values"].keys(), row["id"]


def test_objects_plot_is_drawn(quick_objects, tmp_path):
    picture = tmp_path / "objects.svg"
    subprocess.run([sys.executable, HERE / "plot.py", quick_objects[1], picture], check=True, timeout=60)
    assert xml.parse(picture).getroot().tag.endswith("svg")


def test_objects_refuses_wrong_words():
    assert subprocess.run([OBJECTS, "--repeats", "0"], capture_output=True, timeout=60).returncode == 2


def test_objects_runs_with_its_input_closed():
    """A job scheduler may start it so; the children's pipes must not take the places of the standard files."""
    words = [OBJECTS, "--quick", "--repeats", "1", "--rows", "hot-8"]
    result = subprocess.run(["sh", "-c", 'exec "$@" <&-', "sh", *words], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert "hot pair, 8 bytes" in result.stdout


def test_kernel_counts_the_same_twice_and_keeps_its_bounds():
    """Two boots with one instruction a tick: every row there, the calibration exact, and no more instructions than
    promised. These counts are exact, the same on every machine."""
    build = Path(os.environ["STRATA_BUILD"])
    result = subprocess.run([sys.executable, HERE / "kernel.py", build], capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
    record = json.loads((build / "bench-kernel.json").read_text())
    assert record["identical"] and record["calibration"]["unit"] == "instructions"
    rows = {row["id"]: row for row in record["rows"]}
    assert {"pair-0", "pair-9", "contig-2m-below-4g", "bulk-alloc"} <= rows.keys()
    for row, limit in (("frame-pair", 60), ("pair-9", 250), ("contig-2m-below-4g", 400), ("vmalloc-16k", 1500),
                       ("vmalloc-1m", 20000), ("vmap-1", 400), ("vmap-16", 900), ("ioremap-4k", 1000),
                       ("kmalloc-64", 70), ("object-pair", 60), ("kmalloc-bulk", 120), ("kmalloc-churn", 150)):
        assert rows[row]["limit"] == limit and rows[row]["met"], rows[row]
