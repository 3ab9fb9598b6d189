"""Addresses nobody types: each is answered by a page, never by a fault."""

from collections.abc import Callable

import pytest

from careapp.access import Role
from tests.web.conftest import Desk

ODD = (
    "/episodes/%00", "/patients/PTY%00", "/slots/x%00/book", "/calendar?provider=%00", "/calendar?week=9999-W99",
    "/calendar?week=0001-W01", "/episodes?care_type=%ED%A0%80", "/episodes?cursor=abc", "/episodes/%F0%9F%98%80",
)  # fmt: skip

TOO_LARGE = "9" * 30  # for any row


@pytest.mark.parametrize("address", ODD)
def test_an_odd_address_is_no_fault(doctor: Desk, address: str) -> None:
    assert doctor.open("GET", address).status_code < 500


@pytest.mark.parametrize("address", [f"/admin/users/{TOO_LARGE}", f"/drafts/{TOO_LARGE}"])
def test_a_number_no_row_can_have_is_not_found(desk: Callable[..., Desk], address: str) -> None:
    assert desk(Role.ADMIN).open("GET", address).status_code == 404


@pytest.mark.parametrize("day", ["20261120", "2026-W47-5", "2026-02-30", "0001-01-01"])
def test_every_page_reads_a_day_in_the_same_way(front: Desk, day: str) -> None:
    statuses = [front.open("GET", f"/{page}?day={day}").status_code for page in ("today", "calendar", "next-free")]
    assert statuses == [422, 422, 422]
