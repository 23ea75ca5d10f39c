"""Traces and their events."""
import builtins
import ctypes
import datetime
import json
import os
import struct
import uuid

from ._library import END, Error, EtwcapError, Options, Value, check, library

# etw_batched_event, replay/event_batch.h: what stands behind the 56 bytes that are read by themselves.
EVENT_SIZE = 192
FIXED = struct.Struct("<qQQ16s16sQQQIIIHHHHHHBBBBBB2xQ")
(TIME, KEYWORD, CPU, PROVIDER, ACTIVITY, PROVIDER_NAME, EVENT_NAME, DATA, DATA_SIZE, PROCESS, THREAD, ID, TASK, FLAGS,
 PROPERTY, PROCESSOR, TRACE, VERSION, CHANNEL, LEVEL, OPCODE, HAS_SCHEMA, HAS_CPU, HASH) = range(24)
NONE, INT64, UINT64, DOUBLE, BOOL, FILETIME, BYTES, TEXT = range(8)
EPOCH = datetime.datetime(1601, 1, 1, tzinfo=datetime.timezone.utc)
NOT_FOUND = 8  # ETW_ERROR_NOT_FOUND


def to_datetime(time_100ns):
    """FILETIME as datetime in UTC; None outside of what datetime holds. Microseconds: 100 ns are lost."""
    try:
        return EPOCH + datetime.timedelta(microseconds=time_100ns // 10)
    except OverflowError:
        return None


def lent_text(function, *arguments):
    """The JSON that a function gives by its last two parameters."""
    text, size = ctypes.c_void_p(), ctypes.c_size_t()
    status = function(*arguments, ctypes.byref(text), ctypes.byref(size))
    if status:
        raise EtwcapError("this cannot be written as JSON (status %d)" % status)
    return ctypes.string_at(text.value, size.value).decode("utf-8", "surrogatepass") if size.value else ""


class Loss(dict):
    """What is missing, as the JSON of `etw-replay` says it: Cause, Events, From, To, Detail."""


class Event:
    """One event. It may be kept: what is asked of it later, it reads while its batch is there, see `keep`."""
    __slots__ = ("_trace", "_batch", "_index", "_fixed", "_json")

    def __init__(self, trace, batch, index, fixed):
        self._trace, self._batch, self._index, self._fixed, self._json = trace, batch, index, fixed, None

    def _check(self):
        if self._trace._batch_number != self._batch:
            raise EtwcapError("the event is no longer there: call event.keep() inside the loop to keep it")

    time_100ns = property(lambda self: self._fixed[TIME], doc="FILETIME: 100 ns since 1601")
    time = property(lambda self: to_datetime(self._fixed[TIME]), doc="datetime in UTC")
    id = property(lambda self: self._fixed[ID])
    version = property(lambda self: self._fixed[VERSION])
    channel = property(lambda self: self._fixed[CHANNEL])
    level = property(lambda self: self._fixed[LEVEL])
    opcode = property(lambda self: self._fixed[OPCODE])
    task = property(lambda self: self._fixed[TASK])
    keyword = property(lambda self: self._fixed[KEYWORD])
    flags = property(lambda self: self._fixed[FLAGS])
    process_id = property(lambda self: self._fixed[PROCESS])
    thread_id = property(lambda self: self._fixed[THREAD])
    processor = property(lambda self: self._fixed[PROCESSOR])
    has_schema = property(lambda self: bool(self._fixed[HAS_SCHEMA]))
    schema_hash = property(lambda self: "%016x" % self._fixed[HASH] if self._fixed[HAS_SCHEMA] else None)
    provider_id = property(lambda self: uuid.UUID(bytes_le=self._fixed[PROVIDER]))
    activity_id = property(lambda self: uuid.UUID(bytes_le=self._fixed[ACTIVITY]))

    def _text(self, place):
        """Texts are the same for all events that one schema explains."""
        fixed = self._fixed
        if not fixed[place]:
            return None
        key = place, fixed[HASH], fixed[PROVIDER]
        known = self._trace._texts.get(key)
        if known is None:
            self._check()
            known = ctypes.string_at(fixed[place]).decode("utf-8", "replace")
            if fixed[HAS_SCHEMA]:
                self._trace._texts[key] = known
        return known

    @property
    def provider_name(self):
        return self._text(PROVIDER_NAME)

    @property
    def name(self):
        return self._text(EVENT_NAME)

    @property
    def user_data(self):
        """The event's own bytes."""
        if not self._fixed[DATA_SIZE]:
            return b""
        self._check()
        return ctypes.string_at(self._fixed[DATA], self._fixed[DATA_SIZE])

    def __getitem__(self, name):
        """A property: int, float, bool, datetime, bytes or str; "Peer.Port" reaches into structs, "Tags[1]" into arrays."""
        self._check()
        value = self._trace._value
        status = library.etw_event_batch_value(self._trace._handle, self._index, name.encode(), ctypes.byref(value))
        if status == NOT_FOUND:
            raise KeyError(name)
        if status:
            raise EtwcapError("%s cannot be read (status %d)" % (name, status))
        kind = value.kind
        if kind == TEXT:
            return ctypes.string_at(value.data, value.size).decode("utf-8", "replace")
        if kind == UINT64:
            return value.number.uint64
        if kind == INT64:
            return value.number.int64
        if kind == DOUBLE:
            return value.number.real
        if kind == BOOL:
            return bool(value.number.uint64)
        if kind == FILETIME:
            return to_datetime(value.number.int64)
        return ctypes.string_at(value.data, value.size) if kind == BYTES else None

    def get(self, name, default=None):
        """As event[name]; default where it has no such property."""
        try:
            return self[name]
        except KeyError:
            return default

    def to_json(self, typed=True):
        """What `etw-replay cat` (--typed --typed-hex) prints, as text."""
        self._check()
        return lent_text(library.etw_event_batch_json, self._trace._handle, self._index, int(typed))

    @property
    def schema(self):
        """What explains the event, as `etw-replay schemas --json` lists it; None where nothing does."""
        if not self._fixed[HAS_SCHEMA]:
            return None
        known = self._trace._schemas.get(self._fixed[HASH])
        if known is None:
            self._check()
            known = json.loads(lent_text(library.etw_event_batch_schema, self._trace._handle, self._index))
            self._trace._schemas[self._fixed[HASH]] = known
        return known

    def to_dict(self):
        """The same as dictionaries and lists."""
        if self._json is None:
            self._json = json.loads(self.to_json())
        return self._json

    @property
    def properties(self):
        """All of them, in their order; empty where no schema explains the event."""
        return self.to_dict().get("EventProperties", {})

    @property
    def extended_info(self):
        """UserSID, SessionID, StackTrace, RelatedActivityId, ..."""
        return self.to_dict().get("ExtendedInfo", {})

    def keep(self):
        """Reads all that to_dict gives, which then outlives the loop. Returns the event."""
        self.to_dict()
        return self

    def __repr__(self):
        return "<etwcap.Event %s {%s} id %d opcode %d>" % (self.time, self.provider_id, self.id, self.opcode)


class Trace:
    """A saved trace, read from start to end; a context manager and an iterator."""

    def __init__(self, path, where=None, schemas=(), default_schemas=True):
        self._handle = ctypes.c_void_p()
        self._value = Value()
        self._texts = {}
        self._schemas = {}
        self._batch_number = 0
        self._next = 0
        self.path = os.fspath(path)
        paths = (ctypes.c_char_p * max(len(schemas), 1))(*[os.fsencode(schema) for schema in schemas])
        options = Options(where=None if where is None else where.encode(), schemas=paths, schema_count=len(schemas),
                          without_default_schemas=0 if default_schemas else 1)
        error = Error()
        check(library.etw_event_batch_open(os.fsencode(self.path), ctypes.byref(options), ctypes.byref(self._handle),
                                           ctypes.byref(error)), error)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        self.close()

    def close(self):
        """Idempotent; events of it can then only tell what was asked before."""
        handle, self._handle = getattr(self, "_handle", None), None
        if handle:
            self._batch_number += 1
            library.etw_event_batch_close(handle)

    def _read(self):
        if not self._handle:
            raise EtwcapError("the trace is closed")
        events, count, error = ctypes.c_void_p(), ctypes.c_uint32(), Error()
        self._batch_number += 1
        status = library.etw_event_batch_next(self._handle, ctypes.byref(events), ctypes.byref(count), ctypes.byref(error))
        if check(status, error) == END:
            return None
        return ctypes.string_at(events.value, count.value * EVENT_SIZE)

    def __iter__(self):
        while True:
            block = self._read()
            if block is None:
                return
            batch = self._batch_number
            unpack = FIXED.unpack_from
            for index in range(len(block) // EVENT_SIZE):
                yield Event(self, batch, index, unpack(block, index * EVENT_SIZE))

    @property
    def losses(self):
        """What is missing in what was read so far."""
        lines = library.etw_event_batch_losses(self._handle).decode() if self._handle else ""
        return [Loss(json.loads(line)) for line in lines.splitlines()]

    @property
    def schemas(self):
        """The schemas of what was read so far, each as Event.schema."""
        if not self._handle:
            raise EtwcapError("the trace is closed")
        return [json.loads(line) for line in lent_text(library.etw_event_batch_schemas, self._handle).splitlines()]


def open(path, where=None, schemas=(), default_schemas=True):  # noqa: A001
    """Opens an .etwcap or .etl file, also in .gz, .zst or .zip.

    where: a filter, as `etw-replay --where` takes it. schemas: manifests, files of Windows, packs, folders, as
    `--schemas` takes them. Raises EtwcapError with what is wrong.
    """
    return Trace(path, where, schemas, default_schemas)


assert builtins.open is not open
