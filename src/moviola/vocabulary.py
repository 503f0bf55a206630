"""The verbs and what each of them does. Nothing is imported here, so that help can be given at once."""

VERBS = {
    "interpolate": "Raise the frame rate: invent the pictures between the pictures.",
    "remove": "Remove an object and fill in what was behind it.",
    "measure": "Score a video, alone or against a reference.",
    "sample": "Take exact frames out of a video.",
}
"""In the order help lists them. A verb's request in `moviola.tasks` takes its documentation from here."""
