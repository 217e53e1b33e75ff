"""What the lab says when it cannot go on.

LabError          something that was tried did not work
└── NeedError     this machine is not one on which the lab can work
"""


class LabError(Exception):
    """A lab step failed; the message is for whoever called it."""


class NeedError(LabError):
    """The machine lacks what the lab needs; nothing was made."""
