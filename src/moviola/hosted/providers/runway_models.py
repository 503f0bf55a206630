"""What Runway's video models take, as data: one row a model, one way for each of its calls.

Names of fields and values are the provider's own, from the request types of its Python SDK (runwayml
5.24.0 of 2026-10-23), which a test compares with this table; ranges and limits that types do not say are from
https://docs.dev.runwayml.com (guides/models, guides/pricing, assets/inputs) as others tell them, read in
October and November 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from moviola.card import Accepts, Size

TEXT, IMAGE, VIDEO = "text_to_video", "image_to_video", "video_to_video"

_READ = "2026-10-04"
_LISTED = "2026-11-22"
"""When prices were read: as others tell the page of prices, and as the table of LiteLLM 1.109.1 does."""

_ANY = Accepts()


@dataclass(frozen=True, slots=True)
class Way:
    """One call. needs, takes: fields of its body that must and may be there, but for `model`.

    values: the only ones of a field, where the provider says so. last: whether a last frame may be given
    beside the first. auto: whether the length of what is made by mode edit has to be told as "auto".
    """

    path: str
    needs: frozenset[str]
    takes: frozenset[str]
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    last: bool = False
    auto: bool = False


@dataclass(frozen=True, slots=True)
class Rate:
    """Credits for a second of video, where every condition in `when` holds. date: when it was read."""

    credits: str
    when: Mapping[str, Any] = field(default_factory=dict)
    date: str = _LISTED


@dataclass(frozen=True, slots=True)
class Model:
    """tiers: sizes by the resolution that they count as, the default first. seconds: the default first.

    characters: of a prompt, in UTF-16. pictures, video, reference: what it takes of those files.
    billed: whether it costs by the seconds of the video that it is given. referring: the tiers that it makes
    with a reference; empty for all.
    """

    name: str
    summary: str
    ways: tuple[Way, ...]
    tiers: Mapping[str, tuple[Size, ...]] = field(default_factory=dict)
    seconds: tuple[int, ...] = ()
    characters: int | None = None
    rates: tuple[Rate, ...] = ()
    pictures: Accepts = _ANY
    video: Accepts = _ANY
    billed: bool = False
    referring: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)

    def way(self, path: str) -> Way | None:
        return next((way for way in self.ways if way.path == path), None)

    @property
    def editing(self) -> Way | None:
        """The call that is given a video."""
        return next((way for way in self.ways if way.path not in (TEXT, IMAGE)), None)

    def tier(self, size: Size) -> str:
        return next(tier for tier, sizes in self.tiers.items() if size in sizes)


@dataclass(frozen=True, slots=True)
class Gone:
    """A model that ended. since: YYYY-MM-DD. successor: by its name at the provider."""

    task: str
    since: str
    successor: str
    why: str


GONE: Mapping[str, Gone] = {
    "gen3a_turbo": Gone(
        "generate", "2026-07-30", "gen4_turbo", "the day is that of Runway's changelog, as others tell it"
    ),
    "gen4_aleph": Gone(
        "edit", "2026-07-30", "aleph2", "the day is that of Runway's changelog, as others tell it"
    ),
    "veo3": Gone(
        "generate",
        "2026-08-26",
        "veo3.1",
        "the day is that of the first SDK without it (5.16.2); 5.13.0 of 2026-07-27 still had it",
    ),
    "upscale_v1": Gone(
        "edit",
        "2026-01-17",
        "magnific_video_upscaler_creative",
        "the day is that of the SDK whose changelog says: Sunset upscale endpoint (Node 3.12.0)",
    ),
}
"""Whether Runway's server still answers for one of them is not known; its SDK has none of them."""


def _way(
    path: str,
    needs: str,
    takes: str = "",
    values: Mapping[str, str | tuple[str, ...]] | None = None,
    *,
    last: bool = False,
    auto: bool = False,
) -> Way:
    """Values are a text with a space between them, or a tuple where they have spaces."""
    said = {
        name: tuple(some.split()) if isinstance(some, str) else some for name, some in (values or {}).items()
    }
    return Way(path, frozenset(needs.split()), frozenset(takes.split()), said, last, auto)


def _sizes(text: str) -> tuple[Size, ...]:
    pairs = (pair.partition(":") for pair in text.split())
    return tuple((int(width), int(height)) for width, _, height in pairs)


def _nominal(words: str, side: int) -> tuple[Size, ...]:
    """Sizes of those shapes whose shorter side is `side`; the longer one is even."""
    shapes = _sizes(words)
    return tuple(
        (2 * round(side * w / min(w, h) / 2), 2 * round(side * h / min(w, h) / 2)) for w, h in shapes
    )


def _seconds(default: int, least: int, most: int) -> tuple[int, ...]:
    return (default, *(seconds for seconds in range(least, most + 1) if seconds != default))


def _by_tier(date: str, credits: Mapping[str, str]) -> tuple[Rate, ...]:
    return tuple(Rate(rate, {"resolution": tier}, date) for tier, rate in credits.items())


def _by_surcharge(credits: int) -> tuple[Rate, ...]:
    """More for formats of output beyond MP4."""
    return tuple(Rate(str(credits + more), {"surcharge": more}) for more in (0, 5, 20))


_GEN4 = "1280:720 720:1280 1104:832 832:1104 960:960 1584:672"
_WIDE = "1280:720 720:1280"
_VEO = f"{_WIDE} 1920:1080 1080:1920"
_KLING = {
    "720p": "1280:720 720:1280 960:960",
    "1080p": "1920:1080 1080:1920 1440:1440",
    "4k": "3840:2160 2160:3840 2880:2880",
}
_SEEDANCE_480 = "992:432 864:496 752:560 640:640 560:752 496:864"
_SEEDANCE_720 = "1280:720 1470:630 1112:834 960:960 834:1112 720:1280"
_SEEDANCE_1080 = "1920:1080 2206:946 1664:1248 1440:1440 1248:1664 1080:1920"
_SEEDANCE_4K = "3840:2160 3840:1646 3840:2880 3840:3840 2880:3840 2160:3840"
_SEEDANCE_5 = {
    "720p": _SEEDANCE_720,
    "480p": "992:432 854:480 752:560 640:640 560:752 480:854",
    "1080p": _SEEDANCE_1080,
}
_WAN = {
    "720p": "1280:720 1104:832 960:960 832:1104 720:1280",
    "480p": "832:480 720:544 624:624 544:720 480:832",
    "1080p": "1920:1080 1648:1248 1440:1440 1248:1648 1080:1920",
}
_GROK = {
    "480p": "848:480 480:848 480:480 640:480 480:640 720:480 480:720",
    "720p": "1280:720 720:1280 720:720 960:720 720:960 1088:720 720:1088",
    "1080p": "1904:1072 1072:1904 1424:1424 1648:1232 1232:1648 1744:1152 1152:1744",
}
_OMNI = {
    "720p": "1280:720 720:1280",
    "360p": "640:360 360:640",
    "1080p": "1920:1080 1080:1920",
    "4k": "3840:2160 2160:3840",
}
_KLING_4 = {"720p": "1280:720 720:1280 940:940 1460:624", "1080p": "1920:1080 1080:1920 1440:1440 2200:940"}
_HORSE = {
    "720p": "1280:720 720:1280 960:960 1108:832 832:1108",
    "1080p": "1920:1080 1080:1920 1440:1440 1662:1248 1248:1662",
}
_SHAPES = "16:9 21:9 4:3 1:1 3:4 9:16"
_GROK_SHAPES = "1:1 16:9 9:16 4:3 3:4 3:2 2:3"

_FILMS = "mp4 prores hdr10 hlg sdr_rec709_10bit hdr_pq_12bit_master hdr_prores"
"""Formats that are one video: sequences of pictures come as a ZIP, which this house does not read."""

_PRORES = ("422", "4444", "422 Proxy", "422 LT", "422 HQ", "4444 XQ")

_FORMATS: Mapping[str, str | tuple[str, ...]] = {"outputFormat": _FILMS, "proresProfile": _PRORES}


def _tiers(tiers: Mapping[str, str]) -> Mapping[str, tuple[Size, ...]]:
    return {tier: _sizes(sizes) for tier, sizes in tiers.items()}


def _all(tiers: Mapping[str, str]) -> str:
    return " ".join(tiers.values())


def _auto(tiers: Mapping[str, str]) -> str:
    return " ".join(f"auto_{tier}" for tier in tiers)


def _veo(name: str, summary: str, silent: str, audible: str) -> Model:
    more = "audio duration negativePrompt seed"
    return Model(
        name,
        summary,
        (
            _way(TEXT, "promptText ratio", more, {"ratio": _VEO}),
            _way(IMAGE, "promptImage ratio", f"promptText {more}", {"ratio": _VEO}, last=True),
        ),
        _tiers({"720p": _WIDE, "1080p": "1920:1080 1080:1920"}),
        (8, 4, 6),
        1000,
        (Rate(audible, {"audio": True}), Rate(silent, {"audio": False}, _READ)),
        Accepts(max_aspect=2.0),
    )


def _kling(name: str, summary: str, tier: str, *, three: bool = True) -> Model:
    """Kling 3.0 Omni (O3) follows references and edits; Kling 3.0 is told how closely to follow a prompt."""
    more = "audio duration" + (" cfgScale" if three else "")
    sizes = _KLING[tier]
    ways = [
        _way(TEXT, "promptText ratio", more, {"ratio": sizes}),
        _way(
            IMAGE,
            "promptImage",
            f"promptText ratio {more}" + ("" if three else " references"),
            {"ratio": sizes},
            last=True,
        ),
    ]
    if not three:
        ways.append(_way(VIDEO, "promptText promptVideo", "providerSettings references"))
    return Model(
        name,
        summary,
        tuple(ways),
        {tier: _sizes(sizes)},
        _seconds(5, 3, 15),
        facts={"seconds": "3 to 15 is what Runway says of videos of several shots, taken to hold for all"},
    )


def _seedance(name: str, summary: str, tiers: Mapping[str, str], rates: tuple[Rate, ...]) -> Model:
    sizes, more = _all(tiers), "audio duration ratio seed"
    return Model(
        name,
        summary,
        (
            _way(TEXT, "promptText", f"{more} references", {"ratio": sizes}),
            _way(IMAGE, "promptImage", f"promptText {more}", {"ratio": sizes}, last=True),
            _way(VIDEO, "promptVideo", f"promptText {more} references", {"ratio": sizes}),
        ),
        _tiers(tiers),
        _seconds(5, 4, 15),
        3500,
        rates,
        video=Accepts(max_seconds=15.0),
        facts={
            "edit": "the video becomes what a new one is made from: say how long and how large with "
            "duration and size",
            "price": "of an edit it is not known here: whether the video that is given costs is not said",
        },
    )


def _wan(name: str, summary: str, credits: Mapping[str, str]) -> Model:
    sizes = _all(_WAN)
    return Model(
        name,
        summary,
        (
            _way(TEXT, "promptText", "audio duration ratio references", {"ratio": sizes}),
            # From a first frame the shape is the frame's, and only how fine it is may be said.
            _way(IMAGE, "promptImage promptText", "audio duration ratio", {"ratio": _auto(_WAN)}, last=True),
        ),
        _tiers(_WAN),
        rates=_by_tier(_READ, credits),
        facts={"seconds": "up to 30, as others tell it; the least and the default are not known"},
    )


_MODELS = (
    Model(
        "gen4.5",
        "Runway Gen-4.5: 2 to 10 s from a text, or from a picture and a text.",
        (
            _way(
                TEXT,
                "promptText duration ratio",
                "seed contentModeration outputFormat proresProfile",
                {"ratio": _WIDE, **_FORMATS},
            ),
            _way(
                IMAGE,
                "promptImage promptText duration ratio",
                "seed contentModeration outputFormat proresProfile",
                {"ratio": _GEN4, **_FORMATS},
            ),
        ),
        {"720p": _sizes(_GEN4)},
        _seconds(5, 2, 10),
        1000,
        _by_surcharge(12),
        Accepts(max_aspect=2.0),
    ),
    Model(
        "gen4_turbo",
        "Runway Gen-4 Turbo: 2 to 10 s from a picture, fast and cheap.",
        (_way(IMAGE, "promptImage ratio", "promptText duration seed contentModeration", {"ratio": _GEN4}),),
        {"720p": _sizes(_GEN4)},
        _seconds(5, 2, 10),
        1000,
        (Rate("5"),),
        Accepts(max_aspect=2.358),
    ),
    Model(
        "aleph2",
        "Runway Aleph 2.0: edits a video of 2 to 30 s as a text or a picture says.",
        (
            _way(
                VIDEO,
                "videoUri",
                "promptText keyframes targetAspectRatio seed contentModeration outputFormat proresProfile",
                {"outputFormat": "mp4 prores sdr_rec709_10bit", "proresProfile": _PRORES},
            ),
        ),
        rates=_by_surcharge(28),
        video=Accepts(min_seconds=2.0, max_seconds=30.0),
        billed=True,
        facts={
            "video": "30 frames per second or fewer; what is made has its size, up to 1080p",
            "reference": "a picture of how the video is to look at a moment (option reference_at), sent as a "
            "keyframe; up to 4 more by their addresses with the option keyframes",
            "unsure": "how long a prompt may be",
        },
    ),
    Model(
        "act_two",
        "Runway Act-Two: a character of a picture or a video does what a person does in another video.",
        (
            _way(
                "character_performance",
                "character reference",
                "ratio seed bodyControl expressionIntensity contentModeration",
                {"ratio": _GEN4},
            ),
        ),
        {"720p": _sizes(_GEN4)},
        rates=(Rate("5", date=_READ),),
        pictures=Accepts(max_aspect=2.358),
        video=Accepts(min_seconds=3.0, max_seconds=30.0, max_aspect=2.358),
        billed=True,
        facts={
            "video": "the performance: a person of whom the face is to be seen",
            "reference": "the character, whose face is to be seen all the time: a picture, or the https "
            "address of a video, known by the end of its name (.mp4, .mov, .webm)",
        },
    ),
    _veo("veo3.1", "Google's Veo 3.1 at Runway: 4, 6 or 8 s, with sound.", "20", "40"),
    _veo("veo3.1_fast", "Google's Veo 3.1 Fast at Runway: 4, 6 or 8 s, with sound.", "10", "15"),
    Model(
        "kling2.5_turbo_pro",
        "Kling 2.5 Turbo Pro at Runway: 5 or 10 s.",
        (
            _way(
                TEXT,
                "promptText",
                "duration ratio cfgScale",
                {"ratio": "1920:1080 1440:1440 1080:1920 1280:720 720:720 720:1280"},
            ),
            _way(IMAGE, "promptImage promptText", "duration cfgScale", last=True),
        ),
        _tiers({"1080p": "1920:1080 1440:1440 1080:1920", "720p": "1280:720 720:720 720:1280"}),
        (5, 10),
    ),
    _kling("kling3.0_standard", "Kling 3.0 Standard at Runway: 720p, with sound.", "720p"),
    _kling("kling3.0_pro", "Kling 3.0 Pro at Runway: 1080p, with sound.", "1080p"),
    _kling("kling3.0_4k", "Kling 3.0 4K at Runway, with sound.", "4k"),
    _kling("klingO3_standard", "Kling O3 Standard at Runway: 720p, makes and edits.", "720p", three=False),
    _kling("klingO3_pro", "Kling O3 Pro at Runway: 1080p, makes and edits.", "1080p", three=False),
    _kling("klingO3_4k", "Kling O3 4K at Runway, makes and edits.", "4k", three=False),
    Model(
        "kling_4",
        "Kling 4 at Runway: makes and edits, with pictures of what should be seen.",
        (
            _way(TEXT, "promptText", "duration ratio references", {"ratio": _all(_KLING_4)}),
            _way(
                IMAGE,
                "promptImage",
                "promptText duration ratio references",
                {"ratio": _auto(_KLING_4)},
                last=True,
            ),
            _way(VIDEO, "promptText videoUri", "ratio references", {"ratio": _auto(_KLING_4)}),
        ),
        _tiers(_KLING_4),
        facts={"seconds": "how long it may be, and is by default, is not known"},
    ),
    Model(
        "hailuo3",
        "MiniMax Hailuo 3.0 at Runway: 5 to 15 s in 768p or 2K, makes and edits.",
        (
            _way(
                TEXT,
                "promptText",
                "duration ratio resolution references",
                {"ratio": _SHAPES, "resolution": "768p 2k"},
            ),
            _way(
                IMAGE,
                "promptImage promptText",
                "duration ratio resolution",
                {"ratio": _SHAPES, "resolution": "768p 2k"},
                last=True,
            ),
            _way(
                VIDEO,
                "promptText promptVideo",
                "duration ratio resolution references",
                {"ratio": _SHAPES, "resolution": "768p 2k"},
            ),
        ),
        {"2k": _nominal(_SHAPES, 1440), "768p": _nominal(_SHAPES, 768)},
        _seconds(5, 5, 15),
        rates=_by_tier(_LISTED, {"2k": "15", "768p": "10"}),
        video=Accepts(max_seconds=15.0),
        facts={
            "price": "and 2 credits for each reference, which the estimate leaves out; of an edit it is not "
            "known here",
            "size": "told as a shape and 768p or 2K; only the shape is sure",
        },
    ),
    Model(
        "h3_max",
        "MiniMax H3 Max at Runway: 480p or 768p, from a text or from first and last frames.",
        tuple(
            _way(
                path,
                f"{needs}promptText",
                "duration resolution promptExpansionMode seed",
                {"resolution": "768p 480p"},
                last=path == IMAGE,
            )
            for path, needs in ((TEXT, ""), (IMAGE, "promptImage "))
        ),
        rates=_by_tier(_READ, {"768p": "8", "480p": "5"}),
        pictures=Accepts(min_side=256),
        facts={
            "seconds": "how long it may be, and is by default, is not known",
            "size": "only how fine it is may be said, with the option resolution",
            "seed": "the same video comes again only with prompt_expansion_mode=disabled",
        },
    ),
    Model(
        "happyhorse_1_0",
        "HappyHorse 1.0 at Runway: 3 to 15 s in 720p or 1080p.",
        (
            _way(
                TEXT,
                "promptText",
                "duration ratio",
                {"ratio": _all(_HORSE)},
            ),
            _way(IMAGE, "promptImage", "promptText duration resolution", {"resolution": "720p 1080p"}),
        ),
        _tiers(_HORSE),
        _seconds(5, 3, 15),
        2500,
        _by_tier(_READ, {"720p": "15", "1080p": "30"}),
        Accepts(min_side=300, max_aspect=1.8),
    ),
    _seedance(
        "seedance2",
        "Seedance 2.0 at Runway: 4 to 15 s in 480p to 4K, with sound.",
        {"720p": _SEEDANCE_720, "480p": _SEEDANCE_480, "1080p": _SEEDANCE_1080, "4k": _SEEDANCE_4K},
        _by_tier(_LISTED, {"720p": "36", "480p": "36", "1080p": "40", "4k": "150"}),
    ),
    _seedance(
        "seedance2_fast",
        "Seedance 2.0 Fast at Runway: 4 to 15 s in 480p or 720p, with sound.",
        {"720p": _SEEDANCE_720, "480p": _SEEDANCE_480},
        (Rate("29"),),
    ),
    _seedance(
        "seedance2_mini",
        "Seedance 2.0 Mini at Runway: 4 to 15 s in 480p or 720p, with sound.",
        {"720p": _SEEDANCE_720, "480p": _SEEDANCE_480},
        (Rate("16"),),
    ),
    Model(
        "seedance2_5",
        "Seedance 2.5 at Runway: 4 to 30 s in 480p to 1080p, with sound; makes, edits and extends.",
        tuple(
            _way(
                path,
                needs,
                f"audio duration outputFormat ratio seed {more}",
                {"ratio": _all(_SEEDANCE_5), "outputFormat": "mp4 mov"},
                last=path == IMAGE,
                auto=path == VIDEO,
            )
            for path, needs, more in (
                (TEXT, "promptText", "references"),
                (IMAGE, "promptImage", "promptText"),
                (VIDEO, "promptVideo", "promptText references mode"),
            )
        ),
        _tiers(_SEEDANCE_5),
        _seconds(5, 4, 30),
        15000,
        _by_tier(_LISTED, {"720p": "30", "480p": "20", "1080p": "68"}),
        video=Accepts(max_seconds=30.0),
        facts={
            "edit": "mode edit (here the default) keeps length and shape; extend goes on after the end; "
            "reference makes a new video, and takes duration and size",
            "price": "of an edit it is not known here: its length is the model's choice and billed at the "
            "most up front, and the video that is given costs half as much a second as what is made",
        },
    ),
    Model(
        "gemini_omni_flash",
        "Google's Gemini Omni Flash at Runway: 3 to 10 s in 720p, makes and edits.",
        (
            _way(TEXT, "promptText", "duration ratio", {"ratio": _WIDE}),
            _way(IMAGE, "promptImage", "promptText duration ratio", {"ratio": _WIDE}),
            _way(VIDEO, "promptText videoUri", "references"),
        ),
        {"720p": _sizes(_WIDE)},
        _seconds(5, 3, 10),
        rates=(Rate("10"),),
        video=Accepts(max_seconds=10.0),
        facts={
            "price": "and a credit for each picture, which the estimate leaves out; of an edit it is not "
            "known here"
        },
    ),
    Model(
        "gemini_omni_flash_1.1",
        "Google's Gemini Omni Flash 1.1 at Runway: 3 to 10 s in 360p to 4K, makes, edits and extends.",
        (
            _way(TEXT, "promptText", "duration ratio references", {"ratio": _all(_OMNI)}),
            _way(IMAGE, "promptImage promptText", "duration ratio", {"ratio": _all(_OMNI)}, last=True),
            _way(VIDEO, "promptText videoUri", "duration mode ratio references", {"ratio": _all(_OMNI)}),
        ),
        _tiers(_OMNI),
        _seconds(5, 3, 10),
        facts={
            "edit": "mode edit (here the default) keeps length and shape; extend goes on after the end; "
            "reference makes a new video; both take duration",
            "price": "3.4 to 30 credits a second by resolution, as others tell it; which costs what is not "
            "known",
        },
    ),
    Model(
        "grok_imagine_1_5",
        "xAI's Grok Imagine Video 1.5 at Runway: 1 to 15 s in 480p to 1080p, with sound.",
        (
            _way(
                TEXT,
                "promptText",
                "duration ratio resolution references",
                {"ratio": _GROK_SHAPES, "resolution": "480p 720p 1080p"},
            ),
            _way(IMAGE, "promptImage", "promptText duration resolution", {"resolution": "480p 720p 1080p"}),
        ),
        _tiers(_GROK),
        _seconds(5, 1, 15),
        2500,
        _by_tier(_READ, {"480p": "10", "720p": "16", "1080p": "29"}),
        Accepts(max_aspect=2.5),
        referring=("480p", "720p"),
        facts={
            "price": "and a credit for each picture, which the estimate leaves out",
            "size": "told as a shape and 480p, 720p or 1080p: pixels are those of the Lite model",
            "reference": "at most 720p with one",
        },
    ),
    Model(
        "grok_imagine_1_5_lite",
        "xAI's Grok Imagine Video 1.5 Lite at Runway: 1 to 15 s in 480p to 1080p.",
        (
            _way(TEXT, "promptText", "duration ratio", {"ratio": _all(_GROK)}),
            _way(IMAGE, "promptImage", "promptText duration ratio", {"ratio": _auto(_GROK)}),
        ),
        _tiers(_GROK),
        _seconds(5, 1, 15),
        2500,
        _by_tier(_READ, {"480p": "2", "720p": "3", "1080p": "14"}),
        Accepts(max_aspect=2.5),
        facts={
            "price": "and a credit for each picture, which the estimate leaves out",
            "size": "1080p is made in 720p and upscaled",
        },
    ),
    _wan("wan3", "Wan 3.0 at Runway: 480p to 1080p, with sound.", {"720p": "10", "480p": "5", "1080p": "20"}),
    _wan(
        "wan3_prime",
        "Wan 3.0 Prime at Runway: 480p to 1080p, with sound.",
        {"720p": "14", "480p": "6.8", "1080p": "28"},
    ),
    Model(
        "magnific_video_upscaler_creative",
        "Magnific's creative upscaler at Runway: a video of up to 30 s in 720p to 4K, with detail made up.",
        (
            _way(
                "video_upscale",
                "videoUri",
                "resolution creativity flavor fpsBoost sharpen smartGrain",
                {"resolution": "2k 720p 1k 4k"},
            ),
        ),
        video=Accepts(max_seconds=30.0),
        facts={
            "price": "0.7 credits for each frame of what is made in 720p and 1k, 0.9 in 2k, 1.2 in 4k, at "
            "least 1 credit, as others tell it; frames are not counted here, so there is no estimate"
        },
    ),
    Model(
        "enhance_frame_rate",
        "Runway's frame rate enhancer: a video of up to 300 s at 24 to 120 frames per second.",
        (_way("video_upscale", "targetFramerate videoUri"),),
        video=Accepts(max_seconds=300.0),
        facts={"rate": "must be said: target_framerate=60"},
    ),
    Model(
        "ruby",
        "Runway Ruby: a video as HDR.",
        (
            _way(
                "video_to_hdr",
                "videoUri",
                "outputFormat proresProfile",
                {"outputFormat": "hdr10 hlg hdr_prores", "proresProfile": ("422", "4444", "422 HQ")},
            ),
        ),
        rates=(Rate("20", {"large": False}, _READ), Rate("40", {"large": True}, _READ)),
        billed=True,
        facts={"price": "twice as much for videos of more than 4 megapixels"},
    ),
)

MODELS: Mapping[str, Model] = {model.name: model for model in _MODELS}
"""By the provider's name."""
