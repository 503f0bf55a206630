"""A speaker at the Gemini API, which sees whole files and hears them: https://ai.google.dev/gemini-api/docs."""
