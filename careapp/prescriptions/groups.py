"""Groups of ingredients that matter to the safety checks: who is allergic to one may be to another, and two of a group
are seldom meant together.

Membership follows the WHO ATC classification (J01C penicillins; J01DB-DE cephalosporins; J01E, and A07EC01, sulfonamide
antibacterials and sulfasalazine; M01A with N02BA01 non-steroidal anti-inflammatory medicines; N02A, R05DA04 and
N07BC02 opioids), by the names RxNorm uses; it names what is common, not everything. Penicillins and cephalosporins are
told by the stems of their names as well (WHO, The use of stems in the selection of INN: -cillin, cef-), so that one
that is not named here is not missed. That a penicillin allergy asks for care with cephalosporins, and the other way
round, follows the warnings of their US labels.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    """A group: its members by ingredient, the words a recorded allergy may name it by, whether two of it together are
    a duplicate, groups that may cross-react, and the stem of its members' names (a regular expression for one word).
    """

    members: frozenset[str]
    called: frozenset[str]
    duplicate: bool = False
    crosses: tuple[str, ...] = ()
    stem: str | None = None


GROUPS = {
    "PENICILLINS": Group(
        frozenset({
            "amoxicillin", "ampicillin", "dicloxacillin", "nafcillin", "oxacillin", "penicillin g", "penicillin v",
            "piperacillin", "ticarcillin", "pivmecillinam", "flucloxacillin",
        }),
        frozenset({"penicillin", "penicillins", "aminopenicillin", "aminopenicillins"}),
        crosses=("CEPHALOSPORINS",),
        stem=r"[a-z]+cillins?",
    ),
    "CEPHALOSPORINS": Group(
        frozenset({
            "cefaclor", "cefadroxil", "cefazolin", "cefdinir", "cefepime", "cefixime", "cefotaxime", "cefoxitin",
            "cefpodoxime", "cefprozil", "ceftazidime", "ceftriaxone", "cefuroxime", "cephalexin",
        }),
        frozenset({"cephalosporin", "cephalosporins"}),
        crosses=("PENICILLINS",),
        stem=r"(cef|ceph)[a-z]+",
    ),
    "SULFONAMIDES": Group(
        frozenset({"sulfacetamide", "sulfadiazine", "sulfamethoxazole", "sulfasalazine", "sulfisoxazole"}),
        frozenset({"sulfonamide", "sulfonamides", "sulphonamide", "sulphonamides", "sulfa", "sulpha"}),
    ),
    "NSAIDS": Group(
        frozenset({
            "aspirin", "celecoxib", "diclofenac", "etodolac", "flurbiprofen", "ibuprofen", "indomethacin", "ketoprofen",
            "ketorolac", "mefenamic acid", "meloxicam", "nabumetone", "naproxen", "piroxicam", "sulindac",
        }),
        frozenset({"nsaid", "nsaids", "nonsteroidal", "salicylate", "salicylates"}),
        duplicate=True,
    ),
    "OPIOIDS": Group(
        frozenset({
            "buprenorphine", "codeine", "fentanyl", "hydrocodone", "hydromorphone", "meperidine", "methadone",
            "morphine", "oxycodone", "oxymorphone", "tapentadol", "tramadol",
        }),
        frozenset({"opioid", "opioids", "opiate", "opiates"}),
        duplicate=True,
    ),
}  # fmt: skip

# SNOMED CT findings and substances that name a group or an ingredient.
SNOMED_GROUPS = {"91936005": "PENICILLINS", "764146007": "PENICILLINS", "91939003": "SULFONAMIDES"}
SNOMED_INGREDIENTS = {
    "91931000": "erythromycin", "293586001": "aspirin", "387458008": "aspirin", "387207008": "ibuprofen",
    "372687004": "amoxicillin", "372725003": "penicillin v",
}  # fmt: skip

# Allergies that no medicine of the list can touch; without these words each prescription of somebody allergic to nuts
# would say that the check could not run.
NOT_MEDICINES = frozenset({
    "animal", "apple", "bean", "bee", "cat", "cockroach", "cow", "dairy", "dander", "dog", "dust", "edible", "egg",
    "eggs", "feather", "feathers", "fish", "food", "foods", "fruit", "fur", "gluten", "grass", "hair", "horse", "house",
    "kiwi", "latex", "lupin", "milk", "mite", "mites", "mold", "mould", "mustard", "nickel", "nut", "nuts", "peanut",
    "peanuts", "pollen", "prawn", "prawns", "seafood", "sesame", "shellfish", "shrimp", "soy", "soya", "strawberry",
    "tomato", "tree", "venom", "walnut", "wasp", "weed", "wheat",
})  # fmt: skip

# Words around what an allergy is to. Any other word may be a medicine nobody here knows: then the check says so.
AROUND = frozenset({
    "a", "after", "ago", "all", "allergen", "allergic", "allergies", "allergy", "an", "anaphylactic", "anaphylaxis",
    "and", "angioedema", "any", "as", "at", "bad", "by", "caused", "causes", "child", "childhood", "class",
    "confirmed", "containing", "diarrhea", "diarrhoea", "disorder", "dizziness", "drug", "drugs", "due", "during",
    "edema", "face", "facial", "finding", "for", "from", "gave", "gets", "gives", "group", "had", "has", "hives",
    "hypersensitivity", "in", "intolerance", "intolerant", "is", "itch", "itching", "itchy", "lips", "medication",
    "medications", "medicine", "medicines", "mild", "moderate", "nausea", "oedema", "of", "on", "or", "organism",
    "possible", "product", "products", "propensity", "rash", "rashes", "reaction", "reactions", "reported", "s",
    "sensitivity", "severe", "shock", "since", "skin", "stomach", "substance", "suspected", "swelling", "swollen",
    "the", "to", "type", "upset", "urticaria", "vomiting", "when", "wheeze", "wheezing", "with", "year", "years",
})  # fmt: skip


def groups_of(ingredient: str) -> set[str]:
    """The groups an ingredient belongs to, by its name, of which a salt counts as its base, or by a stem in it."""
    words = re.findall("[a-z]+", ingredient.lower())
    return {
        key
        for key, group in GROUPS.items()
        if any(is_form_of(ingredient, member) for member in group.members)
        or (group.stem and any(re.fullmatch(group.stem, word) for word in words))
    }


def is_form_of(ingredient: str, base: str) -> bool:
    """Whether an ingredient is another, or a salt or form of it: naproxen sodium; nitrofurantoin, macrocrystals."""
    name, base = ingredient.lower(), base.lower()
    return name.startswith(base) and not name[len(base) : len(base) + 1].isalnum()
