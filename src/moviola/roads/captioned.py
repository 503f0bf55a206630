"""What becomes of captions: text in a file, a track beside the picture, or letters in the picture."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

from moviola import captions
from moviola.clip import Clip
from moviola.cues import Cue
from moviola.errors import RequestError
from moviola.frames import Frames
from moviola.media.colour import graphics_white
from moviola.media.encoding import choose_encoding
from moviola.media.remux import add_captions, check_remux
from moviola.media.sink import check_output
from moviola.model import Event, Events, Note
from moviola.overlay import CaptionOverlay
from moviola.overlay.letters import can_write
from moviola.roads.burning import burn, by_span
from moviola.roads.making import check_not_input
from moviola.tasks.understanding import Caption, Captions


def check(request: Caption, clips: Sequence[Clip]) -> None:
    """Refuse before the work what could not be written, or printed, after it.

    Raises RequestError for what does not go together, OutputError where the output may not be written.
    """
    output = request.output
    if output is None:
        if request.burn:
            raise RequestError("caption: burn: there is no video to draw into; name one with --output")
        captions.check_format(request.format, len(clips))
        return
    if captions.is_report(output):
        if request.burn:
            raise RequestError(f"caption: burn: {output} is text; name a video, as out.mp4")
        captions.check_report(output, len(clips))
    elif len(clips) != 1:
        raise RequestError(f"caption: output: {output} shows one video; {len(clips)} were given")
    elif request.burn:
        choose_encoding(output, clips[0].info)
    else:
        check_remux(clips[0].source, output)
    check_not_input(output, *(clip.source.name for clip in clips))
    check_output(output, overwrite=request.overwrite)


def write_captions(
    result: Captions, request: Caption, clips: Sequence[Clip], *, recipe: Mapping[str, Any] | None = None
) -> Generator[Event, None, Captions]:
    """Write captions where the request says, whole or not at all; returns them with where they are.

    Without an output nothing is written. A video gets them as one more track, and everything else of it is
    copied as it is; with `burn` they are drawn into its pictures, which are encoded again.

    recipe: what made the captions, for the metadata of a video.
    Raises MoviolaError as `check` does, and where what is written would not be right.
    """
    check(request, clips)
    output = request.output
    if output is None:
        return result
    if captions.is_report(output):
        captions.write_report(result, output, overwrite=request.overwrite)
    else:
        cues = captions.cues_of(result.videos[0])
        if not cues:
            yield Note("there is nothing in the captions: nothing was said")
        if request.burn:
            yield from _burnt(clips[0], cues, request, recipe)
        else:
            notes = add_captions(clips[0].source, output, cues, recipe=recipe, overwrite=request.overwrite)
            yield from map(Note, notes)
    return result.model_copy(update={"output": output})


def _burnt(clip: Clip, cues: Sequence[Cue], request: Caption, recipe: Mapping[str, Any] | None) -> Events:
    assert request.output is not None
    overlay = CaptionOverlay(white=graphics_white(clip.info))
    if not can_write("".join(cue.text for cue in cues)):
        yield Note("no font on this machine has all letters of the captions; boxes stand for the others")
    spans = [(cue.start / 1000, cue.stop / 1000) for cue in cues]

    def draw(chunk: Frames) -> Iterator[Frames]:
        for frames, number in by_span(chunk, spans):
            yield overlay.draw(frames, "" if number is None else cues[number].text)

    yield from burn(clip, request.output, draw, overwrite=request.overwrite, recipe=recipe)
