"""A list in somebody's JSON, changed so that nothing else of the file is."""

from __future__ import annotations

import json

import pytest

from core.hosts.docker.json_layout import read_object, with_items, without_items

TWO = '{\n  "a": 1\n}\n'
LAYOUTS = [
    '{"a":1,"b":{"c":[1]}}',
    '{ "a" : 1 , "b" : 2 }\n',
    TWO,
    '{\n    "b": 2,\n    "a": [\n        1\n    ]\n}',
    '{\r\n\t"a": "\\u00e9",\r\n\t"b": null\r\n}\r\n',
    '{"a": 1, "a": 2}',
    '\n\n{"l": ["x"]}',
    '{"l": ["x","y"]}',
    '{\n  "l": [\n    "x"\n  ],\n  "a": 1\n}\n',
    '{"l": ["no"], "a": 1, "l": ["x"]}',
    '{"a": "{[,]}\\"", "l": ["x", {"y": [1]}]}',
]


@pytest.mark.parametrize("text", LAYOUTS)
def test_what_is_added_is_taken_out_and_the_rest_is_the_same_to_the_byte(text: str) -> None:
    before = read_object(text)
    given = with_items(text, "l", ["r:1", "r:2"])
    assert {**before, "l": [*before.get("l", []), "r:1", "r:2"]} == read_object(given)
    assert text == without_items(given, "l", {"r:1", "r:2"})


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("", '{\n  "l": [\n    "r"\n  ]\n}\n'),
        (TWO, '{\n  "a": 1,\n  "l": [\n    "r"\n  ]\n}\n'),
        ('{"a":1}', '{"a":1, "l":["r"]}'),
        ("{}\n", '{"l": ["r"]}\n'),
        ('{"l": null}', '{"l": ["r"]}'),
        ('{"l": []}', '{"l": ["r"]}'),
        ('{"l": ["x"]}', '{"l": ["x", "r"]}'),
        ('{"l": ["x","y"]}', '{"l": ["x","y","r"]}'),
        ('{\n\t"l": [\n\t\t"x"\n\t]\n}', '{\n\t"l": [\n\t\t"x",\n\t\t"r"\n\t]\n}'),
    ],
)
def test_what_is_added_looks_like_the_rest(text: str, given: str) -> None:
    assert given == with_items(text, "l", ["r"])


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('{"l": ["r"]}\n', "{}\n"),
        ('{"l": ["r", "x"], "a": 1}', '{"l": ["x"], "a": 1}'),
        ('{"l": ["r"], "a": 1}', '{"a": 1}'),
        ('{"l": ["x"], "l": ["r"]}', '{"l": ["x"], "l": []}'),
        ('{"a": 1}', '{"a": 1}'),
        ('{"l": null}', '{"l": null}'),
    ],
)
def test_what_is_left_is_valid(text: str, left: str) -> None:
    assert left == without_items(text, "l", {"r"})
    assert isinstance(json.loads(left), dict)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "is not JSON"),
        ("// words\n{}", "is not JSON"),
        ("\ufeff{}", "is not JSON"),
        ("{} x", "is not JSON"),
        ('{"a": NaN}', "is not JSON"),
        ("[]", "is not a JSON object"),
        ("null", "is not a JSON object"),
        ("[" * 100_000, "nested too deep"),
    ],
)
def test_what_is_no_object_says_so(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_object(text)
