"""The filter language again, written from its page in etw-replay.1, over the JSON objects of events: to count what should pass.

An event is (the object as `cat --names` prints it, the one of `cat --typed --typed-hex`): texts come from the first, numbers from the second.
"""
import ipaddress
import re

FIELDS = {name.lower(): name for name in (
    "TimeStamp ProviderName ProviderId EventName Id Version Channel Level Opcode Task Keyword ProcessId ThreadId ProcessName "
    "ProcessorIndex ActivityId Flags EventProperty KernelTime UserTime Message").split()}
NAMES = {"Level": "LevelName", "Opcode": "OpcodeName", "Task": "TaskName", "Channel": "ChannelName", "Keyword": "KeywordNames"}
LEVELS = {"always": 0, "logalways": 0, "critical": 1, "error": 2, "warning": 3, "info": 4, "informational": 4, "information": 4, "verbose": 5}
OPCODES = {"info": 0, "start": 1, "stop": 2, "dcstart": 3, "dcstop": 4, "extension": 5, "reply": 6, "resume": 7, "suspend": 8,
           "send": 9, "receive": 240}
STANDARD = {"Level": LEVELS, "Opcode": OPCODES}
TOKEN = re.compile(r"""\s*(?:(?P<quoted>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(?P<sign>==|!=|<=|>=|&&|\|\||[<>~=&(),!])"""
                   r"""|(?P<word>[^\s(),&|=<>!'"~]+))""")
WORDS = ("contains", "startswith", "endswith", "like", "in")


class Quoted(str):
    pass


def unescaped(text, is_pattern):
    if is_pattern:
        return text
    known = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}
    return re.sub(r"\\(x[0-9a-fA-F]{2}|.)", lambda m: known.get(m[1]) or (
        chr(int(m[1][1:], 16)) if len(m[1]) == 3 else m[0]), text)


def tokens(text):
    at, last = 0, None
    while text[at:].strip():
        found = TOKEN.match(text, at)
        at = found.end()
        if found["quoted"] is not None:
            yield Quoted(unescaped(found["quoted"][1:-1], last == "~"))
        else:
            yield found["sign"] or found["word"]
        last = found["sign"]


def number(text):
    """What a value written so is as a number, or None."""
    found = re.fullmatch(r"(-?)(?:(0[xX][0-9a-fA-F]+)|(\d+)|(\d*\.?\d+(?:[eE][+-]?\d+)?))([kKMG]?)", text)
    if not found:
        return None
    sign, hexadecimal, whole, real, unit = found.groups()
    value = int(hexadecimal, 16) if hexadecimal else int(whole) if whole else float(real)
    return (-1 if sign else 1) * value * {"": 1, "k": 1 << 10, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}[unit]


def ticks(text):
    """A time of the day it names, in 100 ns since year 1, or None."""
    found = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?Z?)?", text)
    if not found:
        return None
    import datetime
    year, month, day, hour, minute, second, rest = (part or "0" for part in found.groups())
    days = datetime.date(int(year), int(month), int(day)).toordinal()
    return ((days * 24 + int(hour)) * 60 + int(minute)) * 600000000 + int(second) * 10**7 + int((rest + "0" * 9)[:7])


class Filter:
    def __init__(self, text, first=0, last=0):
        """first, last: ticks that +5s and -5s count from."""
        self.rest = list(tokens(text))
        self.first, self.last = first, last
        self.passes = self.any()
        assert not self.rest, text

    def take(self, *words):
        if self.rest and not isinstance(self.rest[0], Quoted) and self.rest[0].lower() in words:
            return self.rest.pop(0).lower()
        return None

    def any(self):
        parts = [self.all()]
        while self.take("or", "||"):
            parts.append(self.all())
        return lambda event: any(part(event) for part in parts)

    def all(self):
        parts = [self.one()]
        while self.take("and", "&&"):
            parts.append(self.one())
        return lambda event: all(part(event) for part in parts)

    def one(self):
        if self.take("not", "!"):
            inner = self.one()
            return lambda event: not inner(event)
        if self.take("("):
            inner = self.any()
            assert self.take(")")
            return inner
        return self.test()

    def test(self):
        if self.take("has"):
            field = self.rest.pop(0)
            return lambda event: bool(values(event, field)) or (is_struct(event, field))
        field = self.rest.pop(0)
        mask = number(self.rest.pop(0)) if self.take("&") else None
        turned = self.take("not") is not None
        sign = self.take("==", "=", "!=", "<=", ">=", "<", ">", "~", *WORDS)
        if sign is None:
            return lambda event: any(is_set(value, mask) for value in values(event, field))
        wanted = [self.value()] if sign != "in" else self.list()
        judge = lambda event: any(self.compare(field, sign, value, mask, wanted) for value in values(event, field))
        if sign == "!=":
            return lambda event: bool(values(event, field)) and not any(
                self.compare(field, "==", value, mask, wanted) for value in values(event, field))
        return (lambda event: not judge(event)) if turned else judge

    def value(self):
        return self.rest.pop(0)

    def list(self):
        if not self.take("("):
            return [self.value()]
        found = []
        while not self.take(")"):
            word = self.value()
            if not isinstance(word, Quoted) and ".." in word:
                word = tuple(word.split("..", 1))
            found.append(word)
            self.take(",")
        return found

    def compare(self, field, sign, value, mask, wanted):
        text, real, names = value
        if mask is not None:
            text, real, names = None, None if real is None else int(real) & mask, []
        if sign in ("==", "=", "in"):
            return any(self.equal(text, real, names, one) for one in wanted)
        one = wanted[0]
        if sign in ("<", "<=", ">", ">="):
            return self.ordered(field, sign, text, real, one)
        texts = ([] if text is None else [text]) + names
        folded = one.lower()
        return any({"contains": lambda t: folded in t.lower(), "startswith": lambda t: t.lower().startswith(folded),
                    "endswith": lambda t: t.lower().endswith(folded), "like": lambda t: is_like(t, one),
                    "~": lambda t: re.search(one, t) is not None}[sign](t) for t in texts)

    def time(self, one):
        if re.fullmatch(r"[+-][\d.]+m?s", one):
            apart = round(float(one[1:].rstrip("ms")) * (10**4 if one.endswith("ms") else 10**7))
            return self.first + apart if one[0] == "+" else self.last - apart
        return ticks(one)

    def equal(self, text, real, names, one):
        if isinstance(one, tuple):
            return (self.ordered(None, ">=", text, real, one[0]) and self.ordered(None, "<=", text, real, one[1]))
        if any(name.lower() == one.lower() for name in names):
            return True
        time = ticks(text) if text else None
        if time is not None and self.time(one) is not None:
            return time == self.time(one)
        if "/" in one and text is not None:
            try:
                return ipaddress.ip_address(text) in ipaddress.ip_network(one)
            except ValueError:
                pass
        if real is not None and number(one) is not None:
            return real == number(one)
        return text is not None and text.lower() == one.lower()

    def ordered(self, field, sign, text, real, one):
        time = ticks(text) if text else None
        if time is not None and self.time(one) is not None:
            a, b = time, self.time(one)
        elif real is not None and (number(one) is not None or one.lower() in STANDARD.get(field, ())):
            a, b = real, number(one) if number(one) is not None else STANDARD[field][one.lower()]
        elif text is not None and number(one) is not None and number(text) is not None:
            a, b = number(text), number(one)
        elif real is not None:
            return False
        else:
            a, b = text.lower(), one.lower()
        return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[sign]


def is_like(text, pattern):
    return re.fullmatch("".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern), text, re.I | re.S) is not None


def is_set(value, mask):
    text, real, _ = value
    if real is not None:
        return (int(real) & mask if mask is not None else real) != 0
    return mask is None and text not in ("", "false", "0")


def member(value, name):
    """The member of a JSON object, case ignored."""
    for key, inner in value.items():
        if key.lower() == name.lower():
            return inner
    return None


def reach(holder, path):
    """The values that a property's path leads to."""
    if not path:
        return holder if isinstance(holder, list) else [holder]
    if isinstance(holder, list):
        return [value for one in holder for value in reach(one, path)]
    found = re.fullmatch(r"(.*?)(?:\[(\d+)\])?", path[0])
    inner = member(holder, found[1]) if isinstance(holder, dict) else None
    if inner is None:
        return []
    if found[2] is not None:
        inner = inner[int(found[2])] if isinstance(inner, list) and int(found[2]) < len(inner) else None
        if inner is None:
            return []
    return reach(inner, path[1:])


def is_struct(event, field):
    return any(isinstance(value, dict) for value in reach(event[0].get("EventProperties", {}), [field]))


def values(event, field):
    """Each value of the field: (text, number or None, other names)."""
    shown, typed = event
    name = FIELDS.get(field.lower()) if not isinstance(field, Quoted) else None
    if name:
        if name not in shown:
            return []
        value = shown[name]
        names = shown.get(NAMES.get(name), [])
        names = [names] if isinstance(names, str) else list(names)
        if name in STANDARD:
            names += [word for word, standing in STANDARD[name].items() if standing == value]
        if name == "Keyword":
            return [(None, int(value, 16), names)]
        return [(str(value), value if isinstance(value, int) else None, names)]
    if field == "*":
        texts = [text for text in every(shown.get("EventProperties", {}))]
        texts += [shown[key] for key in ("ProviderName", "EventName") if key in shown]
        return [(text, number(text), []) for text in texts]
    if field.lower().startswith("extendedinfo."):
        inner = shown.get("ExtendedInfo", {}).get(field.split(".", 1)[1])
        return [] if inner is None else [(str(inner), inner if isinstance(inner, int) else None, [])]
    path = [str(field)] if isinstance(field, Quoted) else field.split(".")
    if len(path) > 1 and path[0].lower() == "eventproperties":
        path = path[1:]
    texts = reach(shown.get("EventProperties", {}), path)
    numbers = reach(typed.get("EventProperties", {}), path)
    return [(text, None if real is None or isinstance(real, (str, dict)) else int(real) if isinstance(real, bool) else real, [])
            for text, real in zip(texts, numbers) if isinstance(text, str)]


def every(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from every(inner)
    else:
        yield value
