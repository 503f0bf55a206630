"""Moviola: one Python system for every kind of video model.

    moviola.probe("clip.mp4")                                   what is in a file
    moviola.sample("clip.mp4", n=16)                            exact frames
    moviola.generate("A serene lake at sunrise", model="cogvideox-5b", output="lake.mp4")
    moviola.edit("clip.mp4", "the same in the snow", output="snow.mp4")
    moviola.ask("clip.mp4", "What happens?").text               questions; `moviola.chat` for several
    moviola.caption("clip.mp4", dense=True, output="clip.srt")  what is to be seen, scene by scene
    moviola.search("my-videos", "a dog jumps")                  the moments that a text describes
    moviola.recognize("clip.mp4", every="2s", output="clip.vtt")
    for seen in moviola.watch(0): ...                           what a camera shows, as it happens
    moviola.train("recognizer", "my-clips", name="mine")        one's own classes; then model="mine"
    moviola.interpolate("clip.mp4", factor=2, output="smooth.mp4")
    moviola.remove("clip.mp4", mask="mask.png", output="clean.mp4")
    moviola.mask("clip.mp4", point="72,54@1s")                  a mask that follows an object
    moviola.compare("clip.mp4", "clean.mp4", "both.html")       one over the other, with a divider
    moviola.measure("psnr", "smooth.mp4", "truth.mp4")
    moviola.again("lake.mp4", seed=7)                           made once more, from its own recipe
    moviola.pull("cogvideox-5b")                                weights onto this machine
    moviola.jobs.listed()                                       hosted and long work that outlives its process
    moviola.cards()                                             what can be used for which work
    moviola.Clip("clip.mp4")                                    the lazy handle all of them take and give

Every verb takes the fields of its request in `moviola.tasks` and returns that task's result. `moviola.stream`
takes a request and yields events: progress, notes, the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moviola import jobs
    from moviola.clip import Clip
    from moviola.verbs import (
        again,
        ask,
        caption,
        cards,
        chat,
        compare,
        edit,
        generate,
        interpolate,
        mask,
        measure,
        plan_of,
        probe,
        pull,
        recognize,
        remove,
        sample,
        search,
        stream,
        train,
        watch,
    )

__version__ = "0.1.0"
__all__ = [
    "Clip",
    "again",
    "ask",
    "caption",
    "cards",
    "chat",
    "compare",
    "edit",
    "generate",
    "interpolate",
    "jobs",
    "mask",
    "measure",
    "plan_of",
    "probe",
    "pull",
    "recognize",
    "remove",
    "sample",
    "search",
    "stream",
    "train",
    "watch",
]


def __getattr__(name: str) -> Any:
    """Bind on first use, so that importing the package stays quick."""
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module 'moviola' has no attribute {name!r}")
    if name == "jobs":
        return import_module("moviola.jobs")
    value = getattr(import_module("moviola.clip" if name == "Clip" else "moviola.verbs"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
