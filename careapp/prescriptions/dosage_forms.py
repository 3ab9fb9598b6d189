"""What a medicine's form suggests of its dosage: a capsule is swallowed and counted; a pure rule.

It reads the dose form at the end of an RxNorm name, or the same words in a free text.
"""

# The first whose words all occur is taken, so what is special stands first.
_FORMS = (
    (("sublingual", "tablet"), "tablet", "sublingual"),
    (("tablet",), "tablet", "oral"),
    (("capsule",), "capsule", "oral"),
    (("ophthalmic",), "drop", "eye"),
    (("otic",), "drop", "ear"),
    (("nasal", "spray"), "spray", "nasal"),
    (("nasal",), "spray", "nasal"),
    (("spray",), "spray", "sublingual"),
    (("inhaler",), "puff", "inhaled"),
    (("inhalation",), "mL", "inhaled"),
    (("transdermal",), "patch", "transdermal"),
    (("patch",), "patch", "transdermal"),
    (("suppository",), "suppository", "rectal"),
    (("rectal",), "application", "rectal"),
    (("vaginal",), "application", "vaginal"),
    (("topical",), "application", "topical"),
    (("cream",), "application", "topical"),
    (("ointment",), "application", "topical"),
    (("granules",), "sachet", "oral"),
    (("injector",), "mL", "intramuscular"),
    (("injection",), "mL", None),
    (("injectable",), "mL", None),
    (("suspension",), "mL", "oral"),
    (("solution",), "mL", "oral"),
    (("syrup",), "mL", "oral"),
)


def likely(name: str) -> tuple[str | None, str | None]:
    """The unit and route a medicine of this name is most likely dosed in; (None, None) where its name does not tell."""
    said = name.casefold()
    for words, unit, route in _FORMS:
        if all(word in said for word in words):
            return unit, route
    return None, None
