"""InternVideo2's encoder as InternVideo2-Chat has it: all of its tokens, for a Q-Former to look at."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from moviola.nets.internvideo2 import Encoder


class VideoTokens(Encoder):
    """The encoder without its pooling, and with positions of their own for a single picture.

    Arguments are the encoder's. Of the 1B's 40 blocks the last is left out, as its authors do here.
    """

    def __init__(self, **encoder: Any) -> None:
        super().__init__(**encoder)
        del self.clip_projector
        _, rows, columns = self.grid
        self.img_pos_embed = nn.Parameter(torch.empty(1, 1 + rows * columns, self.pos_embed.shape[-1]))
        nn.init.trunc_normal_(self.img_pos_embed, std=0.02)

    def forward(self, video: Tensor) -> Tensor:
        """video (B, 3, T, H, W), normalised → (B, 1 + patches, width)

        A single frame is of the size that the encoder was made for.
        """
        if video.shape[2] > 1:
            return self.tokens(video)
        patches = self.patch_embed(video).flatten(1, 3)
        x = torch.cat((self.cls_token.expand(len(video), -1, -1), patches), 1) + self.img_pos_embed
        for block in self.blocks:
            x = block(x)
        return x
