"""What can be asked of OpenAI's models: in either API, each model with each option, in every manner."""

from collections.abc import Iterator

from moviola.errors import RequestError
from moviola.hosted.till import Till
from moviola.hosted.transport import Transport
from moviola.models import openai_chat
from moviola.understanding.served.openai import OpenAISpeaker
from moviola.understanding.served.pictures import timed
from moviola.understanding.served.shape import Message
from moviola.understanding.speaker import Manner

APIS = ("responses", "chat")

PICTURE = "data:image/jpeg;base64,/9j/"
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}
OPTIONS = [
    {},
    {"detail": "low"},
    {"detail": "high"},
    {"detail": "original"},
    {"effort": "none"},
    {"effort": "minimal"},
    {"effort": "xhigh"},
    {"effort": "max"},
]
MANNERS = [
    Manner(),
    Manner(max_tokens=1),
    Manner(temperature=0.7, top_p=0.9),
    Manner(schema=SCHEMA),
]


class Seconds(list):
    def tolist(self):
        return list(self)


def questions(api: str, line: Transport) -> Iterator[tuple[OpenAISpeaker, list[Message], Manner]]:
    """Of a talk about a video. What a model refuses to be told is left out."""
    for card in openai_chat.CARDS:
        for options in OPTIONS:
            try:
                one = openai_chat.speaker(card, openai_chat.Options(api=api, **options), Till(card, line))
            except RequestError:
                continue
            content = [
                {"type": "text", "text": "Here:"},
                *timed([PICTURE], Seconds([0.5]), options.get("detail")),
            ]
            messages = [
                {"role": "system", "content": "Be short."},
                {"role": "user", "content": content},
                {"role": "assistant", "content": "A wall."},
                {"role": "user", "content": "Why?"},
            ]
            for manner in MANNERS:
                yield one, messages, manner
