"""A window that shows what a watch sees: the picture, and the labels over it."""

from __future__ import annotations

import gc
import threading
from dataclasses import replace

import numpy as np
from PIL import Image

from moviola.errors import RequestError
from moviola.frames import Frames
from moviola.overlay import Overlay
from moviola.roads.live_recording import labels_of
from moviola.tasks import Seen

_SHARE = 0.8
"""How much of the screen it takes at most, at first."""

_NARROWEST = 640
"""Pixels that it is wide at least, at first, where the screen is."""

_GROUND = "#0e1014"


class Window:
    """To be used by one thread alone, the main one: Tk wants it so.

    closed: whether the user has had enough: closed it, or pressed Escape or q.
    """

    def __init__(self, title: str, *, top: int = 5) -> None:
        """Nothing is shown before the first picture. Raises RequestError where there can be no window."""
        try:
            import tkinter

            from PIL import ImageTk
        except ImportError:
            raise RequestError(
                "a window needs tkinter, which this Python lacks; install it, or leave --window out"
            ) from None
        if threading.current_thread() is not threading.main_thread():
            raise RequestError("a window can be shown from the main thread only")
        try:
            self._root = tkinter.Tk(className="moviola")
        except tkinter.TclError as error:
            raise RequestError(f"there can be no window here ({error}); leave --window out") from None
        self._root.withdraw()
        self._root.title(title)
        self._root.protocol("WM_DELETE_WINDOW", self._enough)
        for key in ("<Escape>", "q"):
            self._root.bind(key, lambda _: self._enough())
        self._canvas = tkinter.Canvas(self._root, background=_GROUND, highlightthickness=0)
        self._canvas.pack(fill="both", expand=True)
        self._item = self._canvas.create_image(0, 0)
        self._photo = ImageTk.PhotoImage
        self._image: ImageTk.PhotoImage | None = None
        self._overlay = Overlay(top=top)
        self._before: tuple[Frames, Seen | None, tuple[int, int]] | None = None
        self.closed = False

    def show(self, frames: Frames, seen: Seen | None) -> None:
        """Show the newest of some frames with what was made of the last look, and heed the user."""
        if self._before is None:
            self._open(frames.width, frames.height)
        size = self._canvas.winfo_width(), self._canvas.winfo_height()
        before, self._before = self._before, (frames, seen, size)
        if before is None or before[0] is not frames or before[1] is not seen or before[2] != size:
            self._paint(frames[-1:], seen, size)
        self._root.update()

    def close(self) -> None:
        self._root.destroy()
        # What is left of Tk is let go here: Tcl ends the process if another thread collects it.
        self._image = None
        del self._root, self._canvas
        gc.collect()

    def _enough(self) -> None:
        self.closed = True

    def _open(self, width: int, height: int) -> None:
        """As large as the picture, as far as that can be seen and the screen allows."""
        screen = self._root.winfo_screenwidth(), self._root.winfo_screenheight()
        scale = min(max(1.0, _NARROWEST / width), _SHARE * screen[0] / width, _SHARE * screen[1] / height)
        self._canvas.configure(width=round(scale * width), height=round(scale * height))
        self._root.deiconify()
        self._root.update()

    def _paint(self, frames: Frames, seen: Seen | None, size: tuple[int, int]) -> None:
        note = "waiting for the first look" if seen is None else pace_of(seen)
        drawn = self._overlay.draw(_fitted(frames, size), labels_of(seen), note)
        image = Image.fromarray(drawn.data[0])
        if self._image is None or (self._image.width(), self._image.height()) != image.size:
            self._image = self._photo(image)
            self._canvas.itemconfigure(self._item, image=self._image)
        else:
            self._image.paste(image)
        self._canvas.coords(self._item, size[0] // 2, size[1] // 2)


def pace_of(seen: Seen) -> str:
    """How fast it goes, and what it costs."""
    return f"{seen.fps:.1f} looks/s, {1000 * seen.latency_seconds:.0f} ms behind, {seen.dropped} dropped"


def _fitted(frames: Frames, size: tuple[int, int]) -> Frames:
    """Scaled into a size (width, height), with its own sides' proportion. Before labels are drawn: they stay
    sharp."""
    scale = min(size[0] / frames.width, size[1] / frames.height)
    fitted = max(1, round(scale * frames.width)), max(1, round(scale * frames.height))
    picture = Image.fromarray(frames.data[0]).resize(fitted, Image.Resampling.BILINEAR)
    return replace(frames, data=np.asarray(picture)[None])
