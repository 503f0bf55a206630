"""One request and one result per verb; the Python call, the CLI flags and the job record derive from them.

A field marked `Positional` is an argument on the command line; all others are `--flags` of the same name.
"""

from moviola.tasks.fields import Origin, Positional, Short, as_fraction, is_positional, origin_name
from moviola.tasks.looking import AccuracyScores, ClassAccuracy, Confusion, Measure, Sample, Sampled, Scores
from moviola.tasks.making import (
    Again,
    Edit,
    Generate,
    Interpolate,
    Making,
    Remove,
    Synthesis,
    VideoResult,
    VideoTask,
)
from moviola.tasks.masking import Masked, Masking
from moviola.tasks.pulling import Pull, Pulled
from moviola.tasks.recognizing import (
    Label,
    Moment,
    Recognize,
    Recognized,
    Recognizing,
    Seen,
    VideoLabels,
    Watch,
    Watched,
)
from moviola.tasks.task import OnDevice, Task, request
from moviola.tasks.training import Epoch, Train, Trained
from moviola.tasks.understanding import (
    Answer,
    Ask,
    Caption,
    CaptionedMoment,
    Captions,
    Found,
    Search,
    SearchResult,
    Shown,
    Understanding,
    VideoCaptions,
)

TASKS: tuple[type[Task], ...] = (
    Generate,
    Edit,
    Ask,
    Caption,
    Search,
    Recognize,
    Watch,
    Train,
    Interpolate,
    Remove,
    Masking,
    Measure,
    Sample,
    Again,
    Pull,
)
"""Every verb, in the order help lists them."""

__all__ = [
    "TASKS",
    "AccuracyScores",
    "Again",
    "Answer",
    "Ask",
    "Caption",
    "CaptionedMoment",
    "Captions",
    "ClassAccuracy",
    "Confusion",
    "Edit",
    "Epoch",
    "Found",
    "Generate",
    "Interpolate",
    "Label",
    "Making",
    "Masked",
    "Masking",
    "Measure",
    "Moment",
    "OnDevice",
    "Origin",
    "Positional",
    "Pull",
    "Pulled",
    "Recognize",
    "Recognized",
    "Recognizing",
    "Remove",
    "Sample",
    "Sampled",
    "Scores",
    "Search",
    "SearchResult",
    "Seen",
    "Short",
    "Shown",
    "Synthesis",
    "Task",
    "Train",
    "Trained",
    "Understanding",
    "VideoCaptions",
    "VideoLabels",
    "VideoResult",
    "VideoTask",
    "Watch",
    "Watched",
    "as_fraction",
    "is_positional",
    "origin_name",
    "request",
]
