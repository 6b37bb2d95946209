import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edgekit.wording.units import parse_bytes, parse_seconds


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0B", 0),
        ("30MB", 30_000_000),
        ("1.5GB", 1_500_000_000),
        ("1.5 gib", 1_610_612_736),
        (" 2KiB ", 2048),
        ("2kb", 2000),
        ("1TB", 10**12),
        ("0.1B", 0),
        ("0.0000005MB", 1),
        ("999999999999999B", 999_999_999_999_999),
    ],
)
def test_a_size_is_read_as_people_write_it(text, count):
    assert parse_bytes(text) == count


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("20ms", 0.02), ("1.5s", 1.5), ("90 S", 90.0), ("10min", 600.0), ("2h", 7200.0),
     ("250us", 0.00025), ("250µs", 0.00025), ("250μs", 0.00025), ("1d", 86400.0)],
)  # fmt: skip
def test_a_duration_is_read_as_people_write_it(text, seconds):
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "30", "MB", "-1MB", "1,5GB", "1e9B", "1 5GB", "20ms", "3m", "٣MB", "1.GB", "nanB"]
)
def test_what_is_no_size_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match=r"is not a size such as 30MB"):
        parse_bytes(text)


@pytest.mark.parametrize("text", ["", "20", "20m", "20MB", "1:30", "1h30min"])
def test_what_is_no_duration_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match=r"is not a duration such as 20ms"):
        parse_seconds(text)


@given(st.integers(0, 10**15 - 1), st.sampled_from(["B", "kB", "MB", "GB", "KiB", "MiB", "GiB"]))
def test_whole_numbers_are_exact(count, unit):
    """Decimal arithmetic: no size is off by one, however large."""
    factor = parse_bytes(f"1{unit}")
    assert parse_bytes(f"{count}{unit}") == count * factor


@given(st.text(max_size=12))
def test_any_other_text_is_refused_with_a_sentence(text):
    assume(not re.fullmatch(r"\s*[0-9.]+ ?[kmgti]*b\s*", text, re.IGNORECASE))
    with pytest.raises(ValueError, match="size such as"):
        parse_bytes(text)
