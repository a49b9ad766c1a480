"""queuectl: a durable job queue for one machine, with nothing to install.

docs/architecture.md of the project has the codemap. The layers, from the ground up: model, table, engine, system,
storage, wire, worker, service, supervisor, repair; then `api`, and the command line on top.

Programs that embed queuectl import `Queue` from here, and the errors that it raises.
"""

# No import from __future__: with `python3 -m` the working folder is still on the path, and may have such a file.

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .api import Queue
    from .errors import QueueError
    from .model.queue_records import QueueRecord, ScheduleRecord
    from .model.records import AttemptRecord, JobFields, JobRecord, JobSpec, State, StatusRecord

__version__ = "0.1.0"
__all__ = [
    "AttemptRecord",
    "JobFields",
    "JobRecord",
    "JobSpec",
    "Queue",
    "QueueError",
    "QueueRecord",
    "ScheduleRecord",
    "State",
    "StatusRecord",
    "__version__",
]


def __getattr__(name: str) -> object:
    """Import a public name when a program first uses it: the command line starts without these modules."""
    if name == "Queue":
        from .system import interpreter

        interpreter.check()
        from .api import Queue

        return Queue
    if name == "QueueError":
        from .errors import QueueError

        return QueueError
    if name in __all__:
        from .model import queue_records, records

        kind: object = getattr(records, name, None) or getattr(queue_records, name)
        return kind
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
