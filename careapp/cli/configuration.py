"""`flask configuration`: write docs/operations/configuration.md from the settings in the code."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from careapp.settings import SUBJECTS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations" / "configuration.md"
SHORT = 120  # seconds; from here on a default is told in minutes or hours as well

# What is read from the environment and is no setting: the server's command line, OpenTelemetry's own, and what only
# tests use. OpenTelemetry reads more of its own; these are those an installation needs.
BESIDE = {
    "HOST": ("`127.0.0.1` with the Procfile, `0.0.0.0` in the image", "the address web listens on", "web"),
    "OTEL_EXPORTER_OTLP_HEADERS": (
        "none", "what each export says to the collector, such as `Authorization=Bearer%20…`; **a secret**", "web, jobs"
    ),
    "OTEL_SERVICE_NAME": (
        "`careapp-web`, `careapp-jobs`", "what the process is called in traces", "web, jobs"
    ),
    "OTEL_RESOURCE_ATTRIBUTES": (
        "none", "what else its traces say of it, such as `deployment.environment=staging`", "web, jobs"
    ),
    "OTEL_TRACES_SAMPLER": (
        "`parentbased_always_on`", "which traces are kept: `parentbased_traceidratio` a part of them", "web, jobs"
    ),
    "OTEL_TRACES_SAMPLER_ARG": ("none", "how large a part, such as `0.1`", "web, jobs"),
    "OTEL_BSP_SCHEDULE_DELAY": ("`5000`", "milliseconds between two exports", "web, jobs"),
    "OTEL_BSP_MAX_QUEUE_SIZE": ("`2048`", "spans that wait for an export; those beyond are dropped", "web, jobs"),
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": ("`512`", "spans of one export", "web, jobs"),
    "OTEL_BSP_EXPORT_TIMEOUT": ("`30000`", "milliseconds an export may take", "web, jobs"),
    "CAREAPP_LOCALDB_OPTIONS": ("none", "options of the embedded PostgreSQL", "development, tests"),
    "CAREAPP_CRASH_POINT": ("none", "a place where a test ends the process; **never set it**", "tests"),
}  # fmt: skip

HEAD = """<!-- Written by `flask --app wsgi configuration` from careapp/settings.py. Change that, run it again. -->
# Configuration

Every setting is an environment variable; a file `.env` in the working directory is read too, and the environment counts
more. An empty variable counts as unset. A process checks all of them at its start and ends with a sentence where one is
wrong. A port is a number from 1 to 65535. A setting takes effect when the process starts again.

Who reads it: **web** and **jobs** are the two processes, **commands** are `flask …` on the command line. Secrets come
from a secret store, never from the image, the repository or a command line; how each changes: [secrets.md](secrets.md).
"""


@click.command("configuration")
def configuration() -> None:
    """Write docs/operations/configuration.md from the settings."""
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page())
    click.echo("Every setting stands in docs/operations/configuration.md.")


def page() -> str:
    """What docs/operations/configuration.md should hold."""
    return "\n".join([HEAD, *(line for subject in SUBJECTS for line in _section(subject)), *_beside()])


def variable(name: str, field: FieldInfo) -> str:
    """The environment variable of a setting."""
    return str(field.validation_alias or name.upper())


def is_secret(field: FieldInfo) -> bool:
    """Whether nobody may see the value: a SecretStr, or what is marked as one."""
    return SecretStr in (field.annotation, *getattr(field.annotation, "__args__", ())) or bool(_extra(field)["secret"])


def _section(subject: type[BaseModel]) -> Iterator[str]:
    yield f"## {(subject.__doc__ or '').strip()}\n"
    yield "| setting | meaning | default | who reads it | secret |"
    yield "|---|---|---|---|---|"
    for name, field in subject.model_fields.items():
        secret = "yes" if is_secret(field) else ""
        cells = (f"`{variable(name, field)}`", field.description or "", _default(name, field), _extra(field)["read_by"])
        yield f"| {' | '.join(cells)} | {secret} |"
    yield ""


def _beside() -> Iterator[str]:
    yield "## Beside the settings\n"
    yield "| variable | meaning | default | who reads it |"
    yield "|---|---|---|---|"
    for name, (default, meaning, read_by) in BESIDE.items():
        yield f"| `{name}` | {meaning} | {default} | {read_by} |"
    yield ""


def _extra(field: FieldInfo) -> dict[str, Any]:
    """What `setting()` noted; a field that was made without it has nothing."""
    noted = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    return {"read_by": "", "secret": False, **noted}


def _default(name: str, field: FieldInfo) -> str:
    value = field.default
    if isinstance(value, SecretStr) or value in (None, ""):
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if name.endswith("_seconds") and value > SHORT:
        return f"`{value}` ({_time(value)})"
    return f"`{value}`"


def _time(seconds: int) -> str:
    return f"{seconds // 3600} h" if seconds % 3600 == 0 else f"{seconds // 60} min"
