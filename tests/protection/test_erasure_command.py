"""`flask erasure`: it asks for the locator once more, shows no name, and does what the command does."""

from apiflask import APIFlask

from careapp.access import Actor
from careapp.patients import queries as patients
from careapp.patients.views import HumanName
from tests import factories as make


def test_holding_lifting_and_erasing_from_the_command_line(app: APIFlask, god: Actor) -> None:
    patient = make.a_patient(god, name=HumanName(family="Markedname"))
    runner, tenant = app.test_cli_runner(), ["--tenant", god.tenant_key]
    why = ["--reason", "Suit 7"]
    held = runner.invoke(args=["erasure", "hold", patient.locator, *tenant, *why])
    assert "stands  Suit 7" in held.output
    hold = held.output.split("hold ")[1].split()[0]
    wanted = ["erasure", "erase", patient.locator, *tenant, *why, "--category", "ENTERED_IN_ERROR"]
    refused = runner.invoke(args=wanted, input=f"{patient.locator}\n")
    assert (refused.exit_code, "legal hold stands" in refused.output) == (1, True)
    assert "lifted" in runner.invoke(args=["erasure", "lift", patient.locator, hold, *tenant]).output
    assert runner.invoke(args=["erasure", "keep", "12", *tenant]).exit_code == 0
    mistyped = runner.invoke(args=wanted, input="PTY-2026-1\n")
    assert (mistyped.exit_code, "Nothing was done" in mistyped.output) == (1, True)
    done = runner.invoke(args=wanted, input=f"{patient.locator}\n")
    assert (done.exit_code, f"{patient.locator} is erased." in done.output) == (0, True)
    shown = runner.invoke(args=["erasure", "show", patient.locator, *tenant])
    assert "erased on" in shown.output
    assert "Markedname" not in held.output + refused.output + done.output + shown.output
    assert patients.get_patient(god, patient.locator).name.family == "Erased patient"
