"""How each provider is spoken with: one file for each of their interfaces."""
