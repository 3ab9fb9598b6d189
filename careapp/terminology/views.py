"""What a coded medicine looks like from outside."""

from collections.abc import Sequence

from careapp.views import View

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"


class Substance(View):
    """An ingredient; `code` is its RxCUI, None where only its name is known."""

    code: str | None = None
    name: str


class MedicineView(View):
    """One medicine of the coded list (RxNorm). Its ingredients are none where the list does not tell."""

    code: str
    name: str
    term_type: str
    ingredients: Sequence[Substance]
    active: bool = True
    system: str = RXNORM


class Found(View):
    """What a search gave; `more` says that the list holds further matches."""

    medicines: Sequence[MedicineView]
    more: bool = False


class ListInUse(View):
    """The code list that is loaded: where it came from, and how many medicines it offers."""

    source: str
    entries: int
