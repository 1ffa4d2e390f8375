"""A real Chromium, driven over its own debugging protocol."""

import asyncio
import base64
import contextlib
import itertools
import json
import os
import shutil
import tempfile
from pathlib import Path

import stack
from websockets import ConnectionClosed
from websockets.asyncio.client import connect

from .client import until
from .deadline import in_time

NAMES = ("chromium", "chromium-browser", "google-chrome")


class Page:
    """One tab."""

    def __init__(self, connection):
        self.connection = connection
        self.numbers = itertools.count(1)
        self.replies: dict[int, asyncio.Future] = {}
        self.errors: list[str] = []
        self.session: str | None = None
        self.reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for text in self.connection:
                message = json.loads(text)
                if message.get("method") == "Runtime.exceptionThrown":
                    self.errors.append(json.dumps(message["params"])[:500])
                if (reply := self.replies.pop(message.get("id"), None)) and not reply.done():
                    reply.set_result(message)

    async def call(self, method: str, **params):
        """One command of the protocol."""
        number = next(self.numbers)
        self.replies[number] = asyncio.get_running_loop().create_future()
        command = {"id": number, "method": method, "params": params}
        if self.session:
            command["sessionId"] = self.session
        await self.connection.send(json.dumps(command))
        message = await in_time(60, self.replies[number])
        if "error" in message:
            raise AssertionError(f"{method}: {message['error']}")
        return message["result"]

    async def goto(self, url: str) -> None:
        await self.call("Page.navigate", url=url)
        await until(lambda: self.is_loaded(url), f"{url} to load", 60)

    async def is_loaded(self, url: str) -> bool:
        # Without the fragment: the live page takes the key out of its address.
        address = url.partition("#")[0]
        script = f"location.href.startsWith({json.dumps(address)}) && document.readyState === 'complete'"
        return await self.run(script)

    async def run(self, script: str):
        """Evaluates an expression (a promise is awaited) and returns its value."""
        result = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise AssertionError(json.dumps(result["exceptionDetails"])[:1000])
        return result["result"].get("value")

    async def size(self, width: int, height: int, mobile: bool = False) -> None:
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile
        )

    async def screenshot(self, file: Path) -> None:
        image = await self.call("Page.captureScreenshot", format="png")
        file.write_bytes(base64.b64decode(image["data"]))


@contextlib.asynccontextmanager
async def browser():
    """A page of a new, headless Chromium."""
    program = next((path for name in NAMES if (path := shutil.which(name))), None)
    if program is None:
        raise stack.StackError("Chromium is not installed; run `make setup` first")
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as home:
        directory = Path(home)
        port_file = directory / "profile" / "DevToolsActivePort"
        argv = [program, "--headless=new", "--remote-debugging-port=0", f"--user-data-dir={directory / 'profile'}"]
        argv += ["--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
        if os.geteuid() == 0:
            argv.append("--no-sandbox")
        part = stack.Part("chromium", [*argv, "about:blank"], directory, port_file.exists, {"HOME": home})
        part.start()
        try:
            await until(lambda: port_file.exists() and port_file.read_text().count("\n"), "Chromium to start", 40)
            port, path = port_file.read_text().split()[:2]
            url = f"ws://127.0.0.1:{port}{path}"
            async with connect(url, max_size=None, proxy=None, ping_interval=None) as connection:
                page = Page(connection)
                target = await page.call("Target.createTarget", url="about:blank")
                attached = await page.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
                page.session = attached["sessionId"]
                await page.call("Page.enable")
                await page.call("Runtime.enable")
                yield page
                page.reader.cancel()
        finally:
            part.stop(grace=5)
