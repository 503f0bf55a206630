"""The versions of RIFE 4 and how they differ: arguments of `nets.rife.RIFE`.

Source: HolyWu/vs-rife @2a7f2c8, vsrife/IFNet_HDv3_v4_*.py and the multiples in vsrife/__init__.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

Arguments = Mapping[str, Any]

_FIRST = {"body": "skip", "outputs": 5, "sums_masks": True, "doubles": True}
_PLAIN = {"body": "plain", "outputs": 5, "sums_masks": True}

# From 4.7 on features of the frames are seen too. encoder: channels inside, channels out, convolutions.
_LINEAR = {"encoder": (16, 4, 2)}
_WIDE = {"encoder": (32, 8, 4)}
_NARROW = {"encoder": (16, 4, 4)}

_SLIM = {"widths": (128, 96, 64, 48)}
_FIRST_LITE = {**_SLIM, "encoder": (32, 4, 4)}
_LITE = {**_SLIM, **_NARROW}

# From 4.21 on blocks pass features of their own on, but for 4.24.
_PASSING = {"widths": (256, 192, 96, 48), "outputs": 13, **_WIDE}
_FIVE = {
    "widths": (192, 128, 96, 64, 32),
    "steps": (16, 8, 4, 2, 1),
    "outputs": 13,
    "multiple": 64,
    **_NARROW,
}

VERSIONS: Mapping[str, Arguments] = MappingProxyType(
    {
        **dict.fromkeys(("4.0", "4.1"), _FIRST),
        **dict.fromkeys(("4.2", "4.3", "4.4"), _PLAIN),
        "4.5": {"outputs": 5, "sums_masks": True},
        "4.6": {"sums_masks": True},
        **dict.fromkeys(("4.7", "4.8", "4.9"), _LINEAR),
        **dict.fromkeys(("4.10", "4.11", "4.12", "4.13", "4.14", "4.15", "4.17", "4.18", "4.19"), _WIDE),
        **dict.fromkeys(("4.12.lite", "4.13.lite"), _FIRST_LITE),
        "4.14.lite": {"groups": 2, **_WIDE},
        **dict.fromkeys(("4.15.lite", "4.16.lite", "4.17.lite"), _LITE),
        "4.20": {**_WIDE, "widths": (384, 192, 96, 48)},
        **dict.fromkeys(("4.21", "4.22", "4.23"), _PASSING),
        "4.22.lite": {"widths": (192, 128, 64, 32), "outputs": 13, **_NARROW},
        "4.24": _WIDE,
        "4.25": _FIVE,
        "4.25.lite": {
            **_FIVE,
            "widths": (192, 128, 96, 64, 24),
            "steps": (32, 16, 8, 4, 1),
            "multiple": 128,
        },
        "4.25.heavy": {**_FIVE, "widths": (384, 256, 192, 128, 64)},
        "4.26": _FIVE,
        "4.26.heavy": {**_FIVE, "encoder": (16, 16, 4)},
    }
)
