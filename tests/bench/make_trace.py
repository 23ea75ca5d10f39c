"""Makes a large .etl from a real, uncompressed one: its buffers again and again, each round later in time.

    python3 tests/bench/make_trace.py IN.etl OUT.etl ROUNDS

Deterministic. Time stamps of records and buffers move by the trace's length per round; so does the time that a stack walk says it
belongs to. The log-file header stays as it is.
"""
import struct
import sys

HEADER = 72
SIZE_IN_MARKER = {10, 20, 11, 21, 18, 19}
STACK_WALK = 0x1820


def record_times(buffer, used):
    """Where the records of a buffer have time stamps."""
    at = HEADER
    while at + 8 <= used:
        marker = struct.unpack_from("<I", buffer, at)[0]
        kind = marker >> 16 & 0xFF
        if marker >> 24 != 0xC0:
            raise SystemExit("only plain event records can be re-timed")
        size = marker & 0xFFFF if kind in SIZE_IN_MARKER else struct.unpack_from("<H", buffer, at + 4)[0]
        perfinfo = kind in (16, 17)
        yield at + (8 if perfinfo else 16)
        if kind in (1, 2, 16, 17) and struct.unpack_from("<H", buffer, at + 6)[0] == STACK_WALK:
            yield at + (16 if perfinfo else 32)
        at += size + 7 & ~7


def main():
    source, target, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with open(source, "rb") as file:
        data = file.read()
    buffers, least, greatest = [], None, None
    at = 0
    while at < len(data):
        size, = struct.unpack_from("<I", data, at)
        used, = struct.unpack_from("<I", data, at + 0x30)
        buffer = bytearray(data[at:at + size])
        places = list(record_times(buffer, used)) if at else []
        times = [struct.unpack_from("<q", buffer, place)[0] for place in places]
        real = [time for time in times if time > 0]
        if real:
            least = min(real) if least is None else min(least, min(real))
            greatest = max(real) if greatest is None else max(greatest, max(real))
        buffers.append((buffer, places, times))
        at += size
    step = greatest - least + 1
    with open(target, "wb") as out:
        for number in range(rounds):
            for buffer, places, times in buffers[1 if number else 0:]:
                for place, time in zip(places, times):
                    struct.pack_into("<q", buffer, place, time + number * step if time > 0 else time)
                out.write(buffer)


if __name__ == "__main__":
    main()
