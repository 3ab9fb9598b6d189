"""The command line of the benchmarks: an option that a command would ignore is refused."""

import pytest

from bench.__main__ import asked


@pytest.mark.parametrize("words", ["--size small relay", "--size large growth", "--quick soak", "--strangers start",
                                   "--quick --only board --size small keep"])  # fmt: skip
def test_an_option_of_no_use_is_refused(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        asked(words.split())
    assert ended.value.code == 2
    option, command = words.split()[0], words.split()[-1]
    assert f"{command} does not use {option}" in capsys.readouterr().err


def test_the_table_takes_all_options_and_growth_its_own() -> None:
    table = asked(["--size", "large", "--strangers", "--quick", "--only", "board", "today"])
    assert (table.command, table.size, table.strangers, table.quick, table.only) == (
        None, "large", True, True, ["board", "today"],
    )  # fmt: skip
    growth = asked(["--only", "board", "--quick", "growth"])
    assert (growth.command, growth.quick, growth.only) == ("growth", True, ["board"])
    assert asked(["soak", "--minutes", "5"]).minutes == 5
