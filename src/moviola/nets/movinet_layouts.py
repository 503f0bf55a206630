"""Published checkpoints of MoViNet under the names of `moviola.nets.movinet`.

Kernels lose their extents of 1, since there they have no more dimensions than they need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from moviola.nets.layouts import Pairs, inverse, renamed
from moviola.nets.movinet import Stage


def from_port(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of Atze00/MoViNet-pytorch: Google's weights for PyTorch."""
    causal = not any(".conv3d." in name for name in state)
    return {name: _squeezed(tensor) for name, tensor in renamed(state, _port(causal)).items()}


def to_port(state: Mapping[str, Tensor], causal: bool) -> dict[str, Tensor]:
    """The same the other way round."""
    held = renamed(state, inverse(_port(causal)))
    return {name: _unsqueezed(tensor, 4 if causal else 5) for name, tensor in held.items()}


def is_tensorflow(state: Mapping[str, Tensor]) -> bool:
    """Whether these are names that TensorFlow gives."""
    return any("layer_with_weights-" in name for name in state)


def from_tensorflow(state: Mapping[str, Tensor], stages: Sequence[Stage]) -> dict[str, Tensor]:
    """Of tensorflow/models: a classifier saved by `tf.train.Checkpoint`, with its backbone or alone."""
    turned = {name: _turned(name, tensor) for name, tensor in state.items()}
    held = {name: _squeezed(tensor) for name, tensor in renamed(turned, _tensorflow(stages)).items()}
    # Counted by PyTorch alone, and used by nothing here.
    norms = [name.removesuffix("running_var") for name in held if name.endswith(".running_var")]
    return held | {f"{norm}num_batches_tracked": torch.tensor(0) for norm in norms}


def _port(causal: bool) -> Pairs:
    conv = "conv2d" if causal else "conv3d"
    return (
        ("conv1.conv_1.", "stem."),
        ("conv7.conv_1.", "projection."),
        (f"classifier.0.conv_1.{conv}.", "hidden."),
        (f"classifier.3.conv_1.{conv}.", "head."),
        (f".fc1.conv_1.{conv}.", ".fc1."),
        (f".fc2.conv_1.{conv}.", ".fc2."),
        (".deep.conv_1.", ".depthwise."),
        (".deep.conv_2.", ".temporal."),
        (".expand.conv_1.", ".expand."),
        (".project.conv_1.", ".project."),
        (".res.0.conv_1.", ".res.0."),
        (".res.1.conv_1.", ".res.1."),
        (f".{conv}.", ".conv."),
    )


def _tensorflow(stages: Sequence[Stage]) -> Pairs:
    """Layers are numbered: the first convolution, all blocks, the last one; the classifier is apart."""
    layers = ["stem."]
    skips: list[tuple[str, str]] = []
    for stage, (_, stride, blocks) in enumerate(stages):
        for layer in range(len(blocks)):
            layers.append(f"blocks.b{stage}_l{layer}.")
            halves = stride > 1 and layer == 0
            skips.append((f"{layers[-1]}_skip/_projection/", f"{layers[-1]}res.{int(halves)}."))
    layers.append("projection.")
    return (
        ("model/layer_with_weights-1/_head/", "hidden."),
        ("model/layer_with_weights-1/_classifier/", "head."),
        ("model/layer_with_weights-0/", ""),
        ("backbone/", ""),
        *((f"layer_with_weights-{number}/", layer) for number, layer in enumerate(layers)),
        # A two-dimensional convolution is wrapped in another layer.
        ("_conv/_conv/", "_conv/"),
        ("_conv_temporal/_conv/", "_conv_temporal/"),
        *skips,
        ("_stem/", ""),
        ("_project/", ""),
        ("hidden._conv/", "hidden."),
        ("head._conv/", "head."),
        ("_attention/_se_reduce/_conv/", "se.fc1."),
        ("_attention/_se_expand/_conv/", "se.fc2."),
        ("_mobile_bottleneck/_rezero/scale", "alpha"),
        ("_expansion/", "expand."),
        ("_projection/", "project."),
        ("_feature/_conv_temporal/", "temporal.conv."),
        ("_feature/_batch_norm_temporal/", "temporal.norm."),
        ("_feature/", "depthwise."),
        ("_conv/", "conv."),
        ("_batch_norm/", "norm."),
        ("depthwise_kernel", "weight"),
        ("kernel", "weight"),
        ("gamma", "weight"),
        ("beta", "bias"),
        ("moving_mean", "running_mean"),
        ("moving_variance", "running_var"),
    )


def _turned(name: str, tensor: Tensor) -> Tensor:
    """A kernel (…, inputs, outputs), or (…, channels, 1) of each channel alone, with channels first."""
    if tensor.ndim < 4:
        return tensor
    last = (-2, -1) if name.endswith("depthwise_kernel") else (-1, -2)
    return tensor.movedim(last, (0, 1)).contiguous()


def _squeezed(tensor: Tensor) -> Tensor:
    if tensor.ndim < 4:
        return tensor
    return tensor.reshape(*tensor.shape[:2], *(size for size in tensor.shape[2:] if size > 1))


def _unsqueezed(tensor: Tensor, dimensions: int) -> Tensor:
    """Extents of 1: in time for a convolution of frames, after all others for the rest."""
    if tensor.ndim < 2:
        return tensor
    if tensor.ndim == 4 and dimensions == 5:
        return tensor.unsqueeze(2)
    return tensor.reshape(*tensor.shape, *[1] * (dimensions - tensor.ndim))
