"""What scanners, broken programs and spiteful people send, and the fields to put it in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from html.parser import HTMLParser
from typing import Any, ClassVar, Final, TypeVar
from urllib.parse import quote_from_bytes

from flask import Flask, has_request_context, request
from werkzeug.datastructures import ImmutableMultiDict

Value = TypeVar("Value")

#: Each has been a fault of some service: of its database, its clock, its numbers or its log.
ODD: Final[tuple[bytes, ...]] = tuple(
    one if isinstance(one, bytes) else one.encode()
    for one in (
        "",
        " ",
        "\x00",
        "a\x00b",
        b"\xff\xfe",
        b"\xed\xa0\x80",
        "\ufeff1",
        "\u202e\u2028",
        "0",
        "-1",
        str(2**31),
        str(2**63),
        "9" * 30,
        "9" * 5000,
        "1e400",
        "NaN",
        "\u0663",
        "\u00b2",
        "1_000",
        "0001-01-01",
        "9999-12-31",
        "10000-01-01",
        "2026-02-30",
        "0001-W01",
        "9999-W52",
        "0001-01-01T00:00",
        "9999-12-31T23:59",
        "2026-03-29T01:30",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "24:00",
        "25:61",
        "\u0663\u0664:\u0660\u0660",
        "x" * 5000,
        "\U0001f600" * 300,
        "\r\nX-Evil: 1",
        "<script>alert(1)</script>",
        "' OR '1'='1",
        "%s%n{0}{{7*7}}",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "null",
        "[]",
        "[" * 5000,
        '{"id": 5}',
        '{"id": {"a": 1}}',
        '{"id": "\\ud800"}',
        "day:1",
        "language:xx",
        "../../etc/passwd",
        "+44",
        "add-9",
        "up-" + "9" * 5000,
        "person-\u0663",
    )
)

#: Bodies and what they claim to be.
ODD_BODIES: Final[tuple[tuple[str, bytes], ...]] = (
    ("application/json", b'{"a": '),
    ("application/json", b"[" * 20_000),
    ("application/json", b'{"phone": 5, "name": {"a": [1]}, "reason": null}'),
    ("application/problem+json", b"[1, 2]"),
    ("application/json; charset=utf-7", b"+AHs-"),
    ("multipart/form-data", b"--x\r\n\r\n--x--"),
    ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\n\xff\r\n"),
    ('multipart/form-data; boundary="', b'--"\r\n'),
    (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="a"; filename="../x"\r\n\r\nb\r\n--x--\r\n',
    ),
    ("application/x-www-form-urlencoded; charset=utf-16", "a=b".encode("utf-16")),
    (
        "text/xml",
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    ),
    ("\x00/\xff", b"a"),
    ("", b"\x00" * 100),
)

#: Headers as no browser sends them.
ODD_HEADERS: Final[tuple[tuple[str, str], ...]] = (
    ("Host", "evil.example"),
    ("Host", "evil.example:99999"),
    ("Host", "a b"),
    ("Host", ""),
    ("Host", "[::1"),
    ("Cookie", "sid=\xff\xfe; form=%00; device=\x80"),
    ("Cookie", "sid=" + "x" * 6000),
    ("Cookie", ";;==;sid;form"),
    ("Cookie", "form=eyJhIjoxfQ.aaaa.bbbb; sid=\u0663".encode().decode("latin-1")),
    ("Accept", "*/*;q=x, ,;"),
    ("Accept", "application/json;q=1e400"),
    ("Accept-Language", "\xff,;q="),
    ("Accept-Encoding", "gzip;q=-1"),
    ("Authorization", "Bearer \xff\xfe"),
    ("Authorization", "Basic !!"),
    ("Authorization", "Bearer " + "x" * 6000),
    ("Content-Length", "-1"),
    ("Content-Length", "x"),
    ("Content-Length", "9" * 30),
    ("If-Modified-Since", "Thu, 99 Foo 99999"),
    ("If-None-Match", '"\xff'),
    ("Range", "bytes=9-1,-,x"),
    ("Range", "bytes=" + "9" * 30 + "-"),
    ("Origin", "null"),
    ("Origin", "http://[::1"),
    ("Sec-Fetch-Site", "\xff"),
    ("HX-Request", "\xff"),
    ("HX-Current-URL", "http://[::1"),
    ("HX-Current-URL", "//evil.example"),
    ("X-Forwarded-For", "\xff, 1.2.3"),
    ("X-Forwarded-Proto", "x"),
    ("X-HTTP-Method-Override", "DELETE"),
    ("User-Agent", "\xff" * 3000),
    ("X-Twilio-Signature", "\xff"),
    ("Transfer-Encoding", "chunked"),
    ("Expect", "x"),
    ("Referer", "http://[::1"),
)

#: In the place of the id of a row, as they stand in an address.
ODD_IDS: Final = (
    "0",
    "-1",
    str(2**31 - 1),
    str(2**31),
    str(2**63),
    "9" * 400,
    "%D9%A3",
    "%C2%B2",
    "1.0",
    "1e9",
    "0x1",
    "%00",
    "1%00",
    "%FF%FE",
    "1%0d%0aX-Evil:%201",
    "..%2f..%2fetc",
    "x" * 3000,
)


class Asked(ImmutableMultiDict[str, Any]):
    """Fields of a form or an address that note, for each route, by which names they were asked."""

    names: ClassVar[defaultdict[str, set[str]]] = defaultdict(set)

    def __contains__(self, key: object) -> bool:
        self._note(key)
        return super().__contains__(key)

    def __getitem__(self, key: str) -> Any:
        self._note(key)
        return super().__getitem__(key)

    def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
        """The first value; noted."""
        self._note(key)
        return super().get(key, *args, **kwargs)

    def getlist(self, key: str, *args: Any, **kwargs: Any) -> list[Any]:
        """Every value; noted."""
        self._note(key)
        return super().getlist(key, *args, **kwargs)

    def _note(self, key: object) -> None:
        if has_request_context() and request.endpoint:
            self.names[f"{request.method} {request.endpoint}"].add(str(key))


def note_what_is_asked(app: Flask) -> None:
    """Have ``app`` note in ``Asked.names`` which fields each of its routes looks for."""

    class Noting(app.request_class):  # type: ignore[name-defined, misc]  # whatever it is
        parameter_storage_class = Asked

    app.request_class = Noting


class Fields(HTMLParser):
    """A value for each field that some page offers: what a person might send."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self._select: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the fields of ``tag``; the last choice of a list, as the first is often empty."""
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "select":
            self._select = name
        elif tag == "option" and self._select and given.get("value"):
            self.found[self._select] = given["value"]
        elif tag == "textarea" and name:
            self.found.setdefault(name, "words")
        elif tag in {"input", "button"} and name:
            self.found[name] = given.get("value") or self.found.get(name, "")


def encoded(fields: Iterable[tuple[str, bytes]]) -> str:
    """The fields as a form sends them, whatever bytes they are."""
    pairs = ((quote_from_bytes(name.encode()), quote_from_bytes(value)) for name, value in fields)
    return "&".join(f"{name}={value}" for name, value in pairs)


def in_turn(values: Sequence[Value], each: int, *, start: int) -> Iterator[list[Value]]:
    """For ever the next ``each`` of the values, so that all come up in all fields together."""
    at = start
    while True:
        yield [values[(at + n) % len(values)] for n in range(each)]
        at += each
