"""careapp: one clinic application in which a care team runs whole episodes of care."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apiflask import APIFlask


def create_app(**settings: object) -> "APIFlask":
    """The application with the settings of the environment; keyword arguments override single settings."""
    from careapp.wiring import build  # here, so that small programs such as the database's guard start without Flask

    return build(**settings)
