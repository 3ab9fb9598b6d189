"""What a label may be: for each label of each metric, whether a value comes from the code, as all of them must."""

import re
from collections.abc import Callable, Iterable
from functools import cache
from http import HTTPStatus
from importlib import import_module
from typing import get_args

from apiflask import APIFlask
from prometheus_client import Metric

from careapp.identity.factors import Factor
from careapp.jobs import process as jobs_process
from careapp.telemetry import metrics
from tests.conftest import ROOT

CODE = re.compile(r"""["']([A-Z][A-Z_0-9]{2,})["']""")
WAYS = {"password", "confirmation", "credential", "code", "oidc", *get_args(Factor)}
SETS = {
    "method": metrics.METHODS | {metrics.OTHER_METHOD},
    "status": set(metrics.STATUS_CLASSES.values()),
    "reason": {"full", "patient_busy", "provider_busy"},
    "kind": {"person", "program", "address"},
    "service": {"provider"},
    "way": WAYS,
    "looked": {"memory", "database"},
}
OUTCOMES = {
    "careapp_commands": {metrics.DONE, metrics.REFUSED, metrics.CLASHED, metrics.FAILED},
    "careapp_upstream_calls": {"answered", "failed", "not made"},
    "careapp_job_runs": {metrics.DONE, metrics.FAILED},
}


@cache
def codes() -> set[str]:
    """Every code a refusal can have, read from the source."""
    source = "\n".join(path.read_text() for path in (ROOT / "careapp").rglob("*.py"))
    return set(CODE.findall(source)) | {status.name for status in HTTPStatus}


@cache
def jobs() -> set[str]:
    """The names of all jobs."""
    return {name for name, _, _ in jobs_process._work(APIFlask("none"), "", None)}  # type: ignore[arg-type]


def is_command(name: str) -> bool:
    """Whether a name is that of a function that declares a permission; a test may have one inside of it."""
    outer, inside, _ = name.partition(".<locals>.")
    module, _, function = outer.rpartition(".")
    prefix = "" if module.startswith("tests.") else "careapp."
    found = getattr(import_module(prefix + module), function)
    return bool(inside) or hasattr(found, "permission")


def strange(collected: Iterable[Metric], app: APIFlask) -> list[str]:
    """Each label whose value does not come from the code, as metric, label and value."""
    routes = {rule.rule for rule in app.url_map.iter_rules()} | {metrics.NO_ROUTE}
    known: dict[str, Callable[[str], bool]] = {
        "route": routes.__contains__, "code": codes().__contains__, "command": is_command, "task": jobs().__contains__,
        "le": lambda value: value == "+Inf" or float(value) in metrics.BUCKETS,
        **{name: values.__contains__ for name, values in SETS.items()},
    }  # fmt: skip
    found = []
    for metric in collected:
        for sample in metric.samples:
            for label, value in sample.labels.items():
                allowed = OUTCOMES[metric.name].__contains__ if label == "outcome" else known[label]
                if not allowed(value):
                    found.append(f"{sample.name} {label}={value}")
    return found
