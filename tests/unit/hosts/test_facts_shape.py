"""Facts are believed only where they can be true, whatever a host says."""

from __future__ import annotations

import random

import pytest

from core.errors import HostCommandFailed, HostOddAnswer
from core.hosts.facts import parse_facts
from tests.unit.hosts.test_facts import ANSWER, ENGINE

WHOLE = ANSWER.replace("facts=", f"{ENGINE}facts=")
DEEP = "[" * 30_000
LIES = {
    "digits": "9" * 5000,
    "negative": "-5",
    "fraction": "1.5",
    "power": "1e99",
    "other digits": "٣٤",
    "word": "many",
    "binary": "\x00\x01\x1b[2J\ufffd",
}


def says(**facts: str) -> str:
    """Return an answer in which some facts are others."""
    lines = dict(line.split("=", 1) for line in WHOLE.splitlines())
    return "".join(f"{key}={value}\n" for key, value in {**lines, **facts}.items())


@pytest.mark.parametrize("key", ["cpus", "memory_kib", "store_free_kib", "clock", "port_inode"])
@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_number_that_is_none(key: str, lie: str) -> None:
    with pytest.raises(HostOddAnswer, match=f"worker-01: .*{key}") as raised:
        parse_facts("worker-01", says(facts="complete", **{key: lie}), 0)
    assert len(raised.value.what) < 250


@pytest.mark.parametrize(
    ("key", "lie"),
    [
        ("arch", "x86_64 GNU/Linux"),
        ("arch", "\x1b[31mx86\x1b[0m"),
        ("arch", "x" * 5000),
        ("kernel", "6.1 \x07"),
        ("os_name", "D" * 1_000_000),
        ("os_id", "debian\x00"),
        ("docker_version", "<no value>\x08"),
        ("docker_driver", "../overlay2"),
        ("docker_root", "var/lib/docker"),
        ("store", "somewhere"),
        ("docker_store", DEEP),
        ("docker_security", '{"a":' * 30_000),
        ("docker_insecure", "[" + "9" * 5000 + "]"),
        ("docker_insecure", "{}"),
        ("docker_insecure", '["127.0.0.0/8"'),
        ("docker_insecure", "[" + '"127.0.0.0/8",' * 100_000 + '"x"]'),
    ],
)
def test_a_fact_that_cannot_be(key: str, lie: str) -> None:
    with pytest.raises(HostOddAnswer, match=f"worker-01: .*{key}") as raised:
        parse_facts("worker-01", says(facts="complete", **{key: lie}), 0)
    assert len(raised.value.what) < 250


def test_a_fact_that_is_not_told() -> None:
    with pytest.raises(HostOddAnswer, match=r"worker-01: .*no arch"):
        parse_facts("worker-01", ANSWER.replace("arch=", "ark="), 0)


@pytest.mark.parametrize("value", ["", "0", "1", "999999999999"])
def test_numbers_that_can_be(value: str) -> None:
    assert int(value or 0) << 10 == parse_facts("a", says(memory_kib=value), 0).memory_bytes


def test_a_host_without_a_clock_is_not_off() -> None:
    assert 0.0 == parse_facts("a", says(clock=""), 1e9).clock_skew_s


SNIPPETS = (*LIES.values(), DEEP, "=", "\n", "\r", "facts=complete", "\u2028", "\x85", "[]", "null")


@pytest.mark.parametrize("seed", range(300))
def test_any_damage_is_told_or_does_no_harm(seed: int) -> None:
    """Facts with pieces cut out, put twice and mixed with what programs never say."""
    chance = random.Random(seed)  # noqa: S311 - the same each time
    text = WHOLE
    for _ in range(chance.randint(1, 6)):
        start, end = sorted(chance.randrange(len(text) + 1) for _ in range(2))
        end = min(end, start + 40)
        piece = chance.choice((*SNIPPETS, text[start:end] * 2, ""))
        text = text[:start] + piece + text[end:]
    said = outcome_of(text)
    assert said.startswith("worker-01: ") or said == "harmless"
    assert len(said) < 1000


def outcome_of(text: str) -> str:
    try:
        found = parse_facts("worker-01", text, 1000.0)
    except (HostCommandFailed, HostOddAnswer) as error:
        return error.what
    lengths = [len(words) for _, words in found.lines()]
    return "harmless" if max(lengths) < 10_000 else f"too long: {lengths}"
