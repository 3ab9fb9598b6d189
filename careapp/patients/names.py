"""Names: how a name is folded into the words it is searched by; a pure rule."""

import re
import unicodedata

# Only the combining marks of Latin, Greek and Cyrillic go: removing every mark would destroy Burmese vowels.
_ACCENTS = re.compile("[\u0300-\u036f]")
# Letters with a stroke, or without a dot, which Unicode does not take apart: Đặng is found as Dang, Søren as Soren.
_STROKES = str.maketrans("đøłı", "doli")
LONGEST_WORD = 60  # characters that are compared; a key of an index has room for no more than 2,700 bytes
_WITHIN = re.compile(r"[.'’`\-–]+")  # signs that stand between the parts of what is one word as well
_BETWEEN_WORDS = re.compile(r"[\s,.;'’`\-–/()]+")


def fold(text: str) -> str:
    """A text as it is compared: lower case, accents removed, compatibility forms unified (NFKD)."""
    return _ACCENTS.sub("", unicodedata.normalize("NFKD", text).casefold()).translate(_STROKES)


def words(text: str) -> list[str]:
    """The folded words of a name, each once, in order."""
    return list(dict.fromkeys(word[:LONGEST_WORD] for word in _BETWEEN_WORDS.split(fold(text)) if word))


def words_to_find(text: str) -> list[str]:
    """The words a name is found by: its words, and those written in parts as one as well: O'Brien also as obrien."""
    whole = [_WITHIN.sub("", word) for word in fold(text).split() if _WITHIN.search(word)]
    return list(dict.fromkeys((*words(text), *(one for word in whole for one in words(word)))))
