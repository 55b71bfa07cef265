# SPDX-License-Identifier: MIT
"""The judge of boots (ovmf/records.py) passes a good boot and finds each way in which one can be bad."""

import pytest

from records import BEGIN, END, judge

GOOD = f"""\
strata: firmware: Example
[    0.000001] acpi: 1 pages: 1 reclaimed, 0 pinned, tables copied 1 (36 bytes)
ledger
  unaccounted 0
audit: ok, 300 pages mapped by 7 tables: 0 user-bit
check: ok
strata> dump json
{BEGIN}
{{"record":"efi","index":0,"type":7,"name":"Conventional","start":"0x100000","pages":255,"attributes":"0xf"}}
{{"record":"efi","index":1,"type":9,"name":"ACPI reclaim","start":"0x1ff000","pages":1,"attributes":"0xf"}}
{{"record":"efi","index":2,"type":0,"name":"Reserved","start":"0x200000","pages":1,"attributes":"0xf"}}
{{"record":"region","start":"0x100000","end":"0x1fe000","class":"usable"}}
{{"record":"region","start":"0x1fe000","end":"0x1ff000","class":"kernel"}}
{{"record":"region","start":"0x1ff000","end":"0x200000","class":"usable"}}
{{"record":"region","start":"0x200000","end":"0x201000","class":"reserved"}}
{{"record":"acpi-run","start":"0x1ff000","end":"0x200000","kind":"table","reclaimed":true}}
{{"record":"acpi","pages":1,"reclaimed":1,"pinned":0,"copied":1,"bytes":"0x24","kept":null}}
{{"record":"section","index":0,"start":"0x0","state":"split","free":[1,0,1,1,1,1,1,1,0,0,0,0,0,0,0,0,0,0,0]}}
{{"record":"frames","start":"0x100000","end":"0x101000","state":"allocated","order":0,"owner":"slab"}}
{{"record":"frames","start":"0x101000","end":"0x102000","state":"allocated","order":0,"owner":"large"}}
{{"record":"frames","start":"0x102000","end":"0x1fe000","state":"free"}}
{{"record":"frames","start":"0x1ff000","end":"0x200000","state":"free"}}
{{"record":"slab","class":"600","object_size":600,"slabs":1,"objects":6,"in_use":2,"slabs_most":1,"bytes":"0x1000"}}
{{"record":"slab","class":"64","object_size":64,"slabs":0,"objects":0,"in_use":0,"slabs_most":1,"bytes":"0x0"}}
{{"record":"slab-heap","large":1,"large_bytes":"0x1000","overhead":"0x0","direct_map":"0xffff800000000000"}}
{{"record":"slab-block","cache":"kmalloc-600","start":"0x100000","bytes":"0x1000","first":0,"stride":600,"objects":6,\
"in_use":"0x21","cpu":0}}
{{"record":"large-object","start":"0x101000","bytes":"0x1000","wanted":"0xfff","in_use":true,"allocated_by":null}}
{{"record":"ledger","account":"free","bytes":"0xfd000"}}
{{"record":"ledger","account":"slab","bytes":"0x1000"}}
{{"record":"ledger","account":"large","bytes":"0x1000"}}
{{"record":"ledger","account":"kernel-image","bytes":"0x1000"}}
{{"record":"ledger","account":"total","bytes":"0x100000"}}
{{"record":"ledger","account":"unaccounted","bytes":"0x0"}}
{{"record":"ledger","account":"not-ram","bytes":"0x1000"}}
{{"record":"ledger","account":"described","bytes":"0x101000"}}
{{"record":"audit","rule":"user-bit","broken":0,"first":null}}
{END}
strata> """


def test_a_good_boot_passes():
    assert judge(GOOD) == []


@pytest.mark.parametrize("old, new, sentence", [
    ("check: ok", "check: section 0: two free buddies", "a check failed: section 0"),
    ("audit: ok", "audit: FAILED", "the audit says: FAILED"),
    ("audit: ok, 300 pages mapped by 7 tables: 0 user-bit\n", "", "were not audited"),
    ('"broken":0', '"broken":1', "break a rule"),
    ("check: ok\n", "", "it never ran its checks"),
    ("  unaccounted 0", "  unaccounted 4096", "unaccounted 4096"),
    ("  unaccounted 0\n", "", "it printed no ledger"),
    ('"record":"acpi"', '"record":"other"', "what became of the ACPI memory"),
    ("ledger\n", "panic: page_free: frame 0x1\n", "it stopped: panic: page_free"),
    ("ledger\n", "exception 14 (page fault), error code 0x0\n", "it stopped: exception 14"),
    ("strata> ", "", "did not reach the prompt"),
    (END, "", "no records"),
    ('"record":"efi","index":1', '"record":"efi","index"', "not a JSON object"),
    ('"start":"0x200000","end":"0x201000"', '"start":"0x200000","end":"0x202000"', "the regions have"),
    ('"start":"0x1fe000","end":"0x1ff000"', '"start":"0x1fd000","end":"0x1fe000"', "not above the one before"),
    ('"start":"0x1fe000","end":"0x1ff000"', '"start":"0x1fe000","end":"0x1fe800"', "not page-aligned"),
    ('"account":"free","bytes":"0xfd000"', '"account":"free","bytes":"0xfe000"', "the accounts add up to"),
    ('"account":"unaccounted","bytes":"0x0"', '"account":"unaccounted","bytes":"0x1"', "leaves 1 bytes"),
    ('"account":"not-ram","bytes":"0x1000"', '"account":"not-ram","bytes":"0x0"', "do not add up"),
    ('"account":"described","bytes":"0x101000"', '"account":"described","bytes":"0x100000"', "bytes were described"),
    ('"account":"total"', '"account":"totals"', "no account 'total'"),
    ('"free":[1,0', '"free":[0,0', "the buddy's free blocks"),
    ('0,0,0]}', '0,0]}', "has 18 orders"),
    ('"end":"0x200000","state":"free"', '"end":"0x201000","state":"free"', "frames of account 'free'"),
    ('"end":"0x200000","state":"free"', '"end":"0x200000","state":"cached"', "frames of account 'cached'"),
    ('"frames","start":"0x1ff000"', '"frames","start":"0x1fd000"', "the run of frames"),
    ('"reclaimed":1,', '"reclaimed":2,', "not what its runs of pages add up to"),
    ('"start":"0x101000","bytes":"0x1000"', '"start":"0x100000","bytes":"0x1000"', "overlaps the one before"),
    ('"start":"0x101000","bytes":"0x1000"', '"start":"0x102000","bytes":"0x1000"', "not of the owner 'large'"),
    ('"start":"0x100000","bytes":"0x1000"', '"start":"0x101000","bytes":"0x1000"', "not of the owner 'slab'"),
    ('"start":"0x100000","bytes":"0x1000"', '"start":"0x100000","bytes":"0xfff"', "empty or not page-aligned"),
    ('"stride":600', '"stride":700', "do not fit into it"),
    ('"in_use":"0x21"', '"in_use":"0x021"', "not as many as it has"),
    ('"in_use":"0x21"', '"in_use":"0x41"', "not as many as it has"),
    ('"in_use":"0x21"', '"in_use":"0x23"', "do not add up to it"),
    ('"cache":"kmalloc-600"', '"cache":"kmalloc-601"', "slabs of '601', which no record names"),
    ('"slabs":1,"objects":6', '"slabs":2,"objects":6', "do not add up to it"),
    ('"wanted":"0xfff"', '"wanted":"0x1001"', "too small for what was asked for"),
    ('"large_bytes":"0x1000"', '"large_bytes":"0x2000"', "1 large objects have 4096 bytes"),
    ('"type":9', '"type":10', "pages audited, the firmware described 0"),
])
def test_each_defect_is_found(old, new, sentence):
    assert old in GOOD
    assert any(sentence in defect for defect in judge(GOOD.replace(old, new))), judge(GOOD.replace(old, new))


def test_objects_that_are_not_listed_are_not_added_up():
    rest = '{"record":"objects-not-listed","slabs":1,"large":0,"guarded":0,"start":"0x110000"}'
    more = GOOD.replace('"slabs":1', '"slabs":2')
    assert judge(more) != []
    assert judge(more.replace(END, f"{rest}\n{END}")) == []


def test_overlapping_descriptors_count_once():
    twice = GOOD.replace('"start":"0x100000","pages":255', '"start":"0x100000","pages":256')
    assert judge(twice) == []
