"""What all families on diffusers share: loading, placing, stepping, long videos, previews.

`drive` and `wan` import no torch, so that a family's file stays light; all else is imported to load a model.
"""

import logging

# diffusers 0.42 and torchao 0.18, where it is installed, complain about each other as they are imported.
for _name in ("torch.utils._pytree", "diffusers.quantizers.torchao.torchao_quantizer"):
    logging.getLogger(_name).setLevel(logging.ERROR)
