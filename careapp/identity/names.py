"""What members of staff, programs and passkeys are called."""

from careapp.errors import Invalid, Sentence

LONGEST_NAME = 200  # characters


def checked_name(name: str, *, longest: int = LONGEST_NAME) -> str:
    """The name to store, without blanks around it. Raises Invalid for none and for one that is too long."""
    name = name.strip()
    if not name or len(name) > longest:
        raise Invalid({"name": Sentence("Enter a name of at most %(most)s characters.", most=longest)})
    return name
