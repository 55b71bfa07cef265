# SPDX-License-Identifier: MIT
"""Just enough of PE and ELF to check what is built, and to break kernels in the ways that the loader must notice."""

import dataclasses
import struct

PE_NX_COMPAT = 0x100
PE_DYNAMIC_BASE = 0x40
PE_EXECUTE, PE_WRITE = 0x20000000, 0x80000000
PF_X, PF_W, PF_R = 1, 2, 4
PT_LOAD, PT_DYNAMIC = 1, 2


class Pe:
    """A PE32+ image (Microsoft's PE/COFF specification)."""

    def __init__(self, data):
        assert data[:2] == b"MZ"
        header = struct.unpack_from("<I", data, 0x3C)[0]
        assert data[header:header + 4] == b"PE\0\0"
        self.machine, count, self.timestamp, _, _, optional, _ = struct.unpack_from("<HHIIIHH", data, header + 4)
        base = header + 24
        self.magic = struct.unpack_from("<H", data, base)[0]
        self.section_alignment, self.file_alignment = struct.unpack_from("<II", data, base + 32)
        self.subsystem, self.characteristics = struct.unpack_from("<HH", data, base + 68)
        self.sections = {}
        for i in range(count):
            section = base + optional + 40 * i
            name, size, address, _, _, _, _, _, _, flags = struct.unpack_from("<8sIIIIIIHHI", data, section)
            self.sections[name.rstrip(b"\0").decode()] = (address, size, flags)


@dataclasses.dataclass
class Segment:
    type: int
    flags: int
    offset: int
    virtual: int
    physical: int
    file_bytes: int
    bytes: int
    align: int

    FORMAT = "<IIQQQQQQ"


class Elf:
    """A 64-bit little-endian ELF file whose headers can be changed and put back."""

    HEADER = "<16sHHIQQQIHHHHHH"

    def __init__(self, data):
        self.data = bytearray(data)
        (self.ident, self.type, self.machine, self.version, self.entry, self.segment_offset, self.section_offset,
         self.flags, self.header_bytes, self.segment_bytes, self.segment_count, self.section_bytes, self.section_count,
         self.names) = struct.unpack_from(self.HEADER, data)
        headers = range(self.segment_offset, self.segment_offset + self.segment_count * self.segment_bytes,
                        self.segment_bytes)
        self.segments = [Segment(*struct.unpack_from(Segment.FORMAT, data, header)) for header in headers]

    @property
    def loads(self):
        return [segment for segment in self.segments if segment.type == PT_LOAD]

    def bytes(self):
        """The file with the headers as they are now."""
        data = bytearray(self.data)
        for i, segment in enumerate(self.segments):
            struct.pack_into(Segment.FORMAT, data, self.segment_offset + i * self.segment_bytes,
                             *dataclasses.astuple(segment))
        struct.pack_into(self.HEADER, data, 0, self.ident, self.type, self.machine, self.version, self.entry,
                         self.segment_offset, self.section_offset, self.flags, self.header_bytes, self.segment_bytes,
                         self.segment_count, self.section_bytes, self.section_count, self.names)
        return bytes(data)
