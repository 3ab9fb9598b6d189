"""Organization → clinic."""

from dataclasses import dataclass

from careapp.imports.reading import LONGEST_NAME, Resource, text
from careapp.imports.report import Note, Unusable


@dataclass(frozen=True)
class ClinicRecord:
    """A clinic as another system knows it; its time zone is not told there."""

    name: str
    remarks: tuple[Note, ...] = ()


def read(resource: Resource) -> ClinicRecord:
    """The clinic an Organization describes."""
    name = text(resource, "name", longest=LONGEST_NAME)
    if name is None:
        raise Unusable("NAME", "", "A clinic needs a name.")
    return ClinicRecord(name)
