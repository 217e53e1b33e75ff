"""Plan, runner, journal, report: how a job is carried out, and how everybody looks at it."""
