"""What can be ordered of Luma: every size and length, and every option, with files and without."""

from itertools import product

from moviola import registry
from moviola.hosted.service import Given
from moviola.hosted.shaping import settle
from moviola.tasks import Edit, Generate, request

PICTURE = Given("https://x/lake.jpg")
FILE = Given("asset:1", "image/png")
VIDEO = Given("https://x/clip.mp4", seconds=5.0)

BEFORE = "123e4567-e89b-12d3-a456-426614174000"
"""A generation, as Luma numbers them."""

AGENTS_OPTIONS = (
    {"loop": True},
    {"hdr": True},
    {"after": BEFORE},
    {"before": BEFORE},
    {"keyframes": {0: "https://x/a.png", 60: "https://x/b.png"}},
)
AGENTS_EDITS = (
    {},
    {"mode": "reimagine_3", "resolution": "360p"},
    {"depth": 0.5, "normals": 0.1, "trajectory": 1, "pose": "precise", "face": False, "hdr": True},
    {"keyframes": {0: "https://x/a.png"}},
)
RAY_2_OPTIONS = ({"loop": True}, {"after": BEFORE}, {"before": BEFORE}, {"concepts": "pan_left"})


def order(task, model, options, files, **fields):
    family, card = registry.find(model, task=task.verb)
    named = {name: file.address for name, file in files.items()}
    settled, _ = settle(request(task, {"prompt": "a lake", "model": model} | named | fields), card)
    return family.order(settled, card, family.Options.model_validate(options), files)


def generated(model, own, local):
    """Every size and length, and every option with and without pictures."""
    _, card = registry.find(model)
    for size, seconds in product(card.limits.sizes, card.limits.durations):
        yield order(Generate, model, {}, {}, size=size, seconds=seconds)
        for files in ({"image": local}, {"image": PICTURE, "last_image": local}):
            yield order(Generate, model, {}, files, size=size, seconds=seconds)
    yield from (order(Generate, model, options, {}) for options in own)


def of_agents():
    yield from generated("luma/ray-3.2", AGENTS_OPTIONS, FILE)
    for options, video in product(AGENTS_EDITS, (VIDEO, Given("asset:2", "video/mp4"))):
        yield order(Edit, "luma/ray-3.2", options, {"video": video})
    yield order(Edit, "luma/ray-3.2", {}, {"video": VIDEO, "reference": FILE}, strength=0.4)
    _, card = registry.find("luma/ray-3.2")
    for size in card.limits.sizes:
        if size not in ((1080, 1920), (1080, 1440)):
            options = {"reframe": True, "place": (0, 0, 0.5, 0.5)}
            yield order(Edit, "luma/ray-3.2", options, {"video": VIDEO}, size=size)


def of_ray_2(model):
    yield from generated(model, RAY_2_OPTIONS, PICTURE)
    for step in range(9):
        yield order(Edit, model, {}, {"video": VIDEO, "reference": PICTURE}, strength=(step + 0.5) / 9)
    for size in registry.find(model)[1].limits.sizes:
        yield order(Edit, model, {"reframe": True}, {"video": VIDEO}, size=size)
