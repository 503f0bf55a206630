"""OpenAI's own package as the judge: of what we send, by its types; and of our fake, by its client."""

from types import ModuleType

import pytest
from openai_questions import APIS, questions
from pydantic import ConfigDict, TypeAdapter, ValidationError
from typing_extensions import is_typeddict

import fake_openai
from fake_openai import failing, responding, saying
from moviola.hosted.transport import Transport

openai = pytest.importorskip("openai", reason="OpenAI's package, of the dependency group dev, judges")

from openai.types import chat, responses  # noqa: E402
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming  # noqa: E402
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming  # noqa: E402


def strict(kind: type) -> TypeAdapter:
    """Of a request, that refuses names it does not know."""
    for module in (m for package in (chat, responses) for m in vars(package).values()):
        if isinstance(module, ModuleType):
            for held in vars(module).values():
                if is_typeddict(held):
                    held.__pydantic_config__ = ConfigDict(extra="forbid")
    return TypeAdapter(kind)


@pytest.fixture(scope="module")
def judges():
    return {
        "responses": strict(ResponseCreateParamsStreaming),
        "chat": strict(CompletionCreateParamsStreaming),
    }


def bodies(api):
    with Transport() as line:
        for speaker, messages, manner in questions(api, line):
            yield speaker.shape.body(speaker.model, messages, manner)


def exhausted(value):
    """What is validated lazily is validated by going through it."""
    if isinstance(value, dict):
        return {name: exhausted(held) for name, held in value.items()}
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        return value
    return [exhausted(held) for held in value]


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")


@pytest.mark.parametrize("api", APIS)
def test_every_body_is_one_of_its_own(judges, api):
    for body in bodies(api):
        assert exhausted(judges[api].validate_python(body)) == exhausted(body)


def test_the_judges_refuse_what_they_do_not_know(judges):
    for api, judge in judges.items():
        body = next(bodies(api))
        turns = "input" if api == "responses" else "messages"
        wrong = [body | {"max_words": 3}, body | {turns: [{"role": "user", "content": [{"type": "video"}]}]}]
        for each in wrong:
            with pytest.raises(ValidationError):
                exhausted(judge.validate_python(each))


@pytest.fixture
def client():
    with (
        fake_openai.serve() as served,
        openai.OpenAI(base_url=served.url, api_key="sk-1", max_retries=0) as sdk,
    ):
        yield served, sdk


def test_its_client_understands_our_answers(client):
    served, sdk = client
    served.replies = [
        responding("A red", " wall.", usage=(100, 7, 60, 10)),
        responding("A", status="incomplete", reason="max_output_tokens"),
        responding(refusal="No."),
    ]
    told = []
    for _ in range(3):
        events = list(sdk.responses.create(model="gpt-5.4", input="What?", stream=True))
        told.append((events[-1].type, events[-1].response))
    (done, whole), (cut, part), (_, declined) = told
    assert (done, cut) == ("response.completed", "response.incomplete")
    assert whole.output_text == "A red wall."
    assert whole.usage.input_tokens_details.cached_tokens == 60
    assert part.incomplete_details.reason == "max_output_tokens"
    assert declined.output[0].content[0].refusal == "No."


def test_its_client_understands_our_chat_completions(client):
    served, sdk = client
    served.replies = [saying("A red", " wall.", usage=(100, 7))]
    turn = {"role": "user", "content": "What?"}
    chunks = list(sdk.chat.completions.create(model="gpt-5.4", messages=[turn], stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "A red wall."
    assert chunks[-1].usage.prompt_tokens == 100


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (failing(401, "bad key", "invalid_api_key"), "AuthenticationError"),
        (failing(404, "no model", "model_not_found"), "NotFoundError"),
        (failing(429, "quota", "insufficient_quota"), "RateLimitError"),
        (failing(400, "too long", "context_length_exceeded"), "BadRequestError"),
    ],
)
def test_its_client_understands_our_refusals(client, reply, error):
    served, sdk = client
    served.replies = [reply]
    with pytest.raises(getattr(openai, error)) as told:
        sdk.responses.create(model="gpt-5.4", input="What?", stream=True)
    assert told.value.code in reply.body.decode()
