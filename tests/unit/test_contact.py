"""Phone numbers as people type them, safe contact, and the grid of windows."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise, product
from zoneinfo import ZoneInfo

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberType

from callback_service.domain.contact import (
    ENTER_A_NUMBER,
    NOT_RINGABLE,
    UK_ONLY,
    LineKind,
    Phone,
    SafeContact,
    Window,
    national,
    parse_phone,
    window_grid,
)
from callback_service.errors import BadInput

LONDON = ZoneInfo("Europe/London")
MOBILE = Phone("+447700900982", LineKind.MOBILE)
CLOCK_CHANGES = [
    (date(2026, 3, 29), 23),
    (date(2026, 10, 25), 25),
    (date(2027, 3, 28), 23),
    (date(2027, 10, 31), 25),
]


def example(region: str, kind: int) -> str:
    """The library's own example of a kind of number, in E.164."""
    number = phonenumbers.example_number_for_type(region, kind)
    assert number is not None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def refusal(typed: str, *, allow_drama: bool = True) -> str:
    """The sentence with which a number is refused."""
    with pytest.raises(BadInput) as refused:
        parse_phone(typed, allow_drama=allow_drama)
    return refused.value.message


@pytest.mark.parametrize(
    "typed",
    [
        "07700900982",
        "07700 900 982",
        " 07700 900982 ",
        "07700\N{NO-BREAK SPACE}900982",
        "(07700) 900-982",
        "07700.900.982",
        "7700900982",
        "+447700900982",
        "+44 7700 900982",
        "+44 (0)7700 900982",
        "+44 07700 900982",
        "0044 7700 900982",
        "447700900982",
        "tel:07700900982",
        "call me on 07700900982",
        "٠٧٧٠٠٩٠٠٩٨٢",
        "0\N{FULLWIDTH DIGIT SEVEN}700900982",
        "07700\N{ZERO WIDTH SPACE}900982",
        "\N{LEFT-TO-RIGHT OVERRIDE}07700900982\N{POP DIRECTIONAL FORMATTING}",
        "07700900982\x00",
    ],
)
def test_one_number_is_read_in_every_usual_writing(typed: str) -> None:
    assert parse_phone(typed, allow_drama=True) == MOBILE


@pytest.mark.parametrize(
    ("typed", "kind"),
    [
        ("07700 900000", LineKind.MOBILE),
        ("07700 900999", LineKind.MOBILE),
        ("01632 960000", LineKind.LANDLINE),
        ("01632 960999", LineKind.LANDLINE),
        ("020 7946 0000", LineKind.LANDLINE),
        ("020 7946 0999", LineKind.LANDLINE),
    ],
)
def test_a_drama_number_is_taken_only_with_leave(typed: str, kind: LineKind) -> None:
    assert parse_phone(typed, allow_drama=True).kind is kind
    assert refusal(typed, allow_drama=False) == "Enter your own number. This one is an example"


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        (PhoneNumberType.MOBILE, LineKind.MOBILE),
        (PhoneNumberType.FIXED_LINE, LineKind.LANDLINE),
        (PhoneNumberType.VOIP, LineKind.LANDLINE),
    ],
)
def test_a_real_number_needs_no_leave_and_only_a_mobile_may_be_texted(
    kind: int, line: LineKind
) -> None:
    number = example("GB", kind)
    assert parse_phone(number, allow_drama=False) == Phone(number, line)


@pytest.mark.parametrize(
    "kind",
    [
        PhoneNumberType.PREMIUM_RATE,
        PhoneNumberType.TOLL_FREE,
        PhoneNumberType.PERSONAL_NUMBER,
        PhoneNumberType.UAN,
    ],
)
def test_a_number_that_costs_or_belongs_to_a_company_is_refused(kind: int) -> None:
    assert refusal(example("GB", kind)) == NOT_RINGABLE


@pytest.mark.parametrize(
    "typed", ["0870 123 4567", "0844 123 4567", "0345 123 4567", "0909 123 4567", "0800 1111"]
)
def test_a_valid_number_of_the_special_ranges_is_refused(typed: str) -> None:
    assert refusal(typed) == NOT_RINGABLE


@pytest.mark.parametrize("typed", ["999", "112", "118 118", "116 123", "150", "141", "+44", "0"])
def test_a_short_number_is_refused(typed: str) -> None:
    assert refusal(typed) == NOT_RINGABLE


def test_a_pager_is_refused() -> None:
    assert refusal(example("GB", PhoneNumberType.PAGER))


@pytest.mark.parametrize("region", ["GG", "JE", "IM"])
def test_a_crown_dependency_has_its_own_tariffs_and_is_refused(region: str) -> None:
    assert refusal(example(region, PhoneNumberType.FIXED_LINE)) == UK_ONLY


@pytest.mark.parametrize("typed", ["+447624123456", "07911 123456", "+447937123456"])
def test_a_mobile_of_a_crown_dependency_is_refused_though_it_looks_british(typed: str) -> None:
    assert refusal(typed) == UK_ONLY


@pytest.mark.parametrize(
    ("typed", "country"),
    [("+447624123456", "IM"), ("07911 123456", "GG"), ("+447937123456", "JE")],
)
def test_a_crown_dependency_is_taken_where_it_is_chosen_and_no_other_is(
    typed: str, country: str
) -> None:
    chosen = parse_phone(typed, allow_drama=False, countries=frozenset({"GB", country}))
    assert chosen.kind is LineKind.MOBILE
    others = frozenset({"GB", "IM", "JE", "GG"} - {country})
    with pytest.raises(BadInput, match="Enter a UK phone number"):
        parse_phone(typed, allow_drama=False, countries=others)


@pytest.mark.parametrize("typed", ["0870 123 4567", "0909 123 4567", "61234"])
def test_premium_numbers_and_short_codes_are_refused_wherever_they_are(typed: str) -> None:
    with pytest.raises(BadInput):
        parse_phone(typed, allow_drama=False, countries=frozenset({"GB", "IM", "JE", "GG"}))


@pytest.mark.parametrize("region", ["FR", "IE", "US", "IN"])
def test_a_foreign_number_is_refused(region: str) -> None:
    number = example(region, PhoneNumberType.MOBILE)
    assert refusal(number) == UK_ONLY
    assert refusal(number.replace("+", "00", 1)) == UK_ONLY


def test_a_foreign_number_with_the_digits_of_a_drama_number_is_foreign() -> None:
    assert refusal("+880 7700 900982") == UK_ONLY


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        "+",
        "hello",
        "²³⁴⁵⁶⁷⁸⁹",
        "07700900982 or 01632960001",
        "07700900982/01632960001",
        "07700 900982 1",
        "141 07700900982",
        "*67 07700900982",
        "07700\x00900982",
    ],
)
def test_nonsense_and_two_numbers_at_once_are_refused(typed: str) -> None:
    assert refusal(typed) == ENTER_A_NUMBER


@pytest.mark.parametrize("typed", ["07700 900 XXX", "0770 090 0ABC", "+44 7700 900 XYZ"])
def test_letters_are_never_dialled_as_the_digits_on_their_keys(typed: str) -> None:
    assert refusal(typed) == ENTER_A_NUMBER


@pytest.mark.parametrize("typed", ["07700 900982 ext 3", "07700900982x3", "07700900982#12"])
def test_an_extension_is_refused_by_its_name(typed: str) -> None:
    assert refusal(typed) == "Enter the number without an extension"


@pytest.mark.parametrize("typed", ["07700 90098", "0770090098"])
def test_a_missing_digit_is_named(typed: str) -> None:
    assert refusal(typed) == "Check the number. A digit may be missing or wrong"


@pytest.mark.parametrize("character", ["7", "a", " ", "\x00", "+"])
def test_a_hundred_thousand_characters_are_refused(character: str) -> None:
    assert refusal(character * 100_000) == ENTER_A_NUMBER


@settings(max_examples=60, deadline=None)
@given(
    typed=st.text(
        alphabet=st.one_of(st.characters(), st.sampled_from("0123456789+ ()-")), max_size=45
    )
)
def test_whatever_is_typed_is_a_british_number_or_a_sentence(typed: str) -> None:
    try:
        phone = parse_phone(typed, allow_drama=True)
    except BadInput:
        return
    assert re.fullmatch(r"\+44[1-9][0-9]{8,9}", phone.e164)


def test_the_ending_of_a_number_is_three_digits() -> None:
    assert MOBILE.ending == "982"


@pytest.mark.parametrize(
    ("e164", "read"), [("+447700900982", "07700 900982"), ("+442079460958", "020 7946 0958")]
)
def test_a_number_is_shown_as_people_in_the_uk_read_it(e164: str, read: str) -> None:
    assert national(e164) == read


def test_nothing_may_be_left_behind_unless_the_caller_said_so() -> None:
    assert SafeContact() == SafeContact(may_text=False, may_leave_voicemail=False)


def test_joined_wishes_allow_only_what_each_of_them_allows() -> None:
    wishes = [SafeContact(*flags) for flags in product([False, True], repeat=2)]
    for one, other in product(wishes, wishes):
        both = one.stricter(other)
        assert both == other.stricter(one)
        assert both.may_text is (one.may_text and other.may_text)
        assert both.may_leave_voicemail is (one.may_leave_voicemail and other.may_leave_voicemail)


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), LONDON).astimezone(UTC)


def grid_of(day: date) -> list[Window]:
    return list(window_grid(start=midnight(day), end=midnight(day + timedelta(days=1)), tz=LONDON))


@pytest.mark.parametrize(("day", "hours"), CLOCK_CHANGES)
def test_the_windows_of_a_day_the_clocks_change_tile_it(day: date, hours: int) -> None:
    windows = grid_of(day)
    assert len(windows) == 12
    assert windows[0].start == midnight(day)
    assert windows[-1].end == midnight(day + timedelta(days=1))
    assert all(one.end == following.start for one, following in pairwise(windows))
    assert sum((w.end - w.start for w in windows), timedelta()) == timedelta(hours=hours)


@pytest.mark.parametrize(("day", "hours"), CLOCK_CHANGES)
def test_only_the_window_of_the_change_is_an_hour_off(day: date, hours: int) -> None:
    lengths = [(w.end - w.start) / timedelta(hours=1) for w in grid_of(day)]
    assert lengths == [2 + (hours - 24), *[2] * 11]


@pytest.mark.parametrize(("day", "hours"), CLOCK_CHANGES)
def test_every_window_starts_and_ends_on_an_even_hour_of_the_wall_clock(
    day: date, hours: int
) -> None:
    starts = [window.start.astimezone(LONDON) for window in grid_of(day)]
    assert [(at.hour, at.minute, at.fold) for at in starts] == [(h, 0, 0) for h in range(0, 24, 2)]


def moments() -> st.SearchStrategy[datetime]:
    """Instants about the changes of the clocks, and any others of two years."""
    near = st.builds(
        lambda day, minute: midnight(day) + timedelta(minutes=minute),
        st.sampled_from([day for day, _ in CLOCK_CHANGES]),
        st.integers(-2880, 2880),
    )
    first = midnight(date(2026, 1, 1))
    return st.one_of(near, st.integers(0, 17_520).map(lambda n: first + timedelta(hours=n)))


@settings(max_examples=30, deadline=None)
@given(start=moments(), length=st.timedeltas(timedelta(), timedelta(days=15)))
def test_a_grid_has_no_gap_and_no_overlap_and_starts_within_its_bounds(
    start: datetime, length: timedelta
) -> None:
    windows = list(window_grid(start=start, end=start + length, tz=LONDON))
    assert all(one.end == following.start for one, following in pairwise(windows))
    assert all(start <= window.start < start + length for window in windows)
    assert all(window.start < window.end for window in windows)


@settings(max_examples=30, deadline=None)
@given(start=moments(), cuts=st.lists(st.integers(0, 200), min_size=1, max_size=4))
def test_a_grid_that_is_cut_in_parts_has_the_same_windows(start: datetime, cuts: list[int]) -> None:
    end = start + timedelta(hours=200)
    marks = [start, *(start + timedelta(hours=cut) for cut in sorted(cuts)), end]
    parts = [w for a, b in pairwise(marks) for w in window_grid(start=a, end=b, tz=LONDON)]
    assert parts == list(window_grid(start=start, end=end, tz=LONDON))


def test_a_window_that_starts_at_the_end_of_the_span_is_not_in_it() -> None:
    day = midnight(date(2026, 11, 25))
    assert list(window_grid(start=day, end=day, tz=LONDON)) == []
    [only] = window_grid(start=day, end=day + timedelta(hours=2), tz=LONDON)
    assert only == Window(day, day + timedelta(hours=2))
