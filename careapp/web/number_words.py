"""Numbers as words, beside the digits on a printed prescription: a digit is easily added by hand, a word is not."""

from careapp.web.language import current_language

_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_GROUPS = ((1_000_000_000, "thousand million"), (1_000_000, "million"), (1_000, "thousand"))

_BURMESE_ONES = ("သုည", "တစ်", "နှစ်", "သုံး", "လေး", "ငါး", "ခြောက်", "ခုနစ်", "ရှစ်", "ကိုး")
# Unit, its name, and its name when more follows: ten, hundred and thousand then change their tone.
_BURMESE_UNITS = (
    (10_000_000, "ကုဋေ", "ကုဋေ"), (1_000_000, "သန်း", "သန်း"), (100_000, "သိန်း", "သိန်း"), (10_000, "သောင်း", "သောင်း"),
    (1_000, "ထောင်", "ထောင့်"), (100, "ရာ", "ရာ့"), (10, "ဆယ်", "ဆယ့်"),
)  # fmt: skip


def number_words(number: int) -> str:
    """A number from 0 on in words of the reader's language; English where we know none of his."""
    return burmese(number) if current_language() == "my" else english(number)


def english(number: int) -> str:
    """`twenty-one`, `one hundred and five`, `two thousand five hundred`."""
    if number < len(_ONES):
        return _ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return f"{_TENS[tens]}-{_ONES[ones]}" if ones else _TENS[tens]
    if number < 1_000:
        hundreds, rest = divmod(number, 100)
        return f"{_ONES[hundreds]} hundred" + (f" and {english(rest)}" if rest else "")
    unit, name = next(group for group in _GROUPS if number >= group[0])
    count, rest = divmod(number, unit)
    between = " and " if 0 < rest < 100 else " "
    return f"{english(count)} {name}" + (f"{between}{english(rest)}" if rest else "")


def burmese(number: int) -> str:
    """`နှစ်ဆယ့်တစ်` for 21."""
    if number < len(_BURMESE_ONES):
        return _BURMESE_ONES[number]
    unit, name, followed = next(one for one in _BURMESE_UNITS if number >= one[0])
    count, rest = divmod(number, unit)
    return burmese(count) + (f"{followed}{burmese(rest)}" if rest else name)
