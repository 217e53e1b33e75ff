"""Keys one after the other: each is handled to its end before the next one is given out.

On a slow line a technician presses Enter, sees nothing yet, and presses it again. Textual gives
keys out as they come; the second Enter would still go to the first screen and open the next one
twice, and letters meant for a field would be commands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable

from textual import events
from textual.app import App
from textual.message_pump import MessagePump
from textual.screen import Screen
from textual.widget import Widget

SETTLE_LOOKS, LOOK_S = 20, 0.05
"""How long a key waits for the one before: a second, on a slow machine as much more as it needs."""
_ROUNDS = 3

Typed = events.Key | events.Paste


class Keys:
    """What was typed and not given out yet.

    Args:
        app: The app, whose screens are to come to rest after each key.
        give: Gives one key to the screens.
    """

    def __init__(self, app: App[str], give: Callable[[Typed], Awaitable[None]]) -> None:
        self._app = app
        self._give = give
        self._typed: asyncio.Queue[Typed] = asyncio.Queue()
        self._busy = False

    @property
    def at_rest(self) -> bool:
        """Whether everything that was typed has been dealt with."""
        return not self._busy and self._typed.empty()

    def put(self, event: Typed) -> None:
        """Take what was typed."""
        self._typed.put_nowait(event)

    async def give_out(self) -> None:
        """Give out keys, for as long as the app runs."""
        while True:
            event = await self._typed.get()
            self._busy = True
            try:
                focused = self._app.focused
                await self._give(event)
                await self._risen_from(focused)
                await self._settle()
            finally:
                self._busy = False

    async def _risen_from(self, focused: Widget | None) -> None:
        """Wait until what the widget with the focus has to tell has come up to the screen.

        It tells itself first, and then each widget around it: a field that Enter closes is four
        queues away from its screen.
        """
        if focused is None:
            return
        around = (node for node in focused.ancestors if isinstance(node, Widget))

        async def rise() -> None:
            for node in (focused, focused, *around):
                await _passed([node])

        await _in_time(rise())

    async def _settle(self) -> None:
        """Wait until the screen on top, be it a new one, has dealt with all that is in its way."""
        seen: Screen[object] | None = None
        for _ in range(_ROUNDS):
            if self._app.screen is seen:
                return
            seen = self._app.screen
            if not await _in_time(self._passed_by_all(seen)):
                return  # something is at work there: keys are not held up any longer

    async def _passed_by_all(self, screen: Screen[object]) -> None:
        """Send a mark through every queue of messages, in the order in which they feed each other.

        A widget tells its screen, and the screen the app: who is to have the focus, say.
        """
        for nodes in (screen.walk_children(), [screen], [self._app]):
            await _passed(nodes)


async def _in_time(passing: Coroutine[None, None, None]) -> bool:
    """Whether marks came through while the event loop was looked at often enough.

    Looks are counted, not seconds: building a screen holds up the loop, and takes a slow machine
    longer than any limit that would be right for one that is idle.
    """
    task = asyncio.ensure_future(passing)
    try:
        for _ in range(SETTLE_LOOKS):
            if (await asyncio.wait([task], timeout=LOOK_S))[0]:
                task.result()
                return True
        return False
    finally:
        task.cancel()


async def _passed(nodes: Iterable[MessagePump]) -> None:
    """Send a mark through some queues, and wait until all have come through."""
    left, passed = 0, asyncio.Event()

    def mark() -> None:
        nonlocal left
        left -= 1
        if not left:
            passed.set()

    for node in nodes:
        left += node.call_later(mark)
    if left:
        await passed.wait()
