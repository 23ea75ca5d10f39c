"""Reads Perfetto's packets: a decoder of protobuf's wire format, and the field numbers of
protos/perfetto/trace in github.com/google/perfetto, by which it knows no less and no more than what it lists.

    for packet in packets(path):   # {"timestamp": ..., "track_event": {"type": 1, "name": "GC", ...}}
"""
import struct

MESSAGES = {
    "Trace": {1: ("packet", "TracePacket")},
    "TracePacket": {6: ("clock_snapshot", "ClockSnapshot"), 8: ("timestamp", int), 10: ("sequence", int), 11: ("track_event", "TrackEvent"),
                    13: ("sequence_flags", int), 60: ("track_descriptor", "TrackDescriptor"), 95: ("etw_events", "Bundle")},
    "ClockSnapshot": {1: ("clocks", "Clock")},
    "Clock": {1: ("clock_id", int), 2: ("timestamp", int)},
    "TrackDescriptor": {1: ("uuid", int), 2: ("name", str), 3: ("process", "Process"), 4: ("thread", "Thread"), 5: ("parent_uuid", int),
                        8: ("counter", "Counter")},
    "Process": {1: ("pid", int), 6: ("process_name", str)},
    "Thread": {1: ("pid", int), 2: ("tid", int), 5: ("thread_name", str)},
    "Counter": {},
    "TrackEvent": {4: ("notes", "Note"), 9: ("type", int), 11: ("track_uuid", int), 22: ("category", str), 23: ("name", str),
                   44: ("value", float)},
    "Note": {6: ("value", str), 10: ("name", str)},
    "Bundle": {1: ("cpu", int), 2: ("event", "EtwEvent")},
    "EtwEvent": {1: ("timestamp", int), 2: ("c_switch", "CSwitch"), 4: ("cpu", int)},
    "CSwitch": {1: ("new_tid", int), 2: ("old_tid", int), 11: ("reason", int), 13: ("state", int)},
}
REPEATED = {"clocks", "notes", "event", "packet"}


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def message(kind, data):
    fields, at = {}, 0
    while at < len(data):
        tag, at = varint(data, at)
        name, type = MESSAGES[kind][tag >> 3]
        if tag & 7 == 0:
            value, at = varint(data, at)
            assert type is int, name
        elif tag & 7 == 1:
            (value,), at = struct.unpack_from("<d", data, at), at + 8
            assert type is float, name
        else:
            assert tag & 7 == 2, tag
            size, at = varint(data, at)
            assert at + size <= len(data)
            raw, at = data[at:at + size], at + size
            value = raw.decode() if type is str else message(type, raw)
        if name in REPEATED:
            fields.setdefault(name, []).append(value)
        else:
            assert name not in fields, name
            fields[name] = value
    return fields


def packets(path):
    return message("Trace", path.read_bytes()).get("packet", [])
