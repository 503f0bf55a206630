"""Videos and texts in one space: finding moments by what a text says, and labels nobody trained for."""

from __future__ import annotations

import logging

# torchao, which transformers imports where it is installed, makes torch grumble about torchao's own enums.
logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)
