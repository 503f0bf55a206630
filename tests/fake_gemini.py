"""The Gemini API on this machine: it says what it is told to, and keeps the files it is brought."""

from __future__ import annotations

import json
from typing import Any

from fake_gemini_files import FakeFiles
from fake_provider import Answer, Asked, FakeProvider

USAGE = {
    "promptTokenCount": 1000,
    "candidatesTokenCount": 20,
    "thoughtsTokenCount": 80,
    "totalTokenCount": 1100,
}


def event(*parts: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A piece of an answer, as Google writes it."""
    candidate: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": "gemini-3.8-flash", "responseId": "r-1", **more}


def stream(*events: Any, **answer: Any) -> Answer:
    """Events as they are sent; a text stands for itself."""
    sent = [each if isinstance(each, str) else json.dumps(each) for each in events]
    body = "".join(f"data: {each}\r\n\r\n" for each in sent).encode()
    return Answer(200, body, {"Content-Type": "text/event-stream"}, **answer)


def saying(*pieces: str, finish: str = "STOP", usage: dict[str, Any] | None = None, **more: Any) -> Answer:
    """A whole answer, with thoughts before it that nobody asked to see."""
    counted = {"usageMetadata": USAGE if usage is None else usage}
    thought = event({"text": "Hm. ", "thought": True}, usageMetadata={"promptTokenCount": 1000})
    middle = [event({"text": piece}, **counted, **more) for piece in pieces]
    end = event({"text": "", "thoughtSignature": "c2ln"}, finish=finish, **counted, **more)
    return stream(thought, *middle, end)


def refusing(status: int, said: str, message: str, *details: dict[str, Any]) -> Answer:
    error = {"code": status, "message": message, "status": said, "details": list(details)}
    return Answer(status, {"error": error})


def quota(quota_id: str, delay: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Details of a refusal for a quota."""
    return (
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota_id}]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay},
    )


class FakeGemini(FakeProvider):
    """key: that it takes. answers: to the next questions; "A lake." where there are none.

    files: that were brought. questions: the bodies of all questions, in their order.
    """

    model = "gemini/3.8-flash"
    ask = ("POST", r"/v1beta/models/[^/]*:streamGenerateContent")

    def __init__(self, key: str = "gemini-key-of-the-tests") -> None:
        super().__init__()
        self.key = key
        self.files = FakeFiles(self.url)
        self.answers: list[Answer] = []
        self.models = ["gemini-3.8-flash", "gemini-2.5-flash-lite"]

    @property
    def environment(self) -> dict[str, str]:
        return {"GEMINI_API_KEY": self.key, "MOVIOLA_GEMINI_URL": self.url}

    @property
    def questions(self) -> list[Any]:
        return [asked.json for asked in self.asked if "GenerateContent" in asked.place]

    def handle(self, asked: Asked) -> Answer:
        assert self.key not in asked.path, "a key in an address ends in logs"
        if not asked.place.startswith("/room/") and asked.headers.get("x-goog-api-key") != self.key:
            reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
            words = "API key not valid. Please pass a valid API key."
            return refusing(400, "INVALID_ARGUMENT", words, reason)
        if (about_files := self.files.handle(asked)) is not None:
            return about_files
        model = asked.place.removeprefix("/v1beta/models/").removesuffix(":streamGenerateContent")
        if asked.method != "POST" or "alt=sse" not in asked.path or model not in self.models:
            words = f"models/{model} is not found for API version v1beta, or is not supported"
            return refusing(404, "NOT_FOUND", words)
        return self._wrong(asked.json) or (self.answers.pop(0) if self.answers else saying("A", " lake."))

    def _wrong(self, body: Any) -> Answer | None:
        """What is no question."""
        for turn in body["contents"]:
            for part in turn["parts"]:
                if part == {"text": ""}:
                    return refusing(
                        400, "INVALID_ARGUMENT", "Unable to submit request: empty text parameter."
                    )
                uri = part.get("fileData", {}).get("fileUri", "")
                name = uri.removeprefix(f"{self.url}/v1beta/")
                if name != uri and name not in self.files.held:
                    words = f"You do not have permission to access the File {name} or it may not exist."
                    return refusing(403, "PERMISSION_DENIED", words)
        return None
