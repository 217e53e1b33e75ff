"""README's table and the JSON schema are what the table of keys makes; `make docs` writes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.config.keys import HOST_KEYS, KEYS, TOP_LEVEL
from core.config.schema import json_schema, markdown_table

ROOT = Path(__file__).parents[3]


def test_readme_has_the_table() -> None:
    assert markdown_table() in (ROOT / "README.md").read_text(encoding="utf-8"), "run: make docs"


def test_the_schema_is_the_one_that_is_shipped() -> None:
    shipped = (ROOT / "core/config/airctl-config.schema.json").read_text(encoding="utf-8")
    assert json_schema() == json.loads(shipped), "run: make docs"


def test_the_schema_knows_every_key_and_says_what_it_means() -> None:
    properties = json_schema()["properties"]
    assert TOP_LEVEL == set(properties)
    section = properties["ssh"]["properties"]
    assert {key.own_name for key in KEYS if key.in_section} == set(section)
    mapping = properties["hosts"]["items"]["anyOf"][1]
    assert set(HOST_KEYS) == set(mapping["properties"])
    of_keys = [*section.values(), *(properties[key.path] for key in KEYS if not key.in_section)]
    assert all(found["description"] for found in of_keys)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("privateRegistryType", {"enum": ["none", "du", "custom"]}),
        ("registryPort", {"type": "integer", "minimum": 1, "maximum": 65535}),
        ("compressionLevel", {"type": "integer", "minimum": 0, "maximum": 3}),
        ("verifyRun", {"type": "boolean"}),
        ("imagesDir", {"type": "string"}),
    ],
)
def test_what_a_value_may_be(path: str, expected: dict[str, object]) -> None:
    found = json_schema()["properties"][path]
    assert expected == {name: value for name, value in found.items() if name != "description"}
