"""Networks that no library supplies, in plain PyTorch: no files, no video, no registry."""
