"""LPIPS against its authors' code with random weights, and against a published figure with the real ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx_weights import floats
from PIL import Image, ImageChops, ImageEnhance, ImageFilter
from recorded import checkpoint, clip, difference, recording
from torch import Tensor

from moviola.nets.lpips import Lpips, names
from moviola.recognition.checkpoint import read

RECORDED = recording("lpips")["nets"]
BACKBONES = list(RECORDED)


def filled(backbone: str) -> Lpips:
    network = Lpips(backbone).eval()
    network.load_state_dict(names(checkpoint(RECORDED[backbone]["keys"])))
    return network


def pair(height: int, width: int) -> tuple[Tensor, Tensor]:
    return clip("a", (2, 3, height, width)).tanh(), clip("b", (2, 3, height, width)).tanh()


@pytest.mark.parametrize("backbone", BACKBONES)
def test_the_authors_distances(backbone: str) -> None:
    network = filled(backbone)
    for size, theirs in RECORDED[backbone]["output"].items():
        height, width = map(int, size.split("x"))
        with torch.inference_mode():
            assert difference(network(*pair(height, width)), theirs) < 1e-4


@pytest.mark.parametrize("backbone", BACKBONES)
def test_it_is_zero_for_equal_pictures_and_symmetric(backbone: str) -> None:
    network = filled(backbone)
    a, b = pair(40, 47)
    with torch.inference_mode():
        assert network(a, a).abs().max() == 0
        assert torch.allclose(network(a, b), network(b, a), rtol=1e-5)


def test_features_in_bfloat16_are_compared_in_float32() -> None:
    network = filled("squeeze")
    a, b = pair(40, 47)
    with torch.inference_mode():
        exact = network(a, b)
        network.features.to(torch.bfloat16)
        rough = network(a, b)
    assert rough.dtype is torch.float32
    assert difference(rough, exact.tolist()) < 0.05


@pytest.fixture(scope="module")
def weights(media: Path) -> Path:
    folder = media.parent / "weights" / "lpips"
    if not folder.is_dir():
        pytest.skip("the weights of LPIPS are not beside the real clips")
    return folder


@pytest.fixture(scope="module")
def real(weights: Path) -> Lpips:
    """With the published weights of SqueezeNet, which a complete network in ONNX holds."""
    network = Lpips("squeeze").eval()
    held = floats(weights / "lpips_sq.onnx")
    trunk = {name.split(".", 3)[-1]: value for name, value in held.items() if name.startswith("core.net.")}
    features = {f"features.{name}": value for name, value in trunk.items()}
    network.load_state_dict(names(features | read(weights / "squeeze.pth")[0]))
    return network


def shown(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture.convert("RGB"))).movedim(-1, 0)[None].float() / 127.5 - 1


@pytest.mark.parametrize(("backbone", "features"), [("alex", 1152), ("vgg", 1472), ("squeeze", 2240)])
def test_the_published_weights_of_features_fit_and_none_counts_against(
    weights: Path, backbone: str, features: int
) -> None:
    published = names(read(weights / f"{backbone}.pth")[0])
    network = Lpips(backbone)
    missing, unexpected = network.load_state_dict(published, strict=False)
    assert not unexpected
    assert all(name.startswith("features.") for name in missing)
    assert sum(value.numel() for value in published.values()) == features
    assert all(value.min() >= 0 for value in published.values())


def test_a_real_pair_is_as_far_apart_as_the_complete_network_in_onnx_says(real: Lpips, media: Path) -> None:
    for told in recording("lpips-real")["pairs"]:
        a, b = (shown(Image.open(media / told[which])) for which in ("reference", "candidate"))
        with torch.inference_mode():
            assert float(real(a, b)) == pytest.approx(told["score"], abs=1e-5)


def test_a_published_figure(real: Lpips) -> None:
    """torchmetrics' own documentation states 0.1005 for ten random pairs."""
    drawn = torch.Generator().manual_seed(42)
    a, b = (2 * torch.rand(10, 3, 100, 100, generator=drawn) - 1 for _ in range(2))
    with torch.inference_mode():
        assert float(real(a, b).mean()) == pytest.approx(0.1005, abs=5e-5)


Change = Callable[[Image.Image], Image.Image]


def brighter(picture: Image.Image) -> Image.Image:
    return ImageEnhance.Brightness(picture).enhance(1.1)


def blurred(radius: float) -> Change:
    return lambda picture: picture.filter(ImageFilter.GaussianBlur(radius))


def contrast(picture: Image.Image) -> Image.Image:
    return ImageEnhance.Contrast(picture).enhance(0.8)


def shifted(picture: Image.Image) -> Image.Image:
    return ImageChops.offset(picture, 1, 0)


@pytest.mark.parametrize(
    ("nearer", "farther"),
    [(contrast, blurred(2)), (brighter, blurred(2)), (blurred(1), blurred(3)), (shifted, blurred(2))],
)
def test_blur_is_seen_before_contrast_light_and_a_shift_by_a_pixel(
    real: Lpips, media: Path, nearer: Change, farther: Change
) -> None:
    picture = Image.open(media / recording("lpips-real")["pairs"][0]["reference"]).convert("RGB")
    with torch.inference_mode():
        near, far = (float(real(shown(picture), shown(change(picture)))) for change in (nearer, farther))
    assert 0 < near < far
