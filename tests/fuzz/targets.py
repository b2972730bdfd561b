"""All that is fuzzed, by name."""

from __future__ import annotations

from tests.fuzz import configurations, credentials, expositions, infos, ledgers, lists, questions, units
from tests.fuzz import web_configurations as web
from tests.fuzz.target import Target

TARGETS: dict[str, Target] = {
    "lists": lists.TARGET,
    "infos": infos.TARGET,
    "units": units.TARGET,
    "configurations": configurations.TARGET,
    "web_configurations": web.TARGET,
    "questions": questions.TARGET,
    "credentials": credentials.TARGET,
    "expositions": expositions.TARGET,
    "ledgers": ledgers.TARGET,
}
