# SPDX-License-Identifier: MIT
"""A TPM that is there and knows nothing, to save time.

OVMF looks twice, 750 ms each, for a TPM that QEMU does not have. This one answers swtpm's control protocol (QEMU's
backends/tpm/tpm_ioctl.h) well enough for QEMU to start, and every TPM command with a failure, so the firmware gives up
at once: a boot of 4 s takes 2.7 s.
"""

import array
import socket
import struct
import threading

ALL_CAPABILITIES = (1 << 15) - 1
BUFFER_BYTES = 4096
TPM_RC_FAILURE = struct.pack(">HII", 0x8001, 10, 0x101)  # TPM 2.0: no sessions, 10 bytes, failure

CMD_GET_CAPABILITY, CMD_GET_TPMESTABLISHED, CMD_SET_DATAFD, CMD_SET_BUFFERSIZE = 1, 4, 0x10, 0x11
OK = struct.pack(">I", 0)
ANSWERS = {
    CMD_GET_CAPABILITY: struct.pack(">Q", ALL_CAPABILITIES),
    CMD_GET_TPMESTABLISHED: OK + bytes(4),
    CMD_SET_BUFFERSIZE: OK + struct.pack(">III", BUFFER_BYTES, BUFFER_BYTES, BUFFER_BYTES),
}


class FakeTpm:
    """Listens on a unix socket; `arguments` attach it to QEMU."""

    def __init__(self, path):
        self.arguments = ["-chardev", f"socket,id=tpmsocket,path={path}",
                          "-tpmdev", "emulator,id=tpm,chardev=tpmsocket", "-device", "tpm-tis,tpmdev=tpm"]
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(1)
        threading.Thread(target=self._control, daemon=True).start()

    def close(self):
        try:
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        except OSError:
            pass
        self._listener.close()

    def _control(self):
        try:
            connection = self._listener.accept()[0]
        except OSError:
            return  # closed before QEMU came
        with connection:
            while True:
                fds = array.array("i")
                data, extra, _, _ = connection.recvmsg(4096, socket.CMSG_LEN(fds.itemsize))
                if len(data) < 4:
                    return
                for _, _, payload in extra:
                    fds.frombytes(payload)
                    threading.Thread(target=self._data, args=(socket.socket(fileno=fds[0]),), daemon=True).start()
                command = struct.unpack_from(">I", data)[0]
                connection.sendall(ANSWERS.get(command, OK))

    @staticmethod
    def _data(connection):
        with connection:
            while connection.recv(BUFFER_BYTES):
                connection.sendall(TPM_RC_FAILURE)
