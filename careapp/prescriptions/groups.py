"""Groups of ingredients that matter to the safety checks: who is allergic to one may be to another, and two of a group
are seldom meant together.

Membership follows the WHO ATC classification (J01C penicillins; J01DB-DE cephalosporins; J01E, and A07EC01, sulfonamide
antibacterials and sulfasalazine; M01A with N02BA01 non-steroidal anti-inflammatory medicines; N02A, R05DA04 and
N07BC02 opioids), by the names RxNorm uses; it names what is common, not everything. That a penicillin allergy asks for
care with cephalosporins, and the other way round, follows the warnings of their US labels.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    """A group: its members by ingredient, the words a recorded allergy may name it by, whether two of it together are
    a duplicate, and groups that may cross-react.
    """

    members: frozenset[str]
    called: frozenset[str]
    duplicate: bool = False
    crosses: tuple[str, ...] = ()


GROUPS = {
    "PENICILLINS": Group(
        frozenset({
            "amoxicillin", "ampicillin", "dicloxacillin", "nafcillin", "oxacillin", "penicillin g", "penicillin v",
            "piperacillin", "ticarcillin", "pivmecillinam", "flucloxacillin",
        }),
        frozenset({"penicillin", "penicillins", "aminopenicillin", "aminopenicillins"}),
        crosses=("CEPHALOSPORINS",),
    ),
    "CEPHALOSPORINS": Group(
        frozenset({
            "cefaclor", "cefadroxil", "cefazolin", "cefdinir", "cefepime", "cefixime", "cefotaxime", "cefoxitin",
            "cefpodoxime", "cefprozil", "ceftazidime", "ceftriaxone", "cefuroxime", "cephalexin",
        }),
        frozenset({"cephalosporin", "cephalosporins"}),
        crosses=("PENICILLINS",),
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
    "animal", "apple", "bee", "cat", "cockroach", "dairy", "dander", "dog", "dust", "egg", "eggs", "fish", "food",
    "gluten", "grass", "horse", "kiwi", "latex", "lupin", "milk", "mite", "mold", "mould", "mustard", "nickel", "nut",
    "nuts", "peanut", "peanuts", "pollen", "seafood", "sesame", "shellfish", "soy", "soya", "strawberry", "tomato",
    "tree", "venom", "walnut", "wasp", "weed", "wheat",
})  # fmt: skip


def groups_of(ingredient: str) -> set[str]:
    """The groups an ingredient belongs to, by its name; a salt counts as its base ("naproxen sodium")."""
    name = ingredient.lower()
    return {key for key, group in GROUPS.items() if any(_is(name, member) for member in group.members)}


def _is(name: str, member: str) -> bool:
    return name == member or name.startswith(f"{member} ")
