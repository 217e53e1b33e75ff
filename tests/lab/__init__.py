"""A real site on one machine, for the tests that a fake cannot answer.

The machine plays the DU; containers with systemd and sshd of their own, and no Docker at first,
play the hosts. `python -m tests.lab up` makes the site, `Site.load()` gives it to a test.
"""

from tests.lab.errors import LabError, NeedError
from tests.lab.labhost import LabHost
from tests.lab.site import Site

__all__ = ["LabError", "LabHost", "NeedError", "Site"]
