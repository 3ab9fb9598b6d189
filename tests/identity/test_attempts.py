"""The waits after failed sign-ins, as pure decisions."""

from datetime import UTC, datetime, timedelta

import pytest

from careapp.identity.attempts import (
    Count,
    after_address_failure,
    after_email_failure,
    network_of,
    seconds_left,
)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_an_email_address_waits_longer_after_each_failure_and_never_for_ever() -> None:
    count, now, waits = Count(0, NOON), NOON, []
    for _ in range(30):
        count = after_email_failure(count, now)
        waits.append(seconds_left(count, now))
        now = max(now, count.blocked_until or now)
    assert waits[:4] == [0, 0, 0, 0]
    assert waits[4:14] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
    assert set(waits[14:]) == {900}


def test_failures_are_forgotten_after_a_quiet_hour() -> None:
    many = Count(12, NOON, NOON + timedelta(minutes=2))
    after = after_email_failure(many, NOON + timedelta(hours=1, minutes=3))
    assert (after.failures, after.blocked_until) == (1, None)
    few = after_email_failure(Count(4, NOON), NOON + timedelta(hours=2))
    assert (few.failures, few.blocked_until) == (1, None)


def test_a_network_address_waits_for_the_end_of_the_minute_after_twenty_failures() -> None:
    count = Count(0, NOON)
    for second in range(19):
        count = after_address_failure(count, NOON + timedelta(seconds=second))
        assert count.blocked_until is None
    count = after_address_failure(count, NOON + timedelta(seconds=19))
    assert seconds_left(count, NOON + timedelta(seconds=19)) == 41
    assert seconds_left(count, NOON + timedelta(seconds=60)) == 0
    assert after_address_failure(count, NOON + timedelta(seconds=60)).failures == 1


@pytest.mark.parametrize(
    ("address", "counted_as"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("unknown", "unknown"),
    ],
)
def test_an_ipv6_address_counts_by_its_network(address: str, counted_as: str) -> None:
    assert network_of(address) == counted_as
