"""An embedder of this machine: pictures and lengths as the authors make them, memory and numbers watched."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import resize

from moviola.card import Embedding, ModelCard
from moviola.errors import ModelError
from moviola.searching.local import LocalEmbedder

FACTS = Embedding(
    frames=2,
    size=(30, 20),
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    width=3,
    text_tokens=7,
    temperature=0.01,
)
CARD = ModelCard(id="x", tasks=("search",), summary="A test.", licence="none", embedding=FACTS)


class Means(nn.Module):
    """A video is its mean colour, a text its first three tokens."""

    def __init__(self, most: int = 99) -> None:
        super().__init__()
        self.most = most
        self.seen: list[Tensor] = []

    def encode_video(self, video: Tensor) -> Tensor:
        if len(video) > self.most:
            raise torch.OutOfMemoryError
        self.seen.append(video)
        return video.mean(dim=(2, 3, 4))

    def encode_text(self, ids: Tensor, mask: Tensor) -> Tensor:
        return (ids * mask)[:, :3].float()


def letters(texts: Any, most: int) -> tuple[Tensor, Tensor]:
    ids = torch.tensor([[ord(letter) for letter in text[:most].ljust(most)] for text in texts])
    return ids, torch.ones_like(ids)


def embedder(network: nn.Module | None = None) -> LocalEmbedder:
    return LocalEmbedder(CARD, network or Means(), letters, device="cpu", dtype=torch.float32)


@pytest.mark.parametrize("shape", [(72, 96), (20, 30), (11, 200), (480, 13), (8, 8)])
def test_pictures_are_scaled_as_the_authors_transform_does(shape: tuple[int, int]) -> None:
    """`Resize` of tensors in the torchvision they had: bicubic, and not smoothed first."""
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    theirs = resize(
        torch.from_numpy(picture).permute(2, 0, 1), [20, 30], InterpolationMode.BICUBIC, antialias=False
    )
    ours = embedder().fit(picture)
    assert ours.shape == (20, 30, 3)
    assert np.abs(ours.astype(int) - theirs.permute(1, 2, 0).numpy().astype(int)).max() <= 1


def test_a_picture_of_16_bits_is_seen_in_8() -> None:
    picture = np.full((20, 30, 3), 257 * 77, np.uint16)
    assert (embedder().fit(picture) == 77).all()


def test_looks_come_to_the_network_normalised_colours_first() -> None:
    network = Means()
    looks = np.random.default_rng(1).integers(0, 256, (2, 2, 20, 30, 3), np.uint8)
    found = embedder(network).videos(looks)
    (video,) = network.seen
    assert video.shape == (2, 3, 2, 20, 30)
    expected = (looks / 255 - np.array(FACTS.mean)) / np.array(FACTS.std)
    assert video.permute(0, 2, 3, 4, 1).numpy() == pytest.approx(expected, abs=1e-5)
    means = expected.mean(axis=(1, 2, 3))
    assert found == pytest.approx(means / np.linalg.norm(means, axis=1, keepdims=True), abs=1e-5)
    assert found.dtype == np.float32


def test_embeddings_have_length_1() -> None:
    texts = embedder().texts(["abc", "zyx", "m"])
    assert np.linalg.norm(texts, axis=1) == pytest.approx(1)


def test_no_texts_are_no_rows() -> None:
    assert embedder().texts([]).shape == (0, 3)


def test_many_texts_come_in_the_order_given() -> None:
    texts = [f"{number:03d}" for number in range(150)]
    together = embedder().texts(texts)
    assert together.shape == (150, 3)
    assert together[149] == pytest.approx(embedder().texts(["149"])[0])


def test_where_memory_runs_out_looks_are_taken_in_halves() -> None:
    network = Means(most=2)
    looks = np.random.default_rng(2).integers(0, 256, (7, 2, 20, 30, 3), np.uint8)
    assert embedder(network).videos(looks) == pytest.approx(embedder().videos(looks), abs=1e-6)
    assert max(len(video) for video in network.seen) <= 2


def test_a_single_look_that_is_too_much_is_told_in_one_line() -> None:
    looks = np.zeros((2, 2, 20, 30, 3), np.uint8)
    with pytest.raises(ModelError, match="too little memory for one look of x"):
        embedder(Means(most=0)).videos(looks)


def test_numbers_that_are_none_are_told() -> None:
    class Broken(Means):
        def encode_video(self, video: Tensor) -> Tensor:
            return video.mean(dim=(2, 3, 4)) * torch.nan

    with pytest.raises(ModelError, match="NaN"):
        embedder(Broken()).videos(np.zeros((1, 2, 20, 30, 3), np.uint8))
