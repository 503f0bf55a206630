"""What all recognizers share: reading checkpoints, choosing and preparing frames, predicting, training.

`build` imports no torch, so that a family's file stays light; all else is imported to load a model.
"""

import logging

# transformers imports torchao 0.18, where it is installed, which complains about torch.
logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)
