# SPDX-License-Identifier: MIT
"""A running machine, driven through its serial port and QEMU's monitor.

QEMU connects to two unix sockets that we listen on, so there is no moment when we could be too early or find a stale
socket. Everything that the serial port says is kept, in `text` and in the log file.
"""

import json
import re
import select
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PROMPT = "strata> "
STOPPED = re.compile(r"^stopped\.$", re.MULTILINE)  # the last line of a kernel that panicked
BOOTED = "Type help for the commands."  # what stands before the first prompt that waits for somebody
ESCAPES = re.compile(r"\x1b\[[0-9;?=]*[A-Za-z]|\x1b[()][0-9A-B]|\x1bc|\r")


class Failure(Exception):
    """The machine did not do what was expected; the message shows the end of what it said."""


def plain(text):
    """`text` without a terminal's escape sequences and carriage returns."""
    return ESCAPES.sub("", text)


class Session:
    """A machine that runs from construction to close(); use as a context manager."""

    def __init__(self, machine, log, timeout=120, qemu_log=None, on_text=None):
        """Starts `machine`. `log`: the file that keeps the serial output, QEMU's own messages beside it. `timeout`:
        seconds for the whole session, after which QEMU is killed whatever happens. `on_text`: called with what comes
        in, without escape sequences."""
        self.text = ""  # without escape sequences
        self.position = 0  # where the next expect() begins to look
        self.deadline = time.monotonic() + timeout
        self.on_text = on_text
        self.booted = False
        self._pending = b""
        self._log = open(log, "wb")
        self._folder = tempfile.TemporaryDirectory(prefix="strata-")
        serial, monitor = self._listen("serial"), self._listen("monitor")
        command = [*machine.command(),
                   "-chardev", f"socket,id=serial,path={self._folder.name}/serial",
                   "-serial", "chardev:serial" if machine.uart else "none",
                   "-chardev", f"socket,id=monitor,path={self._folder.name}/monitor",
                   "-mon", "chardev=monitor,mode=control"]
        self._messages = Path(log).with_suffix(".qemu")
        with open(self._messages, "wb") as messages:
            messages.write((" ".join(command) + "\n").encode())
            messages.flush()
            # `timeout` outlives us if we are killed, and takes QEMU with it.
            self.process = subprocess.Popen(["timeout", "-k", "5", str(int(timeout) + 5), *command],
                                            stdin=subprocess.DEVNULL, stdout=messages, stderr=messages)
        try:
            self.serial = self._accept(serial)
            self.monitor = self._accept(monitor)
            self.qmp("qmp_capabilities")
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def _listen(self, name):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"{self._folder.name}/{name}")
        listener.listen(1)
        return listener

    def _accept(self, listener):
        while time.monotonic() < self.deadline:
            if select.select([listener], [], [], 0.1)[0]:
                connection = listener.accept()[0]
                listener.close()
                return connection
            if self.process.poll() is not None:
                break
        raise Failure(f"QEMU did not start:\n{self._messages.read_text()}")

    def _ended(self):
        return Failure(f"QEMU ended:\n{self._messages.read_text()}")

    # The serial port.

    def _receive(self, seconds):
        """Takes what the serial port has to say within `seconds`. False at its end."""
        if not select.select([self.serial], [], [], max(seconds, 0))[0]:
            return True
        try:
            data = self.serial.recv(65536)
        except ConnectionResetError:
            data = b""
        self._log.write(data)
        self._log.flush()
        # An escape sequence or a character that is not complete yet waits for the rest.
        data = self._pending + data
        cut = data.rfind(b"\x1b")
        complete = cut < 0 or len(data) - cut > 12 or ESCAPES.match(data[cut:].decode("ascii", "replace"))
        whole = len(data) if complete else cut
        self._pending = data[whole:]
        text = plain(data[:whole].decode("utf-8", "replace"))
        self.text += text
        if self.on_text and text:
            self.on_text(text)
        return bool(data)

    def expect(self, pattern, timeout=60, name=None):
        """Waits until `pattern` (a regular expression) appears after what was matched before; returns the match. A
        machine that ended, or a kernel that stopped, will say nothing more: that is not waited out. `name`: what a
        person calls it."""
        regex = re.compile(pattern, re.MULTILINE)
        name = name or repr(pattern)
        until = min(time.monotonic() + timeout, self.deadline)
        while True:
            match = regex.search(self.text, self.position)
            if match:
                self.position = match.end()
                return match
            if STOPPED.search(self.text, self.position):
                raise Failure(f"the kernel stopped before {name}; the end of what it said:\n{self.tail()}")
            left = until - time.monotonic()
            if left <= 0:
                raise Failure(f"no {name} within {timeout:g} s; the end of what it said:\n{self.tail()}")
            if not self._receive(left):
                raise Failure(f"the machine ended (status {self.wait(5)}) before {name}; "
                              f"the end of what it said:\n{self.tail()}")

    def send(self, text):
        self.serial.sendall(text.encode())

    def prompt(self, timeout=90):
        """Waits for the monitor's prompt; returns all that was said until then. The commands of run= stand behind
        prompts that wait for nobody."""
        if not self.booted:
            self.expect(rf"^{re.escape(BOOTED)}$", timeout)
            self.booted = True
        self.expect(rf"^{re.escape(PROMPT)}(?!.)", timeout)
        return self.text

    def command(self, line, timeout=60):
        """Types `line` at the monitor's prompt and returns what it printed, up to the next prompt."""
        begin = self.position
        self.send(line + "\r")
        self.expect(rf"^{re.escape(PROMPT)}(?!.)", timeout)
        answer = self.text[begin:self.position].removesuffix(PROMPT)
        return answer.partition("\n")[2]  # without the echo of what was typed

    def unlock(self):
        """Allows commands that do more than look."""
        word = re.search(r"^  unlock (\w+)$", Session.command(self, "unlock"), re.MULTILINE)[1]
        if "unlocked" not in Session.command(self, f"unlock {word}"):
            raise Failure(f"the monitor does not unlock; the end of what it said:\n{self.tail()}")

    def tail(self, lines=25):
        return "\n".join(self.text.splitlines()[-lines:])

    # QEMU.

    def qmp(self, execute, **arguments):
        """Runs a monitor command and returns its result. Events that come in between are dropped."""
        request = {"execute": execute, **({"arguments": arguments} if arguments else {})}
        try:
            self.monitor.sendall(json.dumps(request).encode() + b"\n")
        except BrokenPipeError:
            raise self._ended() from None
        self.monitor.settimeout(10)
        data = b""
        while True:
            try:
                more = self.monitor.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                raise self._ended()
            data += more
            *lines, data = data.split(b"\n")
            for reply in map(json.loads, filter(None, lines)):
                if "error" in reply:
                    raise Failure(f"QEMU refuses {execute}: {reply['error']['desc']}")
                if "return" in reply:
                    return reply["return"]

    def wait(self, timeout=20):
        """Waits for QEMU to end, taking in what the serial port still says; returns its exit status."""
        until = min(time.monotonic() + timeout, self.deadline)
        while self.process.poll() is None:
            if time.monotonic() > until:
                raise Failure(f"QEMU still runs after {timeout} s; the end of what it said:\n{self.tail()}")
            self._receive(0.05)
        while self._pending_input():
            pass
        return self.process.returncode

    def _pending_input(self):
        return select.select([self.serial], [], [], 0)[0] and self._receive(0)

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()  # `timeout` hands it on to QEMU
            self.process.wait()
        for name in ("serial", "monitor"):
            if hasattr(self, name):
                getattr(self, name).close()
        self._log.close()
        self._folder.cleanup()


def start_from_uboot(session, options="", loader="EFI/BOOT/BOOTX64.EFI", device="virtio 0:1"):
    """Types what it takes to start the loader at U-Boot's prompt: faster than its own search for something to boot."""
    session.expect("Hit any key", 30, "word from U-Boot")
    session.send("\r")
    session.expect(r"^=> ", 10)
    scan = device.split()[0]
    session.send(f"{scan} scan; load {device} 1000000 {loader}; setenv bootargs '{options}'; bootefi 1000000\r")
