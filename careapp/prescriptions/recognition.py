"""Whether the safety checks know what a recorded allergy is to, and what was probably meant where they do not."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from careapp.patients.views import FactView
from careapp.prescriptions.checks import Allergy, unknown_words
from careapp.prescriptions.groups import GROUPS
from careapp.prescriptions.safety import concepts_of, ingredients_of, named_ingredients
from careapp.terminology import queries as terminology
from careapp.terminology.names import us_words
from careapp.views import View

MOST_MEANT = 3
ALIKE = 0.75  # as difflib measures it: penicilin and penicillin are 0.95, amoxcilin and amoxicillin 0.9


class Unrecognised(View):
    """What of an allergy is no medicine and no group that is known here, and known names that are spelt alike."""

    words: tuple[str, ...]
    meant: tuple[str, ...]


def unrecognised(allergies: Sequence[FactView]) -> dict[int, Unrecognised]:
    """Those of a patient's allergies that prescriptions cannot be checked against, by their ids; inside a query."""
    if not allergies:
        return {}
    concepts = concepts_of([(one.code, one.system) for one in allergies], [one.text for one in allergies])
    known = named_ingredients(concepts)
    told = {}
    for one in allergies:
        meant = ingredients_of(one.code, one.system, concepts)
        said = unknown_words(Allergy(text=one.text, code=one.code, system=one.system, ingredients=meant), known)
        if said is not None:
            told[one.id] = Unrecognised(words=tuple(said) or (one.text,), meant=tuple(_alike(said)))
    return told


def _alike(words: Iterable[str]) -> list[str]:
    """Known names that are written much like one of these words: groups, and ingredients that begin as it does."""
    groups = {name for group in GROUPS.values() for name in (*group.called, *group.members)}
    found: list[str] = []
    for word in words:
        listed = {part for name in terminology.ingredients_beginning(word[:1]) for part in us_words(name)}
        found += get_close_matches(word, sorted(groups | listed), MOST_MEANT, ALIKE)
    return list(dict.fromkeys(found))[:MOST_MEANT]
