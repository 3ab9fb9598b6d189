"""The hands of somebody without a mouse, who must see where the focus is."""

import pytest
from playwright.sync_api import Locator, Page, expect

MOST_TABS = 60
# Outlined or ringed, inside the window, and not covered by anything: a bar that stays in place, a notice.
SEEN = """element => {
  const style = getComputedStyle(element), box = element.getBoundingClientRect();
  const marked = element.matches(':focus-visible') && (style.outlineStyle !== 'none' || style.boxShadow !== 'none');
  const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  return {marked, uncovered: Boolean(top && (element.contains(top) || top.contains(element)))};
}"""
WHAT = "element => `${element.tagName} ${element.id} ${element.name || ''} ${element.textContent.trim().slice(0, 40)}`"


class Keys:
    """Somebody without a mouse."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def at(self, place: Locator) -> None:
        """Be on the page that has this, with its script at work."""
        expect(place).to_be_visible()
        self.page.wait_for_load_state()

    def press(self, *keys: str) -> None:
        """Press keys one after another."""
        for key in keys:
            self.page.keyboard.press(key)

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self.page.keyboard.type(text)

    def to(self, target: Locator, key: str = "Tab") -> None:
        """Go to something with Tab, from where the focus is, and see that it has come there."""
        expect(target).to_be_visible()
        for _ in range(MOST_TABS):
            if target.evaluate("element => element === document.activeElement"):
                self.seen(target)
                return
            self.press(key)
        pytest.fail(f"{MOST_TABS} times {key} do not lead to {target}")

    def seen(self, target: Locator) -> None:
        """See where the focus is."""
        expect(target).to_be_focused()
        assert target.evaluate(SEEN) == {"marked": True, "uncovered": True}

    def push(self, target: Locator) -> None:
        """Go to a button or link and press Enter."""
        self.to(target)
        self.press("Enter")

    def write(self, target: Locator, text: str) -> None:
        """Go to a field and type."""
        self.to(target)
        self.type(text)

    def has_not_lost_it(self) -> None:
        """After a part of the page was exchanged the focus is on something, not on the page as a whole."""
        expect(self.page.locator(":focus")).to_have_count(1)
