# SPDX-License-Identifier: MIT
"""The map as QR codes: read off screenshots by a program that knows nothing of Strata, and given to strata-map, whose
report has to be the one that it makes of the serial line's text."""

import re
import subprocess
import tempfile
import time

import pytest

from harness import BUILD, sound
from screen import Screenshot
from test_screen import SCREENS, start, type_keys

CAPTION = re.compile(r"map and findings, code (\d+) of (\d+): ")
# The map of another machine, which has so many descriptors that they take several codes.
MANY = "".join(f"{7 - i % 2 * 4} 0x{0x2000000 + i * 0x23000:x} 35 0xf\n" for i in range(260))
MANY = (MANY + "7 0x7000000 16384 0xf\n").encode()
CUT = {"options": "replay=many.txt", "files": [("many.txt", MANY)]}


def decode(session):
    """What the codes on the screen say."""
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        session.qmp("screendump", filename=file.name, format="png")
        result = subprocess.run(["zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", file.name],
                                capture_output=True, text=True, timeout=60, check=False)
    return result.stdout.split()


def decode_soon(session, number):
    """The code `number`, as soon as it is on the screen alone."""
    for _ in range(100):
        found = decode(session)
        if len(found) == 1 and found[0].startswith(f"STRATA1*{number}/"):
            return found[0]
        time.sleep(0.1)
        session._receive(0)
    pytest.fail(f"code {number} cannot be read; the screen shows:\n" + "\n".join(Screenshot(session).text()))


def report(text):
    """strata-map's report without the line that says where it comes from."""
    result = subprocess.run([BUILD / "host/strata-map"], input=text, capture_output=True, text=True, timeout=60,
                            check=False)
    assert (result.returncode, result.stderr) == (0, "")
    source, _, rest = result.stdout.partition("\n")
    return source, rest


def expect_same_report(codes, session):
    source, read = report("\n".join(reversed(codes)))
    assert source.endswith("codes from Strata's screen")
    log = session.text[:session.text.index("regions: ")]
    assert read == report(log)[1]


@pytest.mark.parametrize("screen", [
    pytest.param(name, marks=() if name == "640x480" else pytest.mark.matrix) for name in SCREENS
])
def test_a_camera_reads_what_strata_map_reads(ovmf, screen):
    session = start(ovmf, screen)
    said = session.command("qr").splitlines()
    assert said[0] == "what the QR codes say, for strata-map:"
    assert len(said) == 2
    code = decode_soon(session, 1)
    assert code == said[1]
    expect_same_report([code], session)
    sound(session)


def test_several_codes_at_the_keyboard(ovmf):
    session = start(ovmf, "640x480", **CUT)
    type_keys(session, "q", "r", "ret")
    codes = [decode_soon(session, 1)]
    total = int(re.match(r"STRATA1\*1/(\d+)\*", codes[0])[1])
    assert total > 1
    for number in range(2, total + 1):
        assert "more: space" in Screenshot(session).text()[-1]
        type_keys(session, "spc")
        codes.append(decode_soon(session, number))
    session.prompt()
    expect_same_report(codes, session)
    assert session.command("qr 1").splitlines()[1] == decode_soon(session, 1) == codes[0]
    assert session.command("qr 77") == f"qr: there are {total} codes; qr shows all\n"
    assert "a number is decimal" in session.command("qr x")
    # One left out is named.
    result = subprocess.run([BUILD / "host/strata-map"], input="\n".join(codes[1:]), capture_output=True, text=True,
                            timeout=60, check=False)
    assert result.returncode == 2
    assert f"of {total} codes that belong together these are missing: 1" in result.stderr
    sound(session)


def test_they_are_among_the_pages_that_nobody_asked_for(ovmf):
    """No keyboard, nobody at the serial line: each code comes by on a page, whole."""
    session = start(ovmf, "640x480", "-machine", "i8042=off", options="pages=1")
    codes, captions = {}, set()
    for _ in range(900):
        for code in decode(session):
            number, total = map(int, re.match(r"STRATA1\*(\d+)/(\d+)\*", code).groups())
            codes[number] = code
        captions |= {match[1] for row in Screenshot(session).text() if (match := CAPTION.match(row))}
        if codes and len(codes) == total and captions:
            break
        session._receive(0.1)
    else:
        pytest.fail(f"only codes {sorted(codes)} came by")
    expect_same_report([codes[number] for number in sorted(codes)], session)


def test_without_a_screen_there_is_the_text(uboot):
    session = uboot()
    said = session.command("qr").splitlines()
    expect_same_report(said[1:], session)
    sound(session)
