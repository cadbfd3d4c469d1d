"""Sealed fields, the blind index, and instants on their way to the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Dialect
from sqlalchemy.dialects import postgresql, sqlite

from callback_service.domain.data_keys import DataKeys
from callback_service.models import sealing
from callback_service.models.base import UtcDateTime
from callback_service.models.sealing import (
    INDEX_BYTES,
    Keyring,
    SealBroken,
    Sealed,
    use_keyring,
)

OLD, NEW = ("k1", bytes(range(32))), ("k2", bytes(range(32, 64)))


def ring_of(*keys: tuple[str, bytes], index_key: bytes | None = None) -> Keyring:
    return Keyring(DataKeys(keys, index_key))


RING = ring_of(OLD)
PLACE = "callback_request.phone:abc"
PHONE = "+447700900982"


def test_a_text_that_was_sealed_opens_in_its_place() -> None:
    assert RING.open(RING.seal(PHONE, context=PLACE), context=PLACE) == PHONE


@settings(max_examples=30, deadline=None)
@given(text=st.text(max_size=60), context=st.text(max_size=20))
def test_any_text_comes_back_as_it_was(text: str, context: str) -> None:
    assert RING.open(RING.seal(text, context=context), context=context) == text


@pytest.mark.parametrize(
    "place",
    [
        "callback_request.phone:abd",  # another row
        "callback_request.name:abc",  # another column
        "staff.phone:abc",  # another table
        "callback_request.phone:",
        "",
    ],
)
def test_a_value_that_was_copied_to_another_place_does_not_open(place: str) -> None:
    with pytest.raises(SealBroken):
        RING.open(RING.seal(PHONE, context=PLACE), context=place)


def test_a_value_with_any_byte_changed_does_not_open() -> None:
    value = RING.seal(PHONE, context=PLACE)
    for index in range(len(value)):
        changed = bytearray(value)
        changed[index] ^= 1
        with pytest.raises(SealBroken):
            RING.open(bytes(changed), context=PLACE)


def test_a_value_that_was_cut_short_or_grew_does_not_open() -> None:
    value = RING.seal(PHONE, context=PLACE)
    for length in range(len(value)):
        with pytest.raises(SealBroken):
            RING.open(value[:length], context=PLACE)
    with pytest.raises(SealBroken):
        RING.open(value + b"\x00", context=PLACE)


def test_another_key_of_the_same_name_does_not_open_it() -> None:
    with pytest.raises(SealBroken):
        ring_of(("k1", NEW[1])).open(RING.seal(PHONE, context=PLACE), context=PLACE)


def test_a_value_whose_key_is_gone_says_so_and_not_what_it_holds() -> None:
    with pytest.raises(SealBroken, match="not in DATA_KEYS") as broken:
        ring_of(NEW).open(RING.seal(PHONE, context=PLACE), context=PLACE)
    assert PHONE not in repr(broken.value)


def test_after_a_key_is_put_in_front_the_old_values_open_and_new_ones_use_it() -> None:
    both = ring_of(NEW, OLD)
    assert both.open(RING.seal(PHONE, context=PLACE), context=PLACE) == PHONE
    sealed = both.seal(PHONE, context=PLACE)
    assert ring_of(NEW).open(sealed, context=PLACE) == PHONE
    with pytest.raises(SealBroken):
        RING.open(sealed, context=PLACE)


def test_the_blind_index_does_not_change_when_a_key_is_put_in_front() -> None:
    assert ring_of(NEW, OLD).blind_index("phone", PHONE) == RING.blind_index("phone", PHONE)


def test_the_blind_index_finds_equal_values_and_tells_others_apart() -> None:
    index = RING.blind_index("phone", PHONE)
    assert index == ring_of(OLD).blind_index("phone", PHONE)
    others = {
        RING.blind_index("phone", "+447700900983"),
        RING.blind_index("email", PHONE),
        ring_of(NEW).blind_index("phone", PHONE),
    }
    assert len(others | {index}) == 4
    assert len(index) == INDEX_BYTES


def test_the_plain_text_is_in_neither_the_sealed_value_nor_the_index() -> None:
    for value in (RING.seal(PHONE, context=PLACE), RING.blind_index("phone", PHONE)):
        assert PHONE.encode() not in value
        assert PHONE[-6:].encode() not in value


def test_the_same_text_seals_differently_every_time() -> None:
    assert len({RING.seal(PHONE, context=PLACE) for _ in range(100)}) == 100


class Row:
    """A row with two sealed columns, without a database."""

    __tablename__: ClassVar[str] = "row"

    phone = Sealed()
    note = Sealed()

    def __init__(self, uid: str | None) -> None:
        self.uid = uid
        self.phone_sealed: bytes | None = None
        self.note_sealed: bytes | None = None


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Keyring:
    """A keyring in use for one test."""
    monkeypatch.setattr(sealing, "_keyring", None)
    use_keyring(RING)
    return sealing.keyring()


@pytest.mark.usefixtures("ring")
def test_a_sealed_attribute_reads_as_text_and_is_kept_as_bytes() -> None:
    row = Row("a")
    row.phone = PHONE
    assert row.phone == PHONE
    assert row.phone_sealed is not None
    assert PHONE.encode() not in row.phone_sealed


@pytest.mark.usefixtures("ring")
def test_an_erased_attribute_is_empty_in_the_column_too() -> None:
    row = Row("a")
    row.phone = PHONE
    row.phone = None
    assert (row.phone, row.phone_sealed) == (None, None)


@pytest.mark.usefixtures("ring")
def test_a_sealed_value_moved_to_another_row_or_column_does_not_open() -> None:
    one, other = Row("a"), Row("b")
    one.phone = PHONE
    other.phone_sealed = one.note_sealed = one.phone_sealed
    with pytest.raises(SealBroken):
        _ = other.phone
    with pytest.raises(SealBroken):
        _ = one.note


@pytest.mark.usefixtures("ring")
def test_a_row_without_a_uid_refuses_to_seal_what_would_never_open_again() -> None:
    row = Row(None)
    with pytest.raises(RuntimeError, match="uid"):
        row.phone = PHONE
    assert row.phone_sealed is None


def test_without_a_keyring_nothing_is_sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "_keyring", None)
    with pytest.raises(RuntimeError, match="no keyring"):
        sealing.keyring()


DIALECTS = [sqlite.dialect(), postgresql.dialect()]  # type: ignore[no-untyped-call]
INSTANT = datetime(2026, 7, 1, 20, 0, tzinfo=UTC)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: str(dialect.name))
class TestInstants:
    """What UtcDateTime hands to the database and takes from it."""

    def test_a_naive_instant_is_refused(self, dialect: Dialect) -> None:
        with pytest.raises(ValueError, match="naive"):
            UtcDateTime().process_bind_param(INSTANT.replace(tzinfo=None), dialect)

    def test_an_instant_of_another_zone_is_written_in_utc(self, dialect: Dialect) -> None:
        london = INSTANT.astimezone(ZoneInfo("Europe/London"))
        written = UtcDateTime().process_bind_param(london, dialect)
        assert written is not None
        assert (written, written.utcoffset()) == (INSTANT, timedelta())
        assert written.replace(tzinfo=None) == INSTANT.replace(tzinfo=None)

    def test_an_instant_is_read_as_aware_utc(self, dialect: Dialect) -> None:
        bare = INSTANT.replace(tzinfo=None)
        london = INSTANT.astimezone(ZoneInfo("Europe/London"))
        for stored in (bare, INSTANT, london):
            read = UtcDateTime().process_result_value(stored, dialect)
            assert (read, read and read.tzinfo) == (INSTANT, UTC)

    def test_no_instant_stays_none(self, dialect: Dialect) -> None:
        assert UtcDateTime().process_bind_param(None, dialect) is None
        assert UtcDateTime().process_result_value(None, dialect) is None
