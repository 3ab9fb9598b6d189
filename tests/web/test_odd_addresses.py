"""Addresses nobody types: each is answered by a page, never by a fault."""

import pytest

from tests.web.conftest import Desk

ODD = (
    "/episodes/%00", "/patients/PTY%00", "/slots/x%00/book", "/calendar?provider=%00", "/calendar?week=9999-W99",
    "/calendar?week=0001-W01", "/episodes?care_type=%ED%A0%80", "/episodes?cursor=abc", "/episodes/%F0%9F%98%80",
)  # fmt: skip


@pytest.mark.parametrize("address", ODD)
def test_an_odd_address_is_no_fault(doctor: Desk, address: str) -> None:
    assert doctor.open("GET", address).status_code < 500
