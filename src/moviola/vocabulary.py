"""The verbs and what each of them does. Nothing is imported here, so that help can be given at once."""

VERBS = {
    "generate": "Make a video from a text, or from an image and a text.",
    "edit": "Change a video as a text says, all of it or where a mask is white.",
    "ask": "Answer a question about videos.",
    "caption": "Describe videos, as a whole or scene by scene with times.",
    "search": "Find the moments in a folder of videos that a text describes.",
    "recognize": "Say which actions happen in videos, of the whole or along the time.",
    "watch": "Say what happens in a camera or a stream, as it happens.",
    "train": "Teach a recognizer one's own classes, from labelled clips.",
    "interpolate": "Raise the frame rate: invent the pictures between the pictures.",
    "remove": "Remove an object and fill in what was behind it.",
    "mask": "Follow an object through a video and write its mask.",
    "measure": "Score a video, alone or against a reference.",
    "sample": "Take exact frames out of a video.",
    "again": "Make a video once more from the recipe inside it.",
    "pull": "Bring a model's weights onto this machine.",
}
"""In the order help lists them. A verb's request in `moviola.tasks` takes its documentation from here."""
