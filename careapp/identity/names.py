"""What members of staff, programs and passkeys are called."""

from careapp.errors import Invalid

LONGEST_NAME = 200  # characters


def checked_name(name: str, *, longest: int = LONGEST_NAME) -> str:
    """The name to store, without blanks around it. Raises Invalid for none and for one that is too long."""
    name = name.strip()
    if not name or len(name) > longest:
        raise Invalid({"name": f"Enter a name of at most {longest} characters."})
    return name
