# SPDX-License-Identifier: MIT
"""The kernel's own page tables, held against the regions and the layout that the same boot tells."""

import pytest

from harness import BUILD, sound
from records import number

# How the direct map covers each class of memory; what is not here is not mapped.
COVERED = {"usable": "rw-", "bootsvc": "rw-", "loader": "rw-", "acpi": "rw-", "metadata": "rw-", "kernel": "rw-",
           "low": "r--", "nvs": "r--", "runtime": "r--"}


def merged(ranges):
    """Sorted (begin, end, kind), neighbours of one kind made one."""
    out = []
    for begin, end, kind in sorted(ranges):
        if out and out[-1][1] == begin and out[-1][2] == kind:
            out[-1] = (out[-1][0], end, kind)
        else:
            out.append((begin, end, kind))
    return out


def expected_direct_map(dump, image):
    """The physical ranges of RAM that is not bad, without the image."""
    for region in dump.regions:
        begin, end = number(region["start"]), number(region["end"])
        if region["class"] in COVERED:
            kind = COVERED[region["class"]]
            around = ((begin, min(end, image[0])), (max(begin, image[1]), end))
            yield from ((first, last, kind) for first, last in around if first < last)


def paged_well(dump):
    """Asserts what has to hold of the mappings of any boot."""
    area = {a["area"]: (number(a["start"]), number(a["end"])) for a in dump.of("layout")}
    mappings = dump.of("mapping")
    assert mappings and len(area) == 8
    for mapping in mappings:
        begin, end = number(mapping["start"]), number(mapping["end"])
        assert begin < end and begin % mapping["page"] == 0 and number(mapping["physical"]) % mapping["page"] == 0
        assert mapping["area"] in area, mapping
        assert area[mapping["area"]][0] <= begin and end <= area[mapping["area"]][1], mapping
        assert "user" not in mapping["permissions"] and mapping["area"] != "user space"
    code, constants, data = (
        [m for m in mappings if m["area"] == name] for name in ("kernel code", "kernel constants", "kernel data"))
    has_nx = any(p["name"] == "nx" and p["on"] for p in dump.of("protection"))
    for runs, name, permissions in ((code, "kernel code", "r-x"), (constants, "kernel constants", "r--"),
                                    (data, "kernel data", "rw-")):
        assert [(number(m["start"]), number(m["end"])) for m in runs] == [area[name]]
        assert runs[0]["permissions"] == (permissions if has_nx else permissions[:2] + "x")
    image = (number(code[0]["physical"]), number(data[0]["physical"]) + area["kernel data"][1] - area["kernel data"][0])
    base = area["direct map"][0]
    direct = [(number(m["start"]) - base, number(m["end"]) - base, m["permissions"][:2] + "-")
              for m in mappings if m["area"] == "direct map"]
    assert all(number(m["start"]) - base == number(m["physical"]) for m in mappings if m["area"] == "direct map")
    assert merged(direct) == merged(expected_direct_map(dump, image))
    assert all(m["permissions"] == ("rw-" if has_nx else "rwx") for m in mappings if m["area"] == "stacks")


@pytest.mark.parametrize("options", ["", "kaslr=off"])
@pytest.mark.parametrize("firmware", ["uboot", "ovmf"])
def test_what_is_mapped(request, firmware, options):
    dump = sound(request.getfixturevalue(firmware)(memory="4G", **({"options": options} if firmware == "ovmf" else
                                                                  {"arguments": options})))
    paged_well(dump)
    sizes = {m["page"] for m in dump.of("mapping") if m["area"] == "direct map"}
    assert sizes == {1 << 12, 1 << 21, 1 << 30}


def test_the_screen_is_write_combining(ovmf):
    session = ovmf(extra=["-device", "VGA"])
    dump = sound(session)
    paged_well(dump)
    screens = [m for m in dump.of("mapping") if m["area"] == "mmio" and m["cache"] == "write-combining"]
    assert sum(number(m["end"]) - number(m["start"]) for m in screens) >= 1280 * 800 * 4
    assert all(m["permissions"] == "rw-" for m in screens)


@pytest.mark.parametrize("cpu", ["qemu64", "max,-nx", "max,-pdpe1gb", "max,-smep,-smap", "max,-smap", "max,-umip",
                                 "max,-pge", "max,-pat", "max,+la57"])
def test_what_a_processor_lacks_is_named(uboot, cpu):
    session = uboot(cpu=cpu, memory="3G")
    dump = sound(session)
    paged_well(dump)
    on = {p["name"] for p in dump.of("protection") if p["on"]}
    assert not any(p["refused"] for p in dump.of("protection"))
    lacking = {"smep", "smap", "umip"} if cpu == "qemu64" else {word[1:] for word in cpu.split(",") if word[0] == "-"}
    lacking = {{"pge": "global"}.get(word, word) for word in lacking} - {"pdpe1gb"}
    assert on == {"nx", "wp", "global", "smep", "smap", "umip", "pat"} - lacking
    for name in lacking:
        assert f"  missing: {name}, which this CPU lacks: " in session.text
    sizes = {m["page"] for m in dump.of("mapping")}
    assert (1 << 30 in sizes) == (cpu not in ("qemu64", "max,-pdpe1gb"))
    assert all(m["global"] for m in dump.of("mapping")) == ("global" in on)


def test_an_address_through_every_layer(uboot):
    session = uboot("kaslr=off")
    stack = session.command("whatis 0xfffff00000001000")
    assert "virtual 0xfffff00000001000: stacks\n" in stack
    assert "block: stack [0xfffff00000001000, 0xfffff00000009000), asked for by paging_start+0x" in stack
    assert "mapped: rw-, write-back, by a page of 4 KiB\n" in stack and "owner stack" in stack
    assert stack.count("  mapped: at 0x") == 2  # there, and in the direct map
    guard = session.command("whatis 0xfffff00000000ff8")
    assert "in the guard of stack [0xfffff00000001000" in guard and "mapped: no\n" in guard
    code = session.command("whatis 0xffffffff80000123")
    assert code.count("  mapped: at 0x") == 1 and "r-x, write-back, in kernel code" in code
    assert "in direct map" in session.command("whatis 16M")
    assert "mapped: nowhere" in session.command("whatis 0xfee00000")
    assert "not a canonical address" in session.command("whatis 0x8000000000000000")


def hand_over_with_five_levels(boot, options="", **wanted):
    """Boots on U-Boot, which an EFI application has put on five-level page tables before the loader starts."""
    switch = (BUILD / "test/boot/la57.efi").read_bytes()
    session = boot(firmware="uboot", cpu="max,+la57", files=[("la57.efi", switch)], **wanted)
    session.expect("Hit any key", 30)
    session.send("\r")
    session.expect(r"^=> ", 10)
    session.send("virtio scan; load virtio 0:1 1000000 la57.efi; bootefi 1000000\r")
    session.expect(r"^=> ", 20)
    session.send(f"load virtio 0:1 1000000 EFI/BOOT/BOOTX64.EFI; setenv bootargs '{options}'; bootefi 1000000\r")
    session.prompt()
    return session


@pytest.mark.parametrize("options", ["", "kaslr=off"])
@pytest.mark.parametrize("memory", ["256M", "5G"])
def test_five_levels(boot, memory, options):
    session = hand_over_with_five_levels(boot, options, memory=memory)
    assert "page tables of 5 levels" in session.text
    dump = sound(session)
    paged_well(dump)
    (direct,) = [number(area["start"]) for area in dump.of("layout") if area["area"] == "direct map"]
    assert 0xff00000000000000 <= direct < 0xff80000000000000
    assert (direct == 0xff00000000000000) == (options == "kaslr=off")
    assert ", 5 levels" in session.command("pt") and "level 5, entry 511 of" in session.command("pt 0xffffffff80000000")
    assert "user: 18 ok, 0 failed" in session.command("user")
    session.command("efivars")
    session.command("time")
    assert "switched off" in session.command("runtime break")
    sound(session)


def test_a_fault_with_five_levels(boot):
    session = hand_over_with_five_levels(boot, "kaslr=off exit=qemu")
    session.unlock()
    session.send("fault stack-overflow\r")
    assert session.wait() == 35
    assert "the kernel stack overflowed" in session.text and "level 5, entry 511 of" in session.text


def test_addresses_differ_from_boot_to_boot(uboot):
    layouts = [{a["area"]: a["start"] for a in sound(uboot()).of("layout")} for _ in range(2)]
    same = {area for area in layouts[0] if layouts[0][area] == layouts[1][area]}
    assert same <= {"user space"}
