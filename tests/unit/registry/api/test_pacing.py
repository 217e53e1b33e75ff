"""A registry that is asked too fast is slowed down for, and waited for as long as it asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from email.utils import formatdate
from pathlib import Path

import pytest

from core.bundle.catalogue import LayerIndex
from core.bundle.discovery import bundle_file
from core.engine.retry_policy import LONGEST_REST_S, Reached, RetryPolicy
from core.errors import Cancelled, RegistryBusy, RegistryLimited
from core.registry.api import pacing as pace
from core.registry.api.client import RegistryClient
from core.registry.api.pacing import LONGEST_WAIT_S, Pace, asked_wait_s, pause_of
from core.registry.imports.importer import Import
from core.registry.imports.publish import publish
from tests.support.archives import ImageSpec, layer_tar, write_bundle
from tests.support.fakeregistry import FakeRegistry, fake_registry
from tests.support.oddfront import Asked, Front, Reply, odd_front

SOON = (("Retry-After", "0"),)
PATIENCE_S = 60.0


class Clock:
    """A time that passes only while somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 1000.0
        monkeypatch.setattr(time, "sleep", self._sleep)

    def __call__(self) -> float:
        return self.now_s

    def _sleep(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    with monkeypatch.context() as patches:
        yield Clock(patches)


def paced(clock: Clock) -> Pace:
    return Pace(lambda: None, clock)


def test_nothing_waits_for_a_registry_that_refuses_nothing(clock: Clock) -> None:
    found = paced(clock)
    for _ in range(500):
        found.wait()
        found.taken()
    assert (1000.0, False) == (clock.now_s, found.is_slowed)


def test_nothing_is_sent_before_the_time_that_was_asked_for(clock: Clock) -> None:
    found = paced(clock)
    found.wait()
    found.refused(7.0)
    found.wait()
    assert clock.now_s >= 1007.0


def test_ten_a_second_are_found_out(clock: Clock) -> None:
    """Whoever asks more is refused, and then told to wait a second."""
    found, sent, refused = paced(clock), list[float](), 0
    for _ in range(400):
        while True:
            found.wait()
            lately = [at for at in sent if int(at) == int(clock.now_s)]
            if len(lately) < 10:
                break
            refused += 1
            found.refused(1.0)
        sent.append(clock.now_s)
        found.taken()
    assert refused <= 20
    assert clock.now_s - 1000.0 < 100.0


def test_many_refused_at_once_count_once(clock: Clock) -> None:
    found = paced(clock)
    for _ in range(8):
        found.wait()
    for _ in range(8):
        found.refused(1.0)
    begun = clock.now_s
    found.wait()
    found.wait()
    assert clock.now_s - begun <= 1.0 + 0.2 + 0.01


def test_it_grows_fast_again(clock: Clock) -> None:
    found = paced(clock)
    found.refused(0.0)
    for _ in range(400):
        found.wait()
        found.taken()
    assert not found.is_slowed


def test_a_cancel_ends_the_waiting() -> None:
    stop = threading.Event()

    def go_on() -> None:
        stop.set()
        raise Cancelled("ended")

    found = Pace(go_on)
    found.refused(LONGEST_WAIT_S)
    with pytest.raises(Cancelled):
        found.wait()
    assert stop.is_set()


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Retry-After": "3"}, 3.0),
        ({"Retry-After": " 120 "}, 120.0),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "1e3"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "9" * 5000}, 1e9),
        ({"Retry-After": "٣"}, None),
        (
            {
                "Date": "Mon, 30 Nov 2026 10:00:00 GMT",
                "Retry-After": "Mon, 30 Nov 2026 10:00:45 GMT",
            },
            45.0,
        ),
        (
            {
                "Date": "Mon, 30 Nov 2026 10:00:00 GMT",
                "Retry-After": "Mon, 30 Nov 2026 09:00:00 GMT",
            },
            0.0,
        ),
        ({"Retry-After": formatdate(0, usegmt=True)}, 0.0),
    ],
)
def test_what_is_asked_for(headers: dict[str, str], expected: float | None) -> None:
    assert expected == asked_wait_s(headers)


def test_only_so_much_is_waited_for() -> None:
    asks = {"Retry-After": "400"}
    assert [400.0, None] == [pause_of(429, asks, 0, 0.0), pause_of(429, asks, 1, 400.0)]
    assert None is pause_of(503, {"Retry-After": "86400"}, 0, 0.0)
    assert [None, None] == [pause_of(500, asks, 0, 0.0), pause_of(404, asks, 0, 0.0)]


def every_third(asked: Asked) -> Reply | None:
    refused = asked.number % 3 == 1 and asked.method != "DELETE"
    return Reply(429, SOON, b"slowly") if refused else None


def test_an_import_into_a_registry_that_refuses_every_third_request(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one pass, because what is small is sent again."""
    monkeypatch.setattr(pace, "SLOWEST_S", 0.001)
    image = ImageSpec(["a.b/c:1"], [layer_tar(n, 9000) for n in range(12)])
    file = bundle_file(write_bundle(tmp_path / "b.tar", [image]))
    index = LayerIndex(tmp_path / "layers.jsonl")
    with (
        odd_front(Front(address, early=every_third)) as front,
        closing(RegistryClient(front.address)) as client,
    ):
        done = Import(file, client, index, threading.Event()).run(lambda _: None)
        publish(done.bundle, client, threading.Event())
        assert ["1"] == client.tags("c")
    assert 12 == done.sent_layers


def test_a_cancel_while_a_registry_has_itself_waited_for(tmp_path: Path) -> None:
    asks = Reply(429, (("Retry-After", "500"),))
    file = bundle_file(write_bundle(tmp_path / "b.tar", [ImageSpec(["c:1"], [layer_tar(1, 900)])]))
    stop, index = threading.Event(), LayerIndex(tmp_path / "layers.jsonl")
    failures: list[BaseException] = []
    refused = threading.Event()

    def early(_asked: Asked) -> Reply:
        refused.set()
        return asks

    with (
        odd_front(Front("", early=early)) as front,
        closing(RegistryClient(front.address)) as client,
    ):

        def run() -> None:
            try:
                Import(file, client, index, stop).run(lambda _: None)
            except Cancelled as error:
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        assert refused.wait(PATIENCE_S)
        stop.set()
        thread.join(PATIENCE_S)
    assert ([Cancelled], False) == ([type(error) for error in failures], thread.is_alive())


def test_what_asks_for_too_much_patience_is_told() -> None:
    asks = Reply(429, (("Retry-After", "86400"),))
    with (
        odd_front(Front("", early=lambda _asked: asks)) as front,
        closing(RegistryClient(front.address)) as client,
        pytest.raises(RegistryLimited, match="asks to wait 86400 s") as caught,
    ):
        client.site_id()
    assert (86400.0, 429) == (caught.value.wait_s, caught.value.status)


def test_a_large_layer_that_is_refused_is_not_kept_for_it() -> None:
    """It is told, and the next try reads it again."""
    with fake_registry(FakeRegistry()) as fake, odd_front(Front(fake.address)) as front:
        front.early = lambda asked: Reply(429, SOON) if asked.method == "PATCH" else None
        with closing(RegistryClient(front.address)) as client:
            large = [bytes(1 << 20)] * 4
            with pytest.raises(RegistryLimited):
                client.upload_stream("a", large, lambda: "unused")
    assert (1, {}) == (front.counts["PATCH"], fake.sessions)


def test_a_rest_that_is_asked_for_is_kept_between_tries() -> None:
    now_s = [0.0]
    patience = RetryPolicy(1000.0, lambda: now_s[0])
    error = RegistryBusy("later")
    error.wait_s = 90.0
    for _ in range(3):
        found = patience.next_pause_s(error, Reached(), error.patience_s)
        assert found is not None
        assert found >= 90.0 - 15.0
        now_s[0] += found
    error.wait_s = LONGEST_REST_S + 100
    assert None is patience.next_pause_s(error, Reached(), error.patience_s)
