"""Job defaults: the fields that jobs take from their queue and from the settings, unless they set them themselves.

A job takes them when it is added, and keeps them. A job of a queue without defaults takes those of the settings.

Pure. Changes nothing itself.
"""

from __future__ import annotations

from ..model.job import NO_OPTIONS
from ..model.settings import Settings

TYPE_CHECKING = False  # typing costs a millisecond at each start of the command line
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..model.records import Options, Rules

SETTINGS_OF_JOBS = {
    "backoff_max": "backoff-max",
    "jitter": "jitter",
    "retry_on": "retry-on",
    "fail_on": "fail-on",
    "timeout": "timeout",
    "env": "env",
    "shell": "shell",
    "nice": "nice",
    "limit_mem": "limit-mem",
}
"""The fields that a job takes from the changed settings unless it sets them itself."""

_BASIC = {"max_retries": "max-retries", "backoff_base": "backoff-base"}
_NO_RULES: Rules = {}


class JobDefaults:
    """The defaults of the jobs of a queue with these rules. `options` has those beyond the basic fields."""

    def __init__(self, settings: Settings, rules: Rules) -> None:
        own: Mapping[str, Any] = rules.get("defaults", {})
        self.max_retries: int = own["max_retries"] if "max_retries" in own else settings["max-retries"]
        self.backoff_base: float = own["backoff_base"] if "backoff_base" in own else settings["backoff-base"]
        self.options: Any = _of_settings(settings) if settings.values else {}
        self._origins = dict.fromkeys(self.options, "config")
        self._origins.update((name, "config") for name, key in _BASIC.items() if key in settings.values)
        if own:
            options = {name: value for name, value in own.items() if name not in _BASIC}
            self._origins.update(dict.fromkeys(own, "queue"))
            if "env" in own and "env" in self.options:
                options["env"] = {**self.options["env"], **own["env"]}
                self._origins["env"] = "config, queue"
            self.options.update(options)
        self.usual: Options = self.completed({}, {}) or NO_OPTIONS
        """The options of jobs that set only a command, which share them. They also fit jobs that set a basic
        field, unless `has_basic`.
        """
        self.has_basic = not _BASIC.keys().isdisjoint(self._origins)
        """Whether a basic field has a default."""

    def with_env(self, env: Mapping[str, str]) -> Options:
        """Return the options of jobs that set only basic fields and these variables."""
        return self.completed({"env": env}, dict.fromkeys(_BASIC))

    def completed(self, given: Mapping[str, Any], spec: Mapping[str, Any]) -> Options:
        """Return the options of a job with the defaults that it does not set. `defaults` says where these are from.

        `given` has the options of the job, and `spec` all its fields.
        """
        origins = {name: origin for name, origin in self._origins.items() if name not in spec}
        options: Any = {**self.options, **given}
        if "env" in self.options and "env" in given:
            options["env"] = {**self.options["env"], **given["env"]}
            origins["env"] = f"{self._origins['env']}, job"
        if origins:
            options["defaults"] = origins
        return options  # type: ignore[no-any-return]  # the fields have the types of the options


class DefaultsByQueue:
    """The defaults of all queues, each computed once until settings or rules change."""

    def __init__(self, settings: Settings, queues: Mapping[str, Rules]) -> None:
        self._settings = settings
        self._queues = queues
        self._known: dict[str, JobDefaults] = {}
        """By queue; "" has those of queues without any."""

    def forget(self) -> None:
        """Forget what was computed, because settings or rules have changed."""
        self._known.clear()

    def of(self, queue: str) -> JobDefaults:
        """Return the defaults of the jobs of a queue.

        Raises: DamagedSetting.
        """
        rules = self._queues.get(queue, _NO_RULES)
        name = queue if "defaults" in rules else ""
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = JobDefaults(self._settings, rules)
        return known


def _of_settings(settings: Settings) -> dict[str, Any]:
    values = {name: settings[key] for name, key in SETTINGS_OF_JOBS.items() if key in settings.values}
    return {name: value for name, value in values.items() if value or name == "backoff_max"}
