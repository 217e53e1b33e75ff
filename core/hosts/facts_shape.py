"""What a fact must look like to be believed.

Programs on a host may be replaced, broken or made by others. What they say of it is compared with
what it can be at all, so that nothing odd is met later, where nobody would know whence it came.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from core.errors import HostOddAnswer
from core.printable import printable

_SHOWN = 60
_REQUIRED = ("os_id", "os_version", "os_name", "arch", "kernel", "init", "root")
_NUMBER, _WORD, _PATH = r"[0-9]{0,15}", r"[!-~]{0,100}", r"(/[^\x00-\x1f\x7f]{0,4096})?"
_TEXT = r"[^\x00-\x08\x0a-\x1f\x7f]{0,300}"
_SHAPES = {
    **dict.fromkeys(("memory_kib", "store_free_kib", "tmp_free_kib", "var_tmp_free_kib"), _NUMBER),
    **dict.fromkeys(("clock",), r"[0-9]{0,12}"),
    **dict.fromkeys(("cpus",), r"[0-9]{0,6}"),
    **dict.fromkeys(("port_inode",), r"[0-9]{0,20}"),
    **dict.fromkeys(("arch", "docker_driver"), r"[A-Za-z0-9_.+-]{0,60}"),
    **dict.fromkeys(("kernel", "docker_version", "containerd", "root"), _WORD),
    **dict.fromkeys(("pf9_kube", "pf9_hostagent", "node_agent"), _WORD),
    **dict.fromkeys(("os_id", "os_version", "os_like", "os_name", "init", "security"), _TEXT),
    **dict.fromkeys(("port_holder",), _TEXT),
    **dict.fromkeys(("store", "docker_root"), _PATH),
}
_COMPILED = {key: re.compile(shape) for key, shape in _SHAPES.items()}
_LIST_CHARACTERS = 64 << 10


def require_shape(host_name: str, values: Mapping[str, str]) -> None:
    """Require that the facts of a host are what they can be.

    Args:
        host_name: For messages.
        values: What it says, by the names of the facts.

    Raises:
        HostOddAnswer: one is missing, or is not of its kind.
    """
    lacking = [key for key in _REQUIRED if key not in values]
    if lacking:
        raise HostOddAnswer(f"{host_name}: the host does not say what it is: no {lacking[0]}")
    for key, shape in _COMPILED.items():
        if not shape.fullmatch(values.get(key, "")):
            raise _odd(host_name, key, values[key])


def listed(host_name: str, values: Mapping[str, str], key: str) -> list[object]:
    """Return a fact that Docker prints as a list in JSON; empty where there is none.

    Raises:
        HostOddAnswer: it is something else.
    """
    text = values.get(key, "")
    try:
        found = json.loads(text or "[]") if len(text) <= _LIST_CHARACTERS else text
    except (ValueError, RecursionError) as error:
        raise _odd(host_name, key, text) from error
    if not isinstance(found, list | None):
        raise _odd(host_name, key, text)
    return found or []


def _odd(host_name: str, key: str, said: str) -> HostOddAnswer:
    more = f" and {len(said) - _SHOWN} characters more" if len(said) > _SHOWN else ""
    return HostOddAnswer(
        f"{host_name}: the host says of itself what cannot be: {key} is "
        f"{printable(said[:_SHOWN])!r}{more}"
    )
