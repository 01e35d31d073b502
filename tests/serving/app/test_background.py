from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from serving.app.background import Background


def test_work_that_fails_is_logged_and_done_again():
    done = []

    async def work() -> None:
        done.append(len(done))
        if len(done) == 1:
            raise ValueError("the first time")

    async def run() -> None:
        background = Background()
        await background.stop()  # never started
        background.start(work, 0.001)
        async with asyncio.timeout(5):
            while len(done) < 3:
                await asyncio.sleep(0.001)
        await background.stop()
        count = len(done)
        await asyncio.sleep(0.01)
        assert len(done) == count

    with capture_logs() as logs:
        asyncio.run(run())
    [failed] = logs
    assert failed["event"] == "background_work_failed" and "work" in failed["work"] and failed["exc_info"]
