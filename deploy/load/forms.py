"""Forms of a page, as a browser without scripts would send them."""

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Form:
    """One form: where it goes, and what stands in it, hidden fields and chosen options included."""

    method: str
    action: str
    values: dict[str, str] = field(default_factory=dict)


class _Reader(HTMLParser):
    def __init__(self, of_class: str) -> None:
        super().__init__()
        self._of_class = of_class
        self.forms: list[Form] = []
        self.links: list[str] = []
        self._inside = False
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a":
            if not self._of_class or self._of_class in given.get("class", "").split():
                self.links.append(given.get("href", ""))
        elif tag == "form":
            self.forms.append(Form(given.get("method", "get").lower(), given.get("action", "")))
            self._inside = True
        elif not self._inside:
            return
        elif tag == "select":
            self._select = given.get("name", "")
        elif tag == "option" and self._select:
            if "selected" in given or self._select not in self.forms[-1].values:
                self.forms[-1].values[self._select] = given.get("value", "")
        elif tag in ("input", "textarea") and given.get("name") and sent(given):
            self.forms[-1].values[given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        elif tag == "select":
            self._select = ""


def sent(given: dict[str, str]) -> bool:
    """Whether a field is sent as it stands."""
    return given.get("type") not in ("checkbox", "radio") or "checked" in given


def read(page: str, of_class: str = "") -> tuple[list[Form], list[str]]:
    """The forms of a page and the addresses of its links, of those of a class where one is named."""
    reader = _Reader(of_class)
    reader.feed(page)
    return reader.forms, reader.links
