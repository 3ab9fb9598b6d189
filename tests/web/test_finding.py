"""What somebody means who types into the one field patients are found with."""

from datetime import date

import pytest

from careapp.web.forms.finding import meant

BORN = date(1980, 2, 3)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("", {}),
        (None, {}),
        ("  Ei   Phyu ", {"name": "Ei Phyu"}),
        ("42", {"locator": "42"}),
        ("pty-2026-000042", {"locator": "PTY-2026-000042"}),
        ("pty2026000042", {"locator": "PTY-2026-000042"}),
        ("PTY 2026 000042", {"locator": "PTY-2026-000042"}),
        ("၄၂", {"locator": "42"}),
        ("၃/၂/၁၉၈၀ phyu", {"birth_date": BORN, "name": "phyu"}),
        ("၀၉ ၅၅၅ ၀၁၀၁", {"phone": "09 555 0101"}),
        ("9 000 000 220", {"phone": "9 000 000 220"}),
        ("9 000", {"name": "9 000"}),
        ("1980-02-03", {"birth_date": BORN}),
        ("3 Feb 1980", {"birth_date": BORN}),
        ("phyu 3 february 1980", {"birth_date": BORN, "name": "phyu"}),
        ("3/2/1980", {"birth_date": BORN}),
        ("03.02.1980", {"birth_date": BORN}),
        ("3-2-1980 phyu", {"birth_date": BORN, "name": "phyu"}),
        ("29/06/1966", {"birth_date": date(1966, 6, 29)}),
        ("2/29/1980", {"name": "2/29/1980"}),
        ("3/2.1980", {"name": "3/2.1980"}),
        ("09-12-345678", {"phone": "09-12-345678"}),
        ("09-1-2-3456-78", {"phone": "09-1-2-3456-78"}),
        ("1980-02-31", {"name": "1980-02-31"}),
        ("0012-01-01", {"name": "0012-01-01"}),
    ],
)
def test_what_is_meant(typed: str | None, found: dict[str, object]) -> None:
    assert meant(typed) == found
