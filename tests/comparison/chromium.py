"""A browser to look at pages with: Chromium, spoken to by its own protocol over a pair of pipes."""

import base64
import fcntl
import io
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL import Image

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe")

# Chromium reads commands from descriptor 3 and answers on 4.
_START = "import os, sys; os.dup2({0}, 3); os.dup2({1}, 4); os.execv(sys.argv[1], sys.argv[1:])"


class Chromium:
    """One page in a window of its own; `home` holds the browser's profile."""

    def __init__(self, home: Path, size: tuple[int, int]) -> None:
        assert PROGRAM is not None
        (commands, write), (read, answers) = os.pipe(), os.pipe()
        # Out of the way of 3 and 4.
        given = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (commands, answers)]
        own = f"--user-data-dir={home}", f"--window-size={size[0]},{size[1]}"
        self._browser = subprocess.Popen(
            [sys.executable, "-c", _START.format(*given), PROGRAM, *_FLAGS, *own],
            pass_fds=given,
            stderr=subprocess.DEVNULL,
        )
        for end in (commands, answers, *given):
            os.close(end)
        self._write, self._read = os.fdopen(write, "wb", 0), os.fdopen(read, "rb")
        self._count = 0
        self._session: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # It ends when nobody listens any more.
        self._write.close()
        self._read.close()
        try:
            self._browser.wait(10)
        except subprocess.TimeoutExpired:
            self._browser.kill()
            self._browser.wait()

    def call(self, method: str, **given: Any) -> dict[str, Any]:
        """Do `method` of the protocol and wait for its answer."""
        self._count += 1
        command = {"id": self._count, "method": method, "params": given} | self._session
        self._write.write(json.dumps(command).encode() + b"\0")
        while (answer := json.loads(self._next())).get("id") != self._count:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def _next(self) -> bytes:
        said = bytearray()
        while (byte := self._read.read(1)) != b"\0":
            if not byte:
                raise EOFError("the browser has ended")
            said += byte
        return bytes(said)

    def open(self, page: Path) -> None:
        target = self.call("Target.createTarget", url=page.absolute().as_uri())["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = {"sessionId": session["sessionId"]}

    def ask(self, script: str) -> Any:
        """What a JavaScript expression is worth in the page."""
        done = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def wait(self, condition: str, seconds: float = 30) -> None:
        """Until a JavaScript expression is true."""
        end = time.monotonic() + seconds
        while not self.ask(condition):
            assert time.monotonic() < end, f"still not: {condition}"
            time.sleep(0.02)

    def press(self, key: str) -> None:
        text = {"text": key} if len(key) == 1 else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        for kind, (x, y) in (("mousePressed", start), ("mouseMoved", end), ("mouseReleased", end)):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)

    def picture(self) -> np.ndarray:
        """What the window shows: (H, W, 3), 0 to 255."""
        data = base64.b64decode(self.call("Page.captureScreenshot")["data"])
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
