"""VideoMAE V2: a billion parameters, and small models taught by them (Wang et al. 2023, arXiv 2303.16727)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from moviola.card import Accuracy, ModelCard, Part, Recognition, Weights
from moviola.model import Model, Setup
from moviola.recognition import build
from moviola.recognition.library import from_transformers

_REPO = "OpenGVLab/VideoMAE2"
_ZOO = "OpenGVLab/VideoMAEv2@29eab1e, docs/MODEL_ZOO.md"
_MMACTION2 = "open-mmlab/mmaction2@4d6c934, configs/recognition/videomaev2/README.md"
_PAPER = "the VideoMAE V2 paper (arXiv 2303.16727), comparison with the state of the art"

_LICENCE = "unclear: the Hub says Apache-2.0 here and CC-BY-NC-4.0 beside its siblings; the code is MIT"

_EPS = {"layer_norm_eps": 1e-6, "head_norm_eps": 1e-6}

_S: dict[str, Any] = {
    "hidden_size": 384,
    "num_hidden_layers": 12,
    "num_attention_heads": 6,
    "intermediate_size": 1536,
    "drop_path": 0.1,
    **_EPS,
}
_B = _S | {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072}
_G = _S | {
    "patch_size": 14,
    "hidden_size": 1408,
    "num_hidden_layers": 40,
    "num_attention_heads": 16,
    "intermediate_size": 6144,
    "drop_path": 0.3,
}

_LABELS = "the names that the authors print for Kinetics-710 are wrong for many outputs; see the label map"


def _card(
    size: str,
    network: dict[str, Any],
    parameters: int,
    file: str,
    top1: float,
    top5: float | None,
    *,
    cost: tuple[float, float, str],
    others: tuple[tuple[str, float], ...] = (),
    ssv2: bool = False,
    **facts: str,
) -> ModelCard:
    """cost: GMACs, millions of parameters, and where published. others: top-1 on parts of its classes."""
    labels = "something-something-v2" if ssv2 else "kinetics-710"
    views = (2, 3) if ssv2 else (5, 3)
    told = "174 ways to handle something" if ssv2 else "710 actions, of all of Kinetics"
    gmacs, millions, cost_source = cost
    return ModelCard(
        id=f"videomae-v2-{size}-{'ssv2' if ssv2 else 'k710'}",
        tasks=("recognize", "watch"),
        summary=f"{told}: ViT-{size}{', distilled from ViT-g' * (size != 'g')}, 16 frames.",
        licence=_LICENCE,
        commercial=False,
        extra="local",
        recognition=Recognition(
            labels=labels,
            classes=174 if ssv2 else 710,
            protocol="videomae",
            frames=16,
            stride=None if ssv2 else 4,
            short_side=224,
            crop=(224, 224),
            mean=(0.485, 0.456, 0.406),
            std=(0.229, 0.224, 0.225),
            views=views,
            accuracy=(
                Accuracy(dataset=labels, top1=top1, top5=top5, views=views, source=_ZOO),
                *(Accuracy(dataset=part, top1=of_it, views=views, source=_ZOO) for part, of_it in others),
            ),
            gmacs=gmacs,
            parameters_millions=millions,
            cost_source=cost_source,
        ),
        network=network,
        weights=(Weights(repo=_REPO, files=(file,)),),
        parts=(Part(name="network", parameters=parameters, role="other"),),
        source=f"https://huggingface.co/{_REPO}",
        facts=facts,
    )


CARDS: tuple[ModelCard, ...] = (
    _card(
        "s",
        _S,
        22_153_286,
        "distill/vit_s_k710_dl_from_giant.pth",
        77.6,
        None,
        cost=(57, 22, _MMACTION2),
        others=(("kinetics-400", 83.7), ("kinetics-600", 83.1)),
        labels=_LABELS,
        measured="by mmaction2: 83.6/96.3 on Kinetics-400",
        siblings="fine-tuned on Kinetics-400 after that: 84.0, no public checkpoint of the authors'",
    ),
    _card(
        "b",
        _B,
        86_773_190,
        "distill/vit_b_k710_dl_from_giant.pth",
        81.5,
        None,
        cost=(180, 87, _MMACTION2),
        others=(("kinetics-400", 86.6), ("kinetics-600", 85.9)),
        labels=_LABELS,
        measured="by mmaction2: 86.6/97.3 on Kinetics-400",
        siblings="fine-tuned on Kinetics-400 after that: 87.1, no public checkpoint of the authors'",
    ),
    _card(
        "g",
        _G,
        1_012_611_142,
        "mae-g/vit_g_hybrid_pt_1200e_k710_ft.pth",
        83.8,
        96.4,
        cost=(2544, 1011, f"{_PAPER}: 38.16 TFLOPs for 15 views"),
        labels=_LABELS,
        siblings="no public checkpoint on Kinetics-400: 88.5/98.1 after Kinetics-710 (88.4/98.0 in the model "
        "zoo), 87.2/97.4 without it, 90.0/98.4 at 64x266x266 with 2x3 views (26717 GMACs)",
        misquoted="87.4/97.6 at 582 GFLOPs on Kinetics-400: the accuracy is that of VideoMAE's ViT-H at "
        "32x320x320, the cost that of no model; V2-g has 88.5/98.1 at 2544",
    ),
    _card(
        "g",
        _G | {"drop_path": 0.25},
        1_011_855_918,
        "mae-g/vit_g_hybrid_pt_1200e_ssv2_ft.pth",
        77.0,
        95.9,
        cost=(2544, 1011, f"{_PAPER}: 38.16 TFLOPs for 15 views"),
        ssv2=True,
        siblings="no public checkpoint: H 76.8/95.8, L 75.7, B 71.2",
    ),
)


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


_BUILD = from_transformers("videomae")

network = _BUILD.network


def load(card: ModelCard, setup: Setup) -> Model:
    return build.load(card, setup, _BUILD)


def tiny(card: ModelCard, folder: Path) -> ModelCard:
    from moviola.recognition import tiny, videomae

    patch = card.network.get("patch_size", 16)
    return tiny.saved(
        card,
        folder,
        network,
        recognition={"frames": 4, "short_side": 2 * patch, "crop": (2 * patch, 2 * patch)},
        arguments=dict(card.network)
        | {
            "hidden_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 3,
            "intermediate_size": 192,
        },
        published=videomae.by_the_authors,
    )
