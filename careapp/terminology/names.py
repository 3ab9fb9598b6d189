"""Names of medicines: the words one is searched by, and what a name says of its ingredients; pure rules.

RxNorm writes US names. Where the international nonproprietary name (WHO INN) differs, a medicine is found by both.
"""

import re
import unicodedata

LONGEST_WORD = 60  # characters that are compared
_WORD = re.compile(r"[0-9]+(?:\.[0-9]+)?|[^\W\d_]+")
_ACCENTS = re.compile("[\u0300-\u036f]")  # of Latin, Greek and Cyrillic only: Burmese vowels are marks as well

# US adopted name -> international nonproprietary name, where the two differ.
INTERNATIONAL = {
    "acetaminophen": "paracetamol",
    "acyclovir": "aciclovir",
    "albuterol": "salbutamol",
    "cephalexin": "cefalexin",
    "cyclosporine": "ciclosporin",
    "epinephrine": "adrenaline",
    "furosemide": "frusemide",
    "glyburide": "glibenclamide",
    "meperidine": "pethidine",
    "nitroglycerin": "glyceryl",
    "rifampin": "rifampicin",
}
_US_NAME = {international: us for us, international in INTERNATIONAL.items()}

_BRAND = re.compile(r"\s*\[[^\]]*\]$")
_PACKED = re.compile(r"^[0-9.]+ (?:HR|ML|ACTUAT|UNT|MG) ", re.IGNORECASE)
_STRENGTH = re.compile(r"\s[0-9].*$")


def words(text: str) -> list[str]:
    """The words of a text, folded, each once, in order: `500mg` is two words, `Amoxicilina®` one."""
    folded = _ACCENTS.sub("", unicodedata.normalize("NFKD", text).casefold())
    return list(dict.fromkeys(word[:LONGEST_WORD] for word in _WORD.findall(folded)))


def us_words(text: str) -> list[str]:
    """The words of a text, with international names turned into those RxNorm uses."""
    return list(dict.fromkeys(_US_NAME.get(word, word) for word in words(text)))


def search_words(name: str) -> list[str]:
    """The words a medicine of this RxNorm name is found by: its own and the international ones."""
    own = words(name)
    return list(dict.fromkeys([*own, *(INTERNATIONAL[word] for word in own if word in INTERNATIONAL)]))


def ingredients_in(name: str) -> list[str]:
    """The ingredients as an RxNorm name of a clinical drug tells them: what stands before each strength.

    `24 HR metformin hydrochloride 500 MG Extended Release Oral Tablet` gives `metformin hydrochloride`. Names of packs
    (`{21 (…) / 7 (…) } Pack`) tell nothing this simple rule could read: an empty list.
    """
    if name.startswith("{"):
        return []
    parts = _BRAND.sub("", name).split(" / ")
    found = (_STRENGTH.sub("", _PACKED.sub("", part.strip())).strip() for part in parts)
    return list(dict.fromkeys(part.lower() for part in found if part))
