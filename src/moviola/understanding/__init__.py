"""What models share that answer questions about videos: frames they see, prompts, answers, memory."""

from __future__ import annotations

import logging

# torchao, which transformers imports where it is installed, makes torch grumble about torchao's own enums.
logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)
