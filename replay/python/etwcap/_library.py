"""libetwcap by ctypes: where it is found, its functions, its errors."""
import ctypes
import ctypes.util
import os
import sys

OK, END, AGAIN = 0, 1, 2
MESSAGE_SIZE = 1000  # ETW_ERROR_MESSAGE_SIZE


class EtwcapError(Exception):
    """What failed, where, and what to do, as the library says it."""


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("os_code", ctypes.c_int32), ("message", ctypes.c_char * MESSAGE_SIZE)]


class Options(ctypes.Structure):
    """etw_event_batch_options."""
    _fields_ = [("where", ctypes.c_char_p), ("schemas", ctypes.POINTER(ctypes.c_char_p)), ("schema_count", ctypes.c_uint32),
                ("without_default_schemas", ctypes.c_uint32), ("reserved", ctypes.c_uint64 * 4)]


class Number(ctypes.Union):
    _fields_ = [("int64", ctypes.c_int64), ("uint64", ctypes.c_uint64), ("real", ctypes.c_double)]


class Value(ctypes.Structure):
    """etw_batched_value."""
    _fields_ = [("kind", ctypes.c_uint32), ("size", ctypes.c_uint32), ("number", Number), ("data", ctypes.c_void_p)]


def candidates():
    """Names to try, in order."""
    given = os.environ.get("ETWCAP_LIBRARY")
    if given:
        yield given
    here = os.path.dirname(os.path.abspath(__file__))
    name = "etwcap.dll" if sys.platform == "win32" else "libetwcap.so.1"
    yield os.path.join(here, name)
    yield name
    found = ctypes.util.find_library("etwcap")
    if found:
        yield found


def load():
    problems = []
    for name in candidates():
        try:
            return ctypes.CDLL(name), name
        except OSError as problem:
            problems.append(str(problem))
    raise ImportError("libetwcap was not found; set ETWCAP_LIBRARY to its path (%s)" % "; ".join(problems))


def declare(library):
    pointer, u32, status, text = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_char_p
    by_ref = ctypes.POINTER
    for name, result, arguments in [
            ("etw_version", text, []),
            ("etw_event_batch_open", status, [text, by_ref(Options), by_ref(pointer), by_ref(Error)]),
            ("etw_event_batch_close", None, [pointer]),
            ("etw_event_batch_next", status, [pointer, by_ref(pointer), by_ref(u32), by_ref(Error)]),
            ("etw_event_batch_value", status, [pointer, u32, text, by_ref(Value)]),
            ("etw_event_batch_json", status, [pointer, u32, u32, by_ref(pointer), by_ref(ctypes.c_size_t)]),
            ("etw_event_batch_schema", status, [pointer, u32, by_ref(pointer), by_ref(ctypes.c_size_t)]),
            ("etw_event_batch_schemas", status, [pointer, by_ref(pointer), by_ref(ctypes.c_size_t)]),
            ("etw_event_batch_losses", text, [pointer]),
            ("etw_test_trace_new", status, [by_ref(pointer), by_ref(Error)]),
            ("etw_test_trace_free", None, [pointer]),
            ("etw_test_trace_add_text", status, [pointer, text, by_ref(Error)]),
            ("etw_test_trace_save", status, [pointer, text, ctypes.c_bool, by_ref(Error)])]:
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


_loaded, library_path = load()
library = declare(_loaded)


def version():
    """Of the library: "1.0"."""
    return library.etw_version().decode()


def check(status, error):
    """Raises what a failed call said."""
    if status > AGAIN:
        raise EtwcapError(error.message.decode("utf-8", "replace") or "status %d" % status)
    return status
