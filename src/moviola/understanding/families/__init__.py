"""What single families need beside their cards: networks put together, prompts, tiny checkpoints."""
