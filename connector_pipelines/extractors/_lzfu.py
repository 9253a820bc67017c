"""What is in compressed RTF? (MS-OXRTFCP, 2.1 and 3)"""

from __future__ import annotations

import struct

from connector_pipelines.core.errors import Malformed, ResourceError

__all__ = ["decompress_rtf"]

_HEADER = struct.Struct("<II4s4x")
_DICTIONARY = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbolArial"
    b"Times New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)
_SIZE = 4096
_MOST = 64 * 1024 * 1024


def decompress_rtf(data: bytes) -> bytes:
    """The RTF; cut off where `data` is.

    Raises:
        Malformed: It is compressed in no way known.
        ResourceError: It is too much for the text of a message.
    """
    if len(data) < _HEADER.size:
        raise Malformed("compressed RTF without a header")
    _, size, method = _HEADER.unpack_from(data)
    if method == b"MELA":
        return data[_HEADER.size : _HEADER.size + size]
    if method != b"LZFu":
        raise Malformed("RTF compressed in an unknown way")
    if size > _MOST:
        raise ResourceError(f"compressed RTF of {size} bytes", limit=f"rtf={_MOST} bytes")
    return _lzfu(data, size)


def _lzfu(data: bytes, size: int) -> bytes:
    ring = bytearray(_DICTIONARY.ljust(_SIZE, b"\0"))
    write, at, out = len(_DICTIONARY), _HEADER.size, bytearray()
    while at < len(data) and len(out) < size:
        control, at = data[at], at + 1
        for bit in range(8):
            if at >= len(data):
                break
            if control & 1 << bit:
                if at + 1 >= len(data):
                    return bytes(out[:size])
                token, at = data[at] << 8 | data[at + 1], at + 2
                start, length = token >> 4, (token & 0xF) + 2
                if start == write:
                    return bytes(out[:size])
                piece = bytearray()
                for step in range(length):  # byte by byte: what is written may be read again at once
                    byte = ring[(start + step) % _SIZE]
                    ring[(write + step) % _SIZE] = byte
                    piece.append(byte)
            else:
                piece, at = bytearray(data[at : at + 1]), at + 1
                ring[write] = piece[0]
            write = (write + len(piece)) % _SIZE
            out += piece
    return bytes(out[:size])
