"""Servers with OpenAI's videos API on this machine, each kind with its own habits.

openai: the service as it was. vllm: vLLM-Omni, forms only. sglang: FastAPI's errors, `deleted`. litellm: no
deleting, words of its own. trtllm: TensorRT-LLM, which refuses names that it does not know.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.parser import HeaderParser
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from fake_provider import Answer, Asked, FakeProvider

FLAVOURS = ("openai", "vllm", "sglang", "litellm", "trtllm")

_KNOWN = {
    "openai": "prompt model seconds size input_reference",
    "trtllm": "prompt model seconds size input_reference image_reference video_reference audio_reference "
    "width height num_frames fps frame_rate num_inference_steps guidance_scale max_sequence_length "
    "negative_prompt seed format response_format extra_params",
}
"""What a creation may say where nothing else is taken."""

_WORKS = {
    "openai": ("queued", "in_progress"),
    "vllm": ("queued", "in_progress"),
    "sglang": ("queued", "in_progress"),
    "litellm": ("queued", "processing"),
    "trtllm": ("queued", "generating", "encoding"),
}


@dataclass
class File:
    name: str
    kind: str
    content: bytes


@dataclass
class Job:
    """call: the path it was made by. body: as the server read it; files are `File`s. looks: how many."""

    call: str
    body: dict[str, Any]
    looks: int = 0
    fetched: int = 0
    deleted: bool = False


class FakeVideos(FakeProvider):
    """film: what a job makes. key: that it takes; "" for none. states: what looks show before the job ends.

    ends: how it ends. error: of a job that failed, in the server's own form; its status where that is vLLM's.
    fields: what every job says beside. headers: of every look.
    """

    model = "openai-videos/acme/video-1"
    create = ("POST", r"/v1/videos")
    look = ("GET", r"/v1/videos/[^/]+")
    file = ("GET", r"/v1/videos/[^/]+/content")
    finds = False

    def __init__(
        self, film: bytes = b"a film", key: str = "server-key-of-the-tests", flavour: str = "vllm"
    ) -> None:
        super().__init__()
        self.film, self.key, self.flavour = film, key, flavour
        self.states: list[Any] = list(_WORKS[flavour])
        self.ends = "completed"
        self.error: Any = None
        self.error_status = 500
        self.fields: dict[str, Any] = {}
        self.headers: dict[str, str] = {}
        self.jobs: dict[str, Job] = {}

    @property
    def environment(self) -> dict[str, str]:
        return {"MOVIOLA_OPENAI_VIDEOS_URL": f"{self.url}/v1", "MOVIOLA_SERVER_KEY": self.key}

    def handle(self, asked: Asked) -> Answer:
        if self.key and asked.headers.get("authorization") != f"Bearer {self.key}":
            return self.refusal(401, f"Incorrect API key provided: {asked.headers.get('authorization')}")
        steps = [unquote(step) for step in asked.place.strip("/").split("/")]
        match asked.method, steps:
            case "POST", ["v1", "videos"]:
                return self._create(asked)
            case "POST", ["v1", "videos", "edits" | "extensions"] if self.flavour in ("openai", "litellm"):
                return self._of_a_video(asked, steps[2])
            case "POST", ["v1", "videos", id, "remix"] if self.flavour in ("openai", "litellm"):
                return self._made("remix", {**asked.json, "remixed_from_video_id": id})
            case "GET", ["v1", "videos"]:
                data = [self._shown(id, "queued") for id in self.jobs]
                ends = {"first_id": None, "last_id": None, "has_more": False}
                return Answer(200, {"object": "list", "data": data, **ends})
            case "GET", ["v1", "videos", id] if id in self.jobs and not self.jobs[id].deleted:
                return self._looked(id)
            case "GET", ["v1", "videos", id, "content"] if id in self.jobs and not self.jobs[id].deleted:
                return self._content(id, parse_qs(urlsplit(asked.path).query))
            case "DELETE", ["v1", "videos", id]:
                return self._delete(id)
            case ("POST", ["v1", "videos", _]) | ("POST", ["v1", "videos", _, _]):
                return self.refusal(405, "Method Not Allowed")
        return self.refusal(404, "Video not found")

    def refusal(self, status: int, message: str, param: str | None = None, code: Any = None) -> Answer:
        """In the server's own form."""
        if self.flavour == "sglang":
            return Answer(status, {"detail": message})
        kind = "invalid_request_error"
        code = status if code is None and self.flavour != "openai" else code
        return Answer(status, {"error": {"message": message, "type": kind, "param": param, "code": code}})

    def _create(self, asked: Asked) -> Answer:
        form = _form(asked)
        if form is None and self.flavour == "vllm":
            missing = {"type": "missing", "loc": ["body", "prompt"], "msg": "Field required"}
            return Answer(422, {"detail": [missing]})
        body = asked.json if form is None else form
        if not body.get("prompt"):
            return self.refusal(400, "prompt is required", "prompt")
        known = _KNOWN.get(self.flavour)
        unknown = next((name for name in body if known and name not in known.split()), None)
        if unknown:
            status = 422 if self.flavour == "trtllm" else 400
            return self.refusal(status, f"Unknown request field '{unknown}'", unknown)
        return self._strange(body, form is not None) or self._made("create", body)

    def _strange(self, body: dict[str, Any], is_form: bool) -> Answer | None:
        """What this kind of server does not take of the values."""
        seconds, size = body.get("seconds"), body.get("size")
        if self.flavour == "litellm" and not body.get("model"):
            return self.refusal(400, "model is required", "model")
        if self.flavour == "vllm":
            if body.get("model") not in (None, "acme/video-1"):
                return self.refusal(400, f"Model mismatch: request specifies '{body['model']}'")
            if not re.fullmatch(r"[1-9]\d*", seconds or "1") or not re.fullmatch(r"\d+x\d+", size or "1x1"):
                return Answer(422, {"detail": [{"type": "pattern", "loc": ["body", "seconds"], "msg": "no"}]})
        if self.flavour == "openai" and (
            seconds not in (None, "4", "8", "12") or size not in (None, "720x1280", "1280x720")
        ):
            return self.refusal(400, "Invalid value", "seconds", "invalid_value")
        if self.flavour == "sglang" and seconds is not None and (not is_form or not seconds.isdecimal()):
            return self.refusal(422, "seconds: Input should be a valid integer")
        return None

    def _of_a_video(self, asked: Asked, call: str) -> Answer:
        form = _form(asked)
        body = asked.json if form is None else form
        video = body.get("video")
        if not isinstance(video, File) and not (isinstance(video, dict) and video.get("id")):
            return self.refusal(400, "video is required", "video")
        if call == "extensions" and not body.get("seconds"):
            return self.refusal(400, "seconds is required", "seconds")
        return self._made(call, body)

    def _made(self, call: str, body: dict[str, Any]) -> Answer:
        id = f"video_{len(self.jobs) + 1}="
        self.jobs[id] = Job(call, body)
        return Answer(202 if self.flavour == "trtllm" else 200, self._shown(id, "queued"))

    def _shown(self, id: str, status: Any) -> dict[str, Any]:
        body = self.jobs[id].body
        shown = {
            "id": id,
            "object": "video",
            "model": body.get("model") or "acme/video-1",
            "status": status,
            "progress": 100 if status == "completed" else 40 if status == "in_progress" else 0,
            "created_at": 1_790_000_000,
            "completed_at": None,
            "expires_at": None,
            "seconds": body.get("seconds") or "4",
            "size": body.get("size") or "720x1280",
            "prompt": body.get("prompt"),
            "remixed_from_video_id": body.get("remixed_from_video_id"),
            "error": None,
        }
        if self.flavour == "litellm":
            shown["usage"] = {"duration_seconds": 4.0, "provider_reported_cost_usd": 0.4}
        return shown | self.fields

    def _looked(self, id: str) -> Answer:
        job = self.jobs[id]
        job.looks += 1
        if job.looks <= len(self.states):
            return Answer(200, self._shown(id, self.states[job.looks - 1]), self.headers)
        shown = self._shown(id, self.ends) | ({} if self.error is None else {"error": self.error})
        failed = self.ends == "failed" and self.flavour == "vllm"
        return Answer(self.error_status if failed else 200, shown, self.headers)

    def _content(self, id: str, query: dict[str, list[str]]) -> Answer:
        job = self.jobs[id]
        if job.looks <= len(self.states):
            return self.refusal(404, "Generation is still in-progress")
        if self.ends == "failed":
            return self.refusal(422, "Video generation failed")
        job.fetched += 1
        variant = query.get("variant", ["video"])[0]
        more = b"" if variant in ("video", "0") else f", take {variant}".encode()
        return Answer(200, self.film + more, {"Content-Type": "video/mp4", "ETag": f'"{variant}"'})

    def _delete(self, id: str) -> Answer:
        if self.flavour == "litellm":
            return self.refusal(405, "Method Not Allowed")
        if id not in self.jobs or self.jobs[id].deleted:
            return self.refusal(404, "Video not found")
        if self.flavour == "openai" and self.jobs[id].looks <= len(self.states):
            return self.refusal(400, "Only completed or failed videos can be deleted")
        self.jobs[id].deleted = True
        if self.flavour == "sglang":
            return Answer(200, self._shown(id, "deleted"))
        if self.flavour == "trtllm":
            return Answer(200, {"deleted": True})
        return Answer(200, {"id": id, "deleted": True, "object": "video.deleted"})


def _form(asked: Asked) -> dict[str, Any] | None:
    """The parts of a multipart form, texts and files by name; None for another kind of body."""
    kind = asked.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        return None
    boundary = b"--" + kind.partition("boundary=")[2].strip('"').encode()
    form: dict[str, Any] = {}
    for part in asked.body.split(boundary)[1:-1]:
        head, _, content = part[2:-2].partition(b"\r\n\r\n")
        told = HeaderParser().parsestr(head.decode())
        name, filename = told.get_param("name", header="content-disposition"), told.get_filename()
        form[name] = (
            content.decode() if filename is None else File(filename, told.get_content_type(), content)
        )
    # OpenAI's own client writes objects in a form as name[key].
    for name in [name for name in form if name.endswith("]")]:
        outer, _, inner = name[:-1].partition("[")
        form.setdefault(outer, {})[inner] = form.pop(name)
    return form
