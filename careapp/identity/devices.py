"""What a browser says it is, as the few words somebody knows his own sessions by."""

LONGEST_AGENT = 500  # characters of a header that are looked at

# The first that is named counts: nearly every browser also names those it descends from.
BROWSERS = (
    ("Edg", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser/", "Samsung Internet"), ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"), ("CriOS/", "Chrome"), ("Chromium/", "Chromium"), ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)  # fmt: skip
SYSTEMS = (
    ("Windows", "Windows"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"), ("Macintosh", "macOS"), ("Linux", "Linux"),
)  # fmt: skip


def device_of(user_agent: str | None) -> str | None:
    """Browser and system of a User-Agent such as "Chrome on Windows", or the one of them that is known, or None.

    Only words of the lists above are kept, never the header itself: with its versions it would tell one machine from
    the next, and it is text that anybody may write.
    """
    text = (user_agent or "")[:LONGEST_AGENT]
    known = [next((name for mark, name in of if mark in text), None) for of in (BROWSERS, SYSTEMS)]
    return " on ".join(name for name in known if name) or None
