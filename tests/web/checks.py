"""What every page must hold to, whatever it shows; and forms read from a page the way a browser sends them."""

from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element

import html5lib

from careapp import clock

UNLABELLED = {"hidden", "submit", "button"}


def parsed(html: str, *, fragment: bool = False) -> Element:
    """The document or fragment as a tree; fails on the first error a strict HTML parser finds."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    return parser.parseFragment(html) if fragment else parser.parse(html)


def years_since(year: int, month: int, day: int) -> int:
    """How old somebody born on that day is today in Yangon, the zone of the tests' tenants."""
    today = clock.local(clock.now(), "Asia/Yangon")
    return today.year - year - ((today.month, today.day) < (month, day))


def check(tree: Element, *, page: bool = True) -> None:
    """Unique ids, one h1, a label for each control, a token in each form that posts, no inline style or script."""
    everything = list(tree.iter())
    ids = [one.get("id") for one in everything if one.get("id")]
    assert len(ids) == len(set(ids)), f"ids twice: {sorted({one for one in ids if ids.count(one) > 1})}"
    labelled = {one.get("for") for one in everything if one.tag == "label"}
    for one in everything:
        assert one.get("style") is None
        assert not [name for name in one.keys() if name.startswith(("on", "hx-on"))]  # noqa: SIM118
        if one.tag in {"input", "select", "textarea"} and one.get("type") not in UNLABELLED:
            assert one.get("id") in labelled or one.get("aria-label"), f"no label: {one.attrib}"
        if one.tag == "form" and one.get("method") == "post":
            assert [item for item in one.iter("input") if item.get("name") == "csrf_token"], f"no token: {one.attrib}"
            assert one.get("hx-post") in (None, one.get("action"))
        if one.tag == "script":
            assert one.get("src", "").startswith("/static/")
            assert not one.text
        for name in ("aria-labelledby", "aria-describedby"):
            assert set((one.get(name) or "").split()) <= set(ids), f"{name} of {one.attrib}"
    if page:
        assert len([one for one in everything if one.tag == "h1"]) == 1
        assert not [one for one in everything if one.tag == "style"]


@dataclass
class Form:
    """A form as the page has it: where it goes, and what it would send untouched; of ticked boxes a list."""

    action: str
    values: dict[str, Any] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)


def forms_of(tree: Element) -> list[Form]:
    """All forms that post."""
    return [_form(one) for one in tree.iter("form") if one.get("method") == "post"]


def _form(element: Element) -> Form:
    form = Form(element.get("action") or "")
    for one in element.iter():
        name: Any = one.get("name")
        if one.tag == "input" and name and one.get("type") == "radio":
            form.choices.setdefault(name, []).append(one.get("value") or "")
            if one.get("checked") is not None:
                form.values[name] = one.get("value") or ""
        elif one.tag == "input" and name and one.get("type") == "checkbox":
            form.choices.setdefault(name, []).append(one.get("value") or "on")
            if one.get("checked") is not None:
                form.values.setdefault(name, []).append(one.get("value") or "on")
        elif one.tag == "input" and name:
            form.values[name] = one.get("value") or ""
        elif one.tag == "textarea" and name:
            form.values[name] = (one.text or "").removeprefix("\n")
        elif one.tag == "select" and name:
            options = list(one.iter("option"))
            chosen = [option for option in options if option.get("selected") is not None] or options[:1]
            form.choices[name] = [option.get("value") or "" for option in options]
            form.values[name] = (chosen[0].get("value") or "") if chosen else ""
    return form
