"""What a member of staff prefers: language, colours, density and keys."""

from careapp import clock
from careapp.errors import Sentence
from careapp.web.language import in_words_of_reader
from tests.web.conftest import Desk

PAGE = "/preferences"


def test_a_page_looks_as_its_reader_likes(front: Desk) -> None:
    plain = front.get(PAGE).text
    assert '<html lang="en" data-density="normal">' in plain
    assert "data-keys" in plain
    answer = front.fill(PAGE, theme="dark", density="dense", language="en")
    assert (answer.status_code, answer.location) == (303, PAGE)
    assert '<html lang="en" data-bs-theme="dark" data-density="dense">' in front.get(PAGE).text


def test_keys_can_be_switched_off(front: Desk) -> None:
    form = front.forms(PAGE)[PAGE]
    form.values.pop("shortcuts", None)
    assert front.send(form, theme="system", density="normal", language="").status_code == 303
    assert " data-keys" not in front.get(PAGE).text


def test_a_code_of_nobodys_is_refused(front: Desk) -> None:
    form = front.forms(PAGE)[PAGE]
    answer = front.open("POST", PAGE, data={**form.values, "theme": "sepia", "density": "normal", "language": ""})
    assert answer.status_code == 422


def test_everybody_signed_in_has_preferences(doctor: Desk) -> None:
    assert doctor.get(PAGE).status_code == 200


def test_what_a_check_says_of_a_field_is_in_the_language_of_its_page(front: Desk) -> None:
    front.fill(PAGE, theme="system", density="normal", language="my")
    unborn = front.fill("/patients/new", given="Hla", family="Win", birth_date=f"2 Jan {clock.now().year + 1}")
    assert unborn.status_code == 422
    assert unborn.text.count("မွေးနေ့သည် အနာဂတ်တွင် ဖြစ်နေပါသည်။") == 2, "beside the field, and in the summary"
    assert "lies in the future" not in unborn.text


def test_a_sentence_of_the_domain_keeps_its_values_in_another_language(front: Desk) -> None:
    short = Sentence("Use at least %(least)s characters; several words are fine.", least=15)
    assert short == "Use at least 15 characters; several words are fine."
    with front.app.test_request_context(headers={"Accept-Language": "my"}):
        assert in_words_of_reader(short).startswith("စာလုံး အနည်းဆုံး 15 လုံး သုံးပါ။")
        assert in_words_of_reader("said by a browser") == "said by a browser"


def test_a_browser_says_which_language_until_somebody_chooses(front: Desk) -> None:
    answer = front.open("GET", PAGE, headers={"Accept-Language": "my"})
    assert '<html lang="my"' in answer.text
    front.fill(PAGE, theme="system", density="normal", language="en")
    answer = front.open("GET", PAGE, headers={"Accept-Language": "my"})
    assert '<html lang="en"' in answer.text
