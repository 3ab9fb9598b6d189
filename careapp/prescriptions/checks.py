"""Safety checks of a prescription: a recorded allergy to what is in it, the same therapy twice, and amounts that look
like a slip of the finger; pure rules.

What they find interrupts once; what they could not check is said as loudly. They are no database of interactions:
docs/adr/0007 says what they do and do not.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256

from careapp.prescriptions.dosage import Dosage, plain
from careapp.prescriptions.dosage_codes import UNITS
from careapp.prescriptions.groups import (
    AROUND,
    GROUPS,
    NOT_MEDICINES,
    SNOMED_GROUPS,
    SNOMED_INGREDIENTS,
    groups_of,
    is_form_of,
)
from careapp.terminology.names import us_words
from careapp.terminology.views import RXNORM, Substance
from careapp.views import View

ALLERGY, DUPLICATE = "ALLERGY", "DUPLICATE"
SAME, GROUP, RELATED = "SAME_INGREDIENT", "SAME_GROUP", "RELATED_GROUP"
NO_LIST, NOT_CODED, UNKNOWN_CODE, NO_INGREDIENTS = "NO_LIST", "NOT_CODED", "UNKNOWN_CODE", "NO_INGREDIENTS"
UNCLEAR_ALLERGY, UNCLEAR_EARLIER = "UNCLEAR_ALLERGY", "UNCLEAR_EARLIER"
SNOMED = "http://snomed.info/sct"

DOSE, QUANTITY = "DOSE", "QUANTITY"
# No medical limits: hardly anybody is told to take more than 20 tablets at once, or handed out more than 1,000 of
# anything, but a zero too many is quickly typed. Rarely asked, the question is read.
MOST_PIECES_AT_ONCE = 20
MOST_HANDED_OUT = 1_000

CLEAR, WARNED, NOT_CHECKED = "CLEAR", "WARNED", "NOT_CHECKED"


class Ordered(View):
    """A medicine as it was or will be ordered. `ingredients` is None where the list does not know its code."""

    text: str
    code: str | None = None
    system: str | None = None
    ingredients: Sequence[Substance] | None = None


class Allergy(View):
    """An allergy on record; `ingredients` what its RxNorm code means, None without such a code in the list."""

    text: str
    code: str | None = None
    system: str | None = None
    ingredients: Sequence[Substance] | None = None


class Earlier(View):
    """A prescription the patient still takes, or may still collect."""

    locator: str
    medicine: Ordered
    issued_at: datetime


class Finding(View):
    """Something found. `against` is the allergy's words, or the earlier medicine, whose prescription `locator` names;
    `substance` the ingredient of the new medicine, `group` what both belong to."""

    kind: str
    how: str
    substance: str
    against: str
    locator: str | None = None
    group: str | None = None


class Slip(View):
    """An amount so large that a finger may have slipped: `what` is DOSE (in pieces) or QUANTITY."""

    what: str
    amount: str
    limit: int


class Gap(View):
    """Something that could not be checked, and about what. `known` where the same was acknowledged in this episode
    before: then it is said again, and nobody is asked again."""

    why: str
    about: str | None = None
    locator: str | None = None
    known: bool = False

    @property
    def same(self) -> tuple[str, str | None, str | None]:
        """What makes it the same gap as another."""
        return self.why, self.about, self.locator


class Checks(View):
    """What the checks say: findings, amounts that may be slips, and gaps in what they could look at. `acknowledged`
    says of a prescription that was issued that somebody had read this and went on."""

    findings: tuple[Finding, ...] = ()
    slips: tuple[Slip, ...] = ()
    gaps: tuple[Gap, ...] = ()
    acknowledged: bool = False

    @property
    def asks(self) -> bool:
        """Whether a person is asked for a reason before it is issued."""
        return bool(self.findings or self.slips)

    @property
    def asks_to_look(self) -> bool:
        """Whether a person is asked to look himself, for what nobody here could: once for each gap in an episode. So an
        allergy to something that is no medicine and has no name here asks once, and latex or nuts never do."""
        return any(not gap.known for gap in self.gaps)

    @property
    def state(self) -> str:
        """WARNED where something was found, else NOT_CHECKED where something could not be looked at, else CLEAR."""
        return WARNED if self.asks else NOT_CHECKED if self.gaps else CLEAR

    @property
    def key(self) -> str:
        """What names exactly this: an override is for what was read, not for what came after."""
        asked = (one for one in self.gaps if not one.known)
        said = sorted(one.model_dump_json() for one in (*self.findings, *self.slips, *asked))
        return sha256("\n".join(said).encode()).hexdigest()[:32] if said else ""


def check(
    medicine: Ordered, allergies: Iterable[Allergy], earlier: Iterable[Earlier], known: Sequence[Substance],
    *, list_loaded: bool = True, parts: Dosage | None = None, quantity: int | None = None,
) -> Checks:  # fmt: skip
    """Look for allergies, duplicates and slips. `known` are ingredients of the list that the texts may name: where
    something has no code, its words are compared with them.
    """
    gaps = [*_gaps_of(medicine, list_loaded)]
    new = contents(medicine.text, medicine.ingredients, known)
    findings: list[Finding] = []
    for allergy in allergies:
        found, clear = _against_allergy(medicine.text, new, allergy, known)
        findings += found
        if not found and not clear:
            gaps.append(Gap(why=UNCLEAR_ALLERGY, about=allergy.text))
    for one in earlier:
        old = contents(one.medicine.text, one.medicine.ingredients, known)
        duplicate = _duplicate(medicine, new, one, old)
        findings += duplicate
        if not duplicate and not old:
            gaps.append(Gap(why=UNCLEAR_EARLIER, about=one.medicine.text, locator=one.locator))
    return Checks(findings=tuple(_once(findings)), slips=slips_in(parts, quantity), gaps=tuple(gaps))


def slips_in(parts: Dosage | None, quantity: int | None) -> tuple[Slip, ...]:
    """The amounts that may be slips of the finger. A dose is only known of a dosage in parts, not of one in somebody's
    own words."""
    slips = []
    if parts and UNITS[parts.unit].is_piece and parts.dose > MOST_PIECES_AT_ONCE:
        slips.append(Slip(what=DOSE, amount=plain(parts.dose), limit=MOST_PIECES_AT_ONCE))
    if quantity is not None and quantity > MOST_HANDED_OUT:
        slips.append(Slip(what=QUANTITY, amount=str(quantity), limit=MOST_HANDED_OUT))
    return tuple(slips)


def unknown_words(allergy: Allergy, known: Sequence[Substance]) -> list[str] | None:
    """What of an allergy nobody here knows, word by word; None where it is clear what the whole of it is to."""
    if _against_allergy("", (), allergy, known)[1]:
        return None
    return _unplaced(allergy.text, _allergy_means(allergy, known)[0])


def contents(text: str, ingredients: Sequence[Substance] | None, known: Sequence[Substance]) -> list[Substance]:
    """What is in a medicine: by its code, else by the ingredients whose every word its text has."""
    return list(ingredients) if ingredients else named_in(text, known)


def named_in(text: str, known: Iterable[Substance]) -> list[Substance]:
    """The known ingredients that a text names, all words of each, and the words that belong to a group by themselves,
    such as flucloxacillin where the list does not have it."""
    said = us_words(text)
    named = [one for one in known if (needed := set(us_words(one.name))) and needed <= set(said)]
    told = _words_of(named)
    return [*named, *(Substance(name=word) for word in said if word not in told and groups_of(word))]


def _words_of(substances: Iterable[Substance]) -> set[str]:
    return {word for one in substances for word in us_words(one.name)}


def _gaps_of(medicine: Ordered, list_loaded: bool) -> list[Gap]:
    """What keeps the medicine itself from being checked by its ingredients."""
    if not list_loaded:
        return [Gap(why=NO_LIST)]
    if medicine.code is None:
        return [Gap(why=NOT_CODED, about=medicine.text)]
    if medicine.ingredients is None:
        return [Gap(why=UNKNOWN_CODE, about=medicine.code)]
    return [] if medicine.ingredients else [Gap(why=NO_INGREDIENTS, about=medicine.text)]


def _against_allergy(
    text: str, new: Sequence[Substance], allergy: Allergy, known: Sequence[Substance]
) -> tuple[list[Finding], bool]:
    """What an allergy has against the medicine, and whether it was clear what the whole of the allergy is to."""
    substances, groups = _allergy_means(allergy, [*known, *new])
    findings = []
    for one in new:
        same = next((other for other in substances if _same(one, other)), None)
        group, how = _shared(groups_of(one.name), groups)
        if same:
            findings.append(Finding(kind=ALLERGY, how=SAME, substance=one.name, against=allergy.text))
        elif group:
            findings.append(Finding(kind=ALLERGY, how=how, substance=one.name, against=allergy.text, group=group))
    unplaced = [] if _is_placed_by_code(allergy) else _unplaced(allergy.text, substances)
    if unplaced and not findings and set(unplaced) <= set(us_words(text)):  # a brand, or what the list does not have
        findings.append(Finding(kind=ALLERGY, how=SAME, substance=" ".join(unplaced), against=allergy.text))
    harmless = bool(NOT_MEDICINES & set(us_words(allergy.text)))
    return findings, bool(substances or groups or harmless) and not unplaced


def _is_placed_by_code(allergy: Allergy) -> bool:
    """Whether the allergy's code alone says what it is to, whatever else was written."""
    by_snomed = allergy.code in SNOMED_INGREDIENTS or allergy.code in SNOMED_GROUPS
    return bool(allergy.ingredients) or (allergy.system == SNOMED and by_snomed)


def _unplaced(text: str, substances: Iterable[Substance]) -> list[str]:
    """The words of an allergy that may be something nobody here knows: one known word beside them does not place
    them ("penicillin and Bactrim")."""
    groups = frozenset().union(*(group.called for group in GROUPS.values()))
    placed = NOT_MEDICINES | AROUND | groups | _words_of(substances)
    return [word for word in us_words(text) if word not in placed and not word[0].isdigit()]


def _allergy_means(allergy: Allergy, known: Sequence[Substance]) -> tuple[list[Substance], set[str]]:
    """The ingredients and groups an allergy is to: by its code, and by its words."""
    said = set(us_words(allergy.text))
    substances = [*(allergy.ingredients or ()), *named_in(allergy.text, known)]
    groups = {key for key, group in GROUPS.items() if group.called & said}
    if allergy.system == SNOMED and allergy.code in SNOMED_INGREDIENTS:
        substances.append(Substance(name=SNOMED_INGREDIENTS[allergy.code]))
    if allergy.system == SNOMED and allergy.code in SNOMED_GROUPS:
        groups.add(SNOMED_GROUPS[allergy.code])
    for one in substances:
        groups |= groups_of(one.name)
    return substances, groups


def _shared(mine: set[str], theirs: set[str]) -> tuple[str | None, str]:
    """The group both have, or one of mine that may cross-react with one of theirs; and which of the two it is."""
    both = sorted(mine & theirs)
    if both:
        return both[0], GROUP
    crossing = sorted(key for key in mine if set(GROUPS[key].crosses) & theirs)
    return (crossing[0], RELATED) if crossing else (None, "")


def _duplicate(
    medicine: Ordered, new: Sequence[Substance], earlier: Earlier, old: Sequence[Substance]
) -> list[Finding]:
    """What of the new medicine the patient has already: the same code, ingredient, or a group not meant twice."""
    told = {"kind": DUPLICATE, "against": earlier.medicine.text, "locator": earlier.locator}
    for one in new:
        if any(_same(one, other) for other in old):
            return [Finding(how=SAME, substance=one.name, **told)]
    if _same_order(medicine, earlier.medicine):
        return [Finding(how=SAME, substance=medicine.text, **told)]
    for one in new:
        theirs = set().union(*(groups_of(other.name) for other in old))
        twice = sorted(key for key in groups_of(one.name) & theirs if GROUPS[key].duplicate)
        if twice:
            return [Finding(how=GROUP, substance=one.name, group=twice[0], **told)]
    return []


def _same_order(one: Ordered, other: Ordered) -> bool:
    """Whether both orders are for the very same medicine: by code in one system, else by their words."""
    if one.code and other.code:
        return (one.code, one.system or RXNORM) == (other.code, other.system or RXNORM)
    return set(us_words(one.text)) == set(us_words(other.text))


def _same(one: Substance, other: Substance) -> bool:
    """Whether two ingredients are one: by code, or by name, where a salt or form counts as its base."""
    by_code = one.code is not None and one.code == other.code
    return by_code or is_form_of(one.name, other.name) or is_form_of(other.name, one.name)


def _once(findings: Iterable[Finding]) -> list[Finding]:
    return list(dict.fromkeys(findings))
