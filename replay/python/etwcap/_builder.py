"""Traces that are made: events from words, or taken over from other traces."""
import ctypes
import json
import os

from ._library import EtwcapError, Error, check, library
from ._trace import Event


class Builder:
    """A trace that is made event by event, and saved as .etwcap.

        builder = etwcap.Builder()
        builder.schema("My.Shop", 1, {"Price": "UINT32", "Name": "UNICODESTRING"}, EventName="Sold")
        builder.event("My.Shop", 1, {"Price": 5, "Name": "tea"}, ProcessId=7)
        builder.loss(3)
        builder.save("shop.etwcap")

    Names and values are those that `etw-replay` prints (format/fixture/FIXTURES.md).
    """

    def __init__(self):
        self._lines = []
        self._hashes = set()

    def _add(self, **members):
        self._lines.append(json.dumps(members, ensure_ascii=False, default=str))

    def schema(self, provider, id, properties, **more):  # noqa: A002
        """Describes events of a provider (name) and id. properties: types by name, or a list as a schema has it.

        more: ProviderId, EventName, Version, Level, Maps, ... Without ProviderId the GUID is made of the name, as
        EventSource does.
        """
        if isinstance(properties, dict):
            properties = [{"Name": name, "InType": kind} for name, kind in properties.items()]
        self._add(Schema=dict({"ProviderName": provider, "Id": id, "Properties": properties}, **more))

    def event(self, provider, id, properties=None, **header):  # noqa: A002
        """Adds an event. header: TimeStamp, ProcessId, Level, ExtendedInfo, UserData (hexadecimal), ..."""
        members = dict({"ProviderName": provider, "Id": id}, **header)
        if properties is not None:
            members["EventProperties"] = {name: value.hex() if isinstance(value, bytes) else value
                                          for name, value in properties.items()}
        self._add(**members)

    def add(self, event):
        """Takes over an event of a trace with its schema and all of its bytes, or what Event.to_dict gives, changed or not."""
        if not isinstance(event, Event):
            self._add(**event)
            return
        members = json.loads(event.to_json(typed=False))
        if event.has_schema:
            if event.schema_hash not in self._hashes:
                self._hashes.add(event.schema_hash)
                self._add(Schema=event.schema)
            members["SchemaHash"] = event.schema_hash
            for name in ("EventProperties", "EventPropertiesError"):
                members.pop(name, None)
            if event.user_data:
                members["UserData"] = event.user_data.hex()
        self._add(**members)

    def loss(self, events, cause="events lost by ETW", **more):
        """Says that events are missing here. more: From, To, Detail."""
        self._add(Loss=dict({"Cause": cause, "Events": events}, **more))

    @property
    def text(self):
        """The lines, as `etw-record --from-json` reads them."""
        return "".join(line + "\n" for line in self._lines)

    def save(self, path, replace=False):
        """Writes an .etwcap file. Raises EtwcapError with line and column of what does not fit; then no file is left."""
        trace, error = ctypes.c_void_p(), Error()
        check(library.etw_test_trace_new(ctypes.byref(trace), ctypes.byref(error)), error)
        try:
            text = self.text.encode("utf-8", "surrogatepass")
            if b"\0" in text:
                raise EtwcapError("a text cannot hold a NUL")
            check(library.etw_test_trace_add_text(trace, text, ctypes.byref(error)), error)
            check(library.etw_test_trace_save(trace, os.fsencode(path), replace, ctypes.byref(error)), error)
        finally:
            library.etw_test_trace_free(trace)


def write(path, events, replace=False):
    """Saves events, of traces or as dictionaries, as an .etwcap file."""
    builder = Builder()
    for event in events:
        builder.add(event)
    builder.save(path, replace)
