"""Read, and make, Windows event traces (.etwcap and .etl) on any system.

    import etwcap
    with etwcap.open("trace.etwcap", where="QueryName contains 'example'") as trace:
        for event in trace:
            print(event.time, event.provider_name, event["QueryName"])

The module calls libetwcap by ctypes and needs no compiler. It looks for the library in $ETWCAP_LIBRARY, beside itself,
and where the system looks.
"""
from ._builder import Builder, write
from ._trace import Event, Loss, Trace, open  # noqa: A004 (the name is what users expect)
from ._library import EtwcapError, library_path, version

__all__ = ["Builder", "Event", "EtwcapError", "Loss", "Trace", "library_path", "open", "version", "write"]
__version__ = version()
