"""What can be ordered of Replicate: input of a model is its own affair, and so these are but examples."""

from moviola import registry
from moviola.hosted.service import Given
from moviola.tasks import Edit, Generate

VERSION = "5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa"
FILES = {name: Given(f"asset:{name}") for name in ("image", "last_image", "video", "mask")}


def orders(path):
    family, card = registry.find(f"replicate/{path}")
    for verb, fields in ((Generate, {}), (Edit, {"video": "in.mp4"})):
        for options in ({}, {"cancel_after": 90, "n": "5", "first": "@image"}):
            request = verb(model=card.id, prompt="a lake", negative_prompt="people", seed=3, **fields)
            files = {name: given for name, given in FILES.items() if name != "last_image"}
            yield family.order(request, card, family.Options.model_validate(options), files)
