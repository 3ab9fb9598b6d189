"""What may stand in the columns of a user that have few values."""

from careapp.config import LANGUAGES as LANGUAGES

THEMES = ("system", "light", "dark")
DENSITIES = ("normal", "dense")
