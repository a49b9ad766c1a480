"""Topics: short texts about what many commands share, for `queuectl help TOPIC`."""

from __future__ import annotations

TOPICS = {
    "filters": """Filters choose jobs in list, status, show, why, logs, history, wait, export,
cancel, retry, edit, rm, suspend, continue and dlq. A job must meet all of them.

  -s, --state STATE     pending, processing, completed, failed, dead; or A,B
      --batch NAME      jobs of one call that added many
      --queue NAME      jobs in this queue
  -t, --tag K=V         jobs with this tag; repeat it to require several
      --id, --name      a value, or a pattern like 'web-*'
      --grep, --reason  part of the command, or of the reason of a failure
      --exit-code 3,4   how the latest attempt ended
      --cause CAUSE     why a job died: failed, canceled, dependency_failed …
      --since, --until  when the job was added: 2h (ago), 18:30, 2026-12-24
      --ended-since     when the job finished

examples:
  queuectl list --state dead --ended-since 1h
  queuectl cancel --tag user=ann --dry-run
""",
    "times": """A duration is a number of seconds, or has a unit: 90, 90s, 10m, 2h, 1d.
A time is one of these:

  18:30                 the next 18:30 for a job, the last 18:30 for a filter
  2026-12-24            the start of a local day
  2026-12-24T18:00      local time
  2026-12-24T18:00Z     UTC, as in the JSON output
  2h                    for a filter: two hours ago

examples:
  queuectl enqueue --at 23:00 -- ./backup.sh
  queuectl enqueue --delay 10m --timeout 1h -- ./fetch.sh
  queuectl list --since 2h
""",
    "states": """  pending      waits for a worker, a time, another job, or a limit
  processing   runs now
  completed    exited with 0
  failed       an attempt failed, and a retry follows
  dead         failed with no retry left, canceled, or its dependency died

`queuectl why ID` explains the state of one job.
`queuectl dlq` manages dead jobs.
The first retry waits base seconds, the next base^2, then base^3: see
--backoff-base and --max-retries of `enqueue`.
""",
    "limits": """Of a job:

  --timeout TIME        ends an attempt that runs longer
  --limit-mem SIZE      address space of each process, as `ulimit -v`
  --limit-cpu TIME      processor time of each process, as `ulimit -t`

A job of eight processes with --limit-mem 1G can use 8 GiB. The column `memory`
of `list`, and MEMORY of `show`, is the peak of the largest process, not of all.

Of a queue, see `queuectl queue set --help`:

  --limit N             jobs of the queue that run at the same time
  --rate N/UNIT         jobs that start in a second, minute, hour or day
  --limit-load N        load average above which no job starts
  --min-free-mem SIZE   free memory below which no job starts (Linux)

examples:
  queuectl enqueue --timeout 1h --limit-mem 2G -- ./train.sh
  queuectl queue set gpu --create --limit 2
""",
    "short": """A letter means the same in every command that has it:

  -f, --follow     keep printing: logs, events
  -h, --help       print the help of a command
  -j, --json       print one JSON value
  -n N             how many: list --limit, worker start --count, logs --tail
  -o, --output     write to a file: export
  -q, --quiet      print only data, warnings and errors
  -s, --state      jobs in these states
  -t, --tag        a tag, K=V
  -w, --watch      refresh until Ctrl-C: list, status
  -y, --yes        don't ask before a change
  -V, --version    print the version
  -0, --null       lines end with NUL: enqueue --each-line
""",
    "exit-codes": """  0     done
  1     refused, not found, or (wait, run) a job did not complete
  2     wrong usage or invalid input
  3     no supervisor runs, and the command needs one: `queuectl worker start`
  75    try again later: busy, disk full, or --timeout of worker stop
  124   --timeout of wait or drain
  130   interrupted with Ctrl-C
  141   the reader of the output is gone, as in `| head`

`run` exits with the status of its command, or with 128+N after signal N.
A job whose command exits with 126 or 127 (not executable, not found) is
retried too. To change that: `--fail-on 126,127`, or `queuectl config set
fail-on 126,127`.
""",
    "environment": """queuectl reads these variables:

  QUEUECTL_HOME     folder that holds the jobs
  XDG_STATE_HOME    else $XDG_STATE_HOME/queuectl, or ~/.local/state/queuectl
  NO_COLOR          no colors
  VISUAL, EDITOR    editor of `edit` and `config edit`

A job has the environment of `worker start`, not of `enqueue`: pass variables
with `--env K=V`, `--env-file FILE` or `--inherit-env`, or see `environment` in
`queuectl config list`. A job also has these variables:

  QUEUECTL_JOB_ID       its ID
  QUEUECTL_ATTEMPT      the number of this attempt, from 1
  QUEUECTL_HOME         the folder that holds the jobs
  QUEUECTL_WORKER       a mark of its worker, for queuectl itself
  QUEUECTL_QUEUE        its queue; unset for a job of `default` without options
  QUEUECTL_JOB_NAME     its name; unset without --name
  QUEUECTL_SLOT         from 1 to the limit of its queue; unset without one.
                        CUDA counts devices from 0: $((QUEUECTL_SLOT - 1))
  QUEUECTL_ARRAY_INDEX  its index; unset without --array
  TRACEPARENT, TRACESTATE, BAGGAGE
                        the trace of the call that added it, if it has one

A hook has more variables: see `queuectl help hooks`.
""",
    "hooks": """A hook is a command that runs after a job, as a job in the queue `hooks`.

  --on-success CMD     after a job completes
  --on-failure CMD     after each failed attempt, so again with each retry
  --on-dead CMD        after a job fails for good, or one that it waits for does
  --on-end CMD         after a job completes, dies or is canceled
  --on-batch-end CMD   when the last job of a batch ends; give it to each job

`queuectl config set on-dead CMD` sets a hook for all jobs. `on-idle` is
only a setting: it runs when no job waits or runs any more.

For a pipeline, choose --on-batch-end: it runs once, while --on-dead also runs
for each job that dies with the job that it waits for.

A hook reads the record of the job from stdin, as one line of JSON. It has these
variables, and $QUEUECTL_JOB_ID is the ID of the hook itself.

  QUEUECTL_HOOK_JOB_ID           the job
  QUEUECTL_HOOK_STATE            completed, failed or dead
  QUEUECTL_HOOK_EXIT_CODE        exit code of the last attempt, or empty
  QUEUECTL_HOOK_REASON           why it failed or is dead; empty if it completed
  QUEUECTL_HOOK_ATTEMPT          how many attempts it has had
  QUEUECTL_HOOK_OUTPUT_TAIL      the end of its latest output, up to 4096 bytes
  QUEUECTL_HOOK_BATCH            the batch; all three only for on-batch-end
  QUEUECTL_HOOK_BATCH_COMPLETED  how many of its jobs completed
  QUEUECTL_HOOK_BATCH_DEAD       how many of its jobs are dead

examples:
  queuectl enqueue --on-dead 'mail -s "$QUEUECTL_HOOK_JOB_ID" ann' -- ./build.sh
  queuectl enqueue --batch n --on-batch-end './tell.sh' -- ./build.sh
""",
    "scripts": """Data goes to stdout, and messages go to stderr. `--json` prints one JSON
value, which keeps its fields in new versions. Without a terminal, queuectl asks
nothing and prints no colors.

examples:
  id=$(queuectl enqueue -- ./build.sh)
  queuectl wait "$id" && queuectl logs "$id"
  queuectl enqueue --id nightly --on-conflict skip -- ./backup.sh
  queuectl list --state dead --format '{id} {exit_code}'
""",
}
"""What `queuectl help TOPIC` prints."""
