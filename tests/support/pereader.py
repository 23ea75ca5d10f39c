"""Reads what tests need of a PE file, of both byte widths: what it imports and exports. The layout is that of the PE/COFF
specification."""
import struct

EXPORTS, IMPORTS = 0, 1


class PE:
    """A file's bytes, which may be changed, by the addresses that they have when it is loaded."""

    def __init__(self, content):
        self.bytes = bytearray(content)
        head = self.u32(0x3C)
        sections, _, _, _, optional_size = struct.unpack_from("<HIIIH", self.bytes, head + 6)
        optional = head + 24
        self.pointer_size = 8 if struct.unpack_from("<H", self.bytes, optional)[0] == 0x20B else 4
        self.directories = optional + (112 if self.pointer_size == 8 else 96)
        self.sections = [struct.unpack_from("<IIII", self.bytes, optional + optional_size + 40 * i + 8)
                         for i in range(sections)]

    def u32(self, at):
        return struct.unpack_from("<I", self.bytes, at)[0]

    def offset(self, address):
        """Where in the file the byte of an address is."""
        return next(address - start + at for size, start, raw, at in self.sections
                    if start <= address < start + max(size, raw))

    def text(self, address):
        at = self.offset(address)
        return self.bytes[at:self.bytes.index(0, at)].decode()

    def exports(self):
        """The ordinals of what is exported by name."""
        table = self.offset(self.u32(self.directories + 8 * EXPORTS))
        base, _, count, _, names, ordinals = struct.unpack_from("<6I", self.bytes, table + 16)
        return {self.text(self.u32(self.offset(names) + 4 * i)):
                base + struct.unpack_from("<H", self.bytes, self.offset(ordinals) + 2 * i)[0] for i in range(count)}

    def import_by_ordinal(self, dll, ordinals):
        """Functions of that DLL are found by their ordinals from now on; gives how many."""
        form, changed = "<Q" if self.pointer_size == 8 else "<I", 0
        flag = 1 << (8 * self.pointer_size - 1)
        descriptor = self.offset(self.u32(self.directories + 8 * IMPORTS))
        while self.u32(descriptor + 12) != 0:
            tables = (self.u32(descriptor), self.u32(descriptor + 16))
            for entry in map(self.offset, tables if self.text(self.u32(descriptor + 12)).lower() == dll else ()):
                while (name := struct.unpack_from(form, self.bytes, entry)[0]) != 0:
                    ordinal = ordinals.get(self.text(name + 2))
                    if ordinal is not None:
                        struct.pack_into(form, self.bytes, entry, flag | ordinal)
                        changed += 1
                    entry += self.pointer_size
            descriptor += 20
        return changed
