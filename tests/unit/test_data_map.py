"""The data map: every column of every table, each once; and the documentation made of it."""

from __future__ import annotations

import pkgutil
from collections import Counter
from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest

from callback_service import models
from callback_service.config import Settings
from callback_service.domain.data_map import DATA_MAP, mapped, schedule_in_markdown
from callback_service.domain.figures import Cell, Ended, Measure, band, cells, shown
from callback_service.domain.retention import (
    BY_KIND,
    CLOCKS,
    LONDON,
    USUAL,
    Clock,
    Keeping,
    Kept,
    day_of,
    spoken_length,
)
from callback_service.errors import SettingsError
from callback_service.models.base import Base
from callback_service.services.retention import RULES
from tests.support.settings import DATA_KEYS, ROOT, SECRET_KEY

SAID_AT = datetime(2026, 11, 25, 21, 3, tzinfo=UTC)


def columns() -> list[tuple[str, str]]:
    for module in pkgutil.iter_modules(models.__path__):
        import_module(f"{models.__name__}.{module.name}")
    tables = Base.metadata.sorted_tables
    return [(table.name, column.name) for table in tables for column in table.columns]


def test_every_column_of_every_table_is_in_the_map() -> None:
    assert sorted(set(columns()) - set(mapped())) == []


def test_the_map_names_no_column_that_is_not_there_and_none_twice() -> None:
    assert sorted(set(mapped()) - set(columns())) == []
    assert [place for place, times in Counter(mapped()).items() if times > 1] == []


def test_what_is_sealed_or_found_by_a_digest_has_a_clock() -> None:
    personal = ("_sealed", "phone_index", "network_index", "to_index")
    for table, fates in DATA_MAP.items():
        kept_for_ever = " ".join(names for fate, names in fates.items() if fate not in set(Kept))
        found = [name for name in kept_for_ever.split() if name.endswith(personal)]
        assert found == [] or table == "suppression", table


def test_the_documentation_holds_the_schedule_as_it_is() -> None:
    page = (ROOT / "docs" / "retention.md").read_text(encoding="utf-8")
    assert page.endswith(schedule_in_markdown(USUAL) + "\n")


def test_every_kind_has_one_clock_and_a_rule_that_erases_it() -> None:
    assert [clock.kind for clock in CLOCKS] == list(Kept)
    assert {rule.kind for rule in RULES} == set(Kept)


def test_every_usual_time_lies_within_its_limits() -> None:
    for clock in CLOCKS:
        if clock.setting:
            assert clock.least <= clock.usual.days <= clock.most, clock.kind


def settings(**environ: str) -> Settings:
    given = {"SECRET_KEY": SECRET_KEY, "DATA_KEYS": DATA_KEYS, **environ}
    return Settings.from_environ(given, root=ROOT)


def test_an_installation_may_keep_it_for_a_shorter_time() -> None:
    chosen = {"KEEP_CALLERS_DAYS": "14", "KEEP_NOTES_DAYS": "2", "KEEP_TEXTS_DAYS": "7"}
    keeping = settings(**chosen).keeping
    assert [keeping.lasts(kind).days for kind in (Kept.CALLERS, Kept.NOTES, Kept.TEXTS)] == [
        14,
        2,
        7,
    ]
    assert keeping.lasts(Kept.LEAVERS) == BY_KIND[Kept.LEAVERS].usual


@pytest.mark.parametrize("clock", [clock for clock in CLOCKS if clock.setting])
def test_a_time_outside_its_limits_is_refused(clock: Clock) -> None:
    assert clock.setting
    for days in (clock.least - 1, clock.most + 1):
        with pytest.raises(SettingsError, match=clock.setting):
            settings(**{clock.setting: str(days)})


def test_nothing_is_kept_longer_than_the_number_by_which_it_can_be_erased() -> None:
    with pytest.raises(SettingsError, match="KEEP_NOTES_DAYS must not be longer"):
        settings(KEEP_NOTES_DAYS="60")


def test_small_cells_may_be_larger_and_never_smaller() -> None:
    assert settings(FIGURES_LEAST="10").keeping.small_cell == 10
    with pytest.raises(SettingsError, match="FIGURES_LEAST"):
        settings(FIGURES_LEAST="4")


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(days=30), "30 days"),
        (timedelta(days=1), "1 day"),
        (timedelta(hours=12), "12 hours"),
    ],
)
def test_a_length_is_said_as_people_say_it(length: timedelta, words: str) -> None:
    assert spoken_length(length) == words


def test_of_a_time_only_the_day_stays() -> None:
    assert day_of(SAID_AT) == datetime(2026, 11, 25, tzinfo=UTC)


def ended(waited: timedelta | None, *, window_in: timedelta = timedelta(0)) -> Ended:
    first = None if waited is None else SAID_AT + window_in + waited
    return Ended(SAID_AT, SAID_AT + window_in, first, "helped")


@pytest.mark.parametrize(
    ("waited", "name"),
    [
        (timedelta(minutes=15), "within 15 minutes"),
        (timedelta(minutes=16), "within half an hour"),
        (timedelta(hours=2), "within 2 hours"),
        (timedelta(hours=3), "later than that"),
        (None, "not rung"),
    ],
)
def test_a_wait_falls_into_a_band(waited: timedelta | None, name: str) -> None:
    assert band(ended(waited)) == name


def test_who_chose_a_window_waits_from_its_start() -> None:
    assert band(ended(timedelta(minutes=5), window_in=timedelta(days=1))) == "within 15 minutes"


def test_one_request_counts_once_in_each_table_and_never_by_two_things_at_once() -> None:
    summer = Ended(datetime(2026, 7, 1, 22, 30, tzinfo=UTC), SAID_AT, None, "helped")
    assert list(cells(summer, tz=LONDON)) == [
        Cell(Measure.ASKED, datetime(2026, 7, 1, tzinfo=UTC).date(), "23"),
        Cell(Measure.ENDED, datetime(2026, 7, 1, tzinfo=UTC).date(), "helped"),
        Cell(Measure.WAITED, datetime(2026, 7, 1, tzinfo=UTC).date(), "not rung"),
    ]


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0"), (1, "fewer than 5"), (4, "fewer than 5"), (5, "5"), (1200, "1,200")],
)
def test_a_small_count_is_not_shown(count: int, words: str) -> None:
    assert shown(count, small=Keeping().small_cell) == words
