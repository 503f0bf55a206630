"""Structured answers: a schema is checked before anyone is asked, JSON is found whatever stands around it."""

import json
import socket
from collections.abc import Generator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from moviola.errors import InputError, RequestError
from moviola.understanding.schema import Form, answered
from moviola.understanding.speaker import Manner, Said

SCENE = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "scenes": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"start": {"type": "number"}, "what": {"type": "string", "maxLength": 20}},
                "required": ["start", "what"],
            },
        },
    },
    "required": ["title", "scenes"],
    "additionalProperties": False,
}
ANY = Form.of({})
GOOD = '{"title": "A walk", "scenes": [{"start": 0.5, "what": "a dog"}]}'
ONE_SLIP = '{"title": "A walk", "scenes": [{"start": "0.5", "what": "a dog"}]}'
TWO_SLIPS = '{"title": 3, "scenes": [{"start": "0.5", "what": "a dog"}]}'


# Schemas ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "strin"}, "at $.type: 'strin'"),
        ({"properties": {"a": {"minimum": "1"}}}, "at $.properties.a.minimum: '1' is not of type 'number'"),
        ({"properties": {"a": 5}}, "at $.properties.a: 5"),
        ({"pattern": "("}, "at $.pattern: '(' is not a 'regex'"),
        ({"$schema": 3}, "at $['$schema']: 3"),
        ({"items": {"$ref": "#/$defs/scene"}}, "refers to #/$defs/scene, which it does not hold"),
        ({"enum": {1, 2}}, "is not JSON"),
    ],
)
def test_a_schema_that_is_none_is_told_with_the_place(schema, told):
    with pytest.raises(InputError, match="the schema") as raised:
        Form.of(schema)
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_schema_never_asks_the_network(monkeypatch):
    monkeypatch.setattr(socket, "create_connection", pytest.fail)
    with pytest.raises(InputError, match="refers to http://127"):
        Form.of({"$ref": "http://127.0.0.1:9/scene"})


def test_references_within_a_schema_are_followed():
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}, "additionalProperties": False}
    form = Form.of({"$id": "https://example.org/list", "$defs": {"node": node}, "$ref": "#/$defs/node"})
    assert form.read('{"next": {"next": {}}}') == ({"next": {"next": {}}}, None)
    assert form.read('{"next": {"last": {}}}')[1].startswith("$.next: Additional properties")


def test_a_file_is_read(tmp_path):
    path = tmp_path / "scene.json"
    path.write_text(json.dumps(SCENE), encoding="utf-8-sig")
    assert Form.of(path).schema == SCENE


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "No such file"),
        ("{", "is not JSON: Expecting property name"),
        ("[1]", "has to be a JSON object"),
        ('{"minimum": NaN}', "is not JSON: NaN is no number"),
        (b"\xff\xfe\x00", "is not JSON"),
        ('{"type": 1}', "is not valid at $.type: 1"),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path, content, told):
    path = tmp_path / "scene.json"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as raised:
        Form.of(path)
    assert str(raised.value).startswith(f"the schema {path} ")
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_older_draft_is_read_by_its_own_rules():
    pair = {"items": [{"type": "integer"}, {"type": "string"}]}
    older = Form.of({"$schema": "http://json-schema.org/draft-07/schema#"} | pair)
    assert older.read("[1, 2]")[1] == "$[1]: 2 is not of type 'string'"
    with pytest.raises(InputError, match=r"at \$.items"):
        Form.of(pair)


def test_the_form_is_its_own():
    schema = {"type": "object", "properties": {}}
    form = Form.of(schema)
    schema["properties"]["a"] = {"type": "integer"}
    assert form.schema["properties"] == {}


# Reading ---------------------------------------------------------------------------------------------------

_TEXTS = st.text(max_size=12) | st.sampled_from(["{", "}]", "```", "\\", '"', "```json\n{}\n```", "a}b{c"])
_FLOATS = st.floats(allow_nan=False, allow_infinity=False)
_LEAVES = st.none() | st.booleans() | st.integers() | _FLOATS | _TEXTS
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=12,
)
_BRANCHES = st.lists(_VALUES, max_size=4) | st.dictionaries(_TEXTS, _VALUES, max_size=4)
_PROSE = st.text(st.characters(blacklist_characters="{[`", blacklist_categories=["Cs"]), max_size=30)
_MARKS = st.sampled_from(["", "json", " JSON5"])
_INDENTS = st.sampled_from([None, 0, 2])


@given(value=_VALUES, indent=_INDENTS, ascii_only=st.booleans())
def test_bare_json_is_read_back(value, indent, ascii_only):
    assert ANY.read(f" {json.dumps(value, indent=indent, ensure_ascii=ascii_only)}\n") == (
        value,
        None,
    )


@given(
    value=_VALUES, indent=_INDENTS, before=_PROSE, after=_PROSE, mark=st.sampled_from(["", "json", " JSON5"])
)
@example(value="```", indent=None, before="", after="", mark="json")
def test_fenced_json_is_read_back(value, indent, before, after, mark):
    text = f"{before}\n```{mark}\n{json.dumps(value, indent=indent)}\n```\n{after}"
    assert ANY.read(text) == (value, None)


@given(value=_BRANCHES, indent=_INDENTS, before=_PROSE, after=_PROSE)
def test_an_object_or_array_among_words_is_read_back(value, indent, before, after):
    text = f"Here: {before} {json.dumps(value, indent=indent)} {after}"
    assert ANY.read(text) == (value, None)


@given(value=_BRANCHES, data=st.data())
def test_json_that_breaks_off_is_never_taken_for_whole(value, data):
    written = json.dumps({"first": value, "second": value})
    part = written[: data.draw(st.integers(1, len(written) - 1))]
    assert ANY.read(f"Here it is: {part}") == (
        None,
        "the JSON of the answer is cut off before its end",
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('as seen in [1] and [2], {"a": [3]} is it', {"a": [3]}),
        ('I use { for objects: {"a": 1}', {"a": 1}),
        ('{"a": 1} {"b": [1, 2]}', {"b": [1, 2]}),
        ('{"a": [1, 2, 3]} and then [', {"a": [1, 2, 3]}),
        ('[note: {"a": 1}', {"a": 1}),
    ],
)
def test_the_longest_of_several_is_taken(text, value):
    assert ANY.read(text) == (value, None)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "the answer holds no JSON"),
        ("There is a dog.", "the answer holds no JSON"),
        ('{"a": {"b": 1}', "the JSON of the answer is cut off before its end"),
        ("{'a': [1]}", "the answer is not JSON: Expecting property name enclosed in double quotes"),
        ('```json\n{"a": [1] "b": 2}\n```', "the answer is not JSON: Expecting ',' delimiter"),
        ('{"a": NaN}', "the answer is not JSON: NaN is no number in JSON"),
        ('{"a": 1e999}', "the answer is not JSON: 1e999 is too large a number"),
        ("[" * 5000, "the JSON is nested too deeply"),
        ("[" * 5000 + "]" * 5000, "nested too deeply"),
    ],
)
def test_an_answer_without_json_says_so(text, error):
    value, told = ANY.read(text)
    assert value is None
    assert error in told


def test_null_is_a_value_like_any_other():
    assert Form.of({"type": "null"}).read("null") == (None, None)


def test_a_fault_is_told_with_its_path():
    form = Form.of(SCENE)
    assert form.read(GOOD) == (json.loads(GOOD), None)
    assert form.read(ONE_SLIP) == (json.loads(ONE_SLIP), "$.scenes[0].start: '0.5' is not of type 'number'")
    assert form.read('{"title": "A walk"}')[1] == "$: 'scenes' is a required property"


def test_formats_are_checked():
    form = Form.of({"type": "string", "format": "date"})
    assert form.read('"2026-02-28"') == ("2026-02-28", None)
    assert form.read('"2026-02-30"')[1] == "$: '2026-02-30' is not a 'date'"


def test_an_error_stays_short_and_on_one_line():
    value = {"title": "A walk", "scenes": [{"start": 1, "what": "a\ndog " * 1000}]}
    error = Form.of(SCENE).read(json.dumps(value))[1]
    assert len(error) < 260
    assert "\n" not in error
    assert error.startswith("$.scenes[0].what: ")
    assert error.endswith("is too long")


# Asking ----------------------------------------------------------------------------------------------------


class Scripted:
    """A talk whose answers are known: text, or an error to raise."""

    def __init__(self, *answers: str | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.manners: list[Manner] = []

    def ask(self, question: str, manner: Manner) -> Generator[str, None, Said]:
        self.asked.append(question)
        self.manners.append(manner)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        yield answer[:5]
        yield answer[5:]
        return Said(answer, prompt_tokens=len(self.asked), answer_tokens=len(answer))


def all_of(asking):
    pieces = []
    while True:
        try:
            pieces.append(next(asking))
        except StopIteration as end:
            return "".join(pieces), end.value


def test_a_good_answer_is_asked_for_once():
    talk, form = Scripted(GOOD), Form.of(SCENE)
    text, found = all_of(answered(talk, "What happens?", form, Manner(temperature=0.5), 3))
    assert text == found.text == GOOD
    assert (found.value, found.error, found.attempts) == (json.loads(GOOD), None, 1)
    assert talk.asked == [f"What happens?\n\n{form.instruction()}"]
    assert json.loads(form.instruction().partition("\n")[2]) == SCENE
    assert talk.manners == [Manner(temperature=0.5, schema=form.schema)]


def test_the_model_is_told_what_was_wrong():
    talk, form = Scripted("Well …", ONE_SLIP, GOOD), Form.of(SCENE)
    text, found = all_of(answered(talk, "What happens?", form, Manner(), 3))
    assert text == f"Well …\n{ONE_SLIP}\n{GOOD}"
    assert (found.error, found.attempts, found.last.prompt_tokens) == (None, 3, 3)
    assert talk.asked[1:] == [
        form.complaint("the answer holds no JSON"),
        form.complaint("$.scenes[0].start: '0.5' is not of type 'number'"),
    ]
    assert "'0.5' is not of type 'number'" in talk.asked[2]


@pytest.mark.parametrize(
    ("answers", "best"),
    [
        ((ONE_SLIP, TWO_SLIPS, "no"), 0),
        (("no", TWO_SLIPS, ONE_SLIP), 2),
        ((ONE_SLIP, ONE_SLIP.replace("walk", "run"), TWO_SLIPS), 1),
        (("no", "never", "not at all"), 2),
    ],
)
def test_of_answers_that_all_fail_the_one_with_the_fewest_errors_is_kept(answers, best):
    _, found = all_of(answered(Scripted(*answers), "What happens?", Form.of(SCENE), Manner(), 3))
    assert found.text == answers[best]
    assert found.error is not None
    assert found.attempts == 3
    assert found.last.text == answers[2]
    assert (found.value, found.error) == Form.of(SCENE).read(answers[best])


def test_an_attempt_that_no_longer_fits_leaves_those_before_it():
    talk = Scripted(ONE_SLIP, RequestError("2 frames would fit"), GOOD)
    _, found = all_of(answered(talk, "What happens?", Form.of(SCENE), Manner(), 3))
    assert (found.text, found.attempts) == (ONE_SLIP, 1)
    with pytest.raises(RequestError):
        all_of(answered(Scripted(RequestError("2 frames would fit")), "What?", Form.of(SCENE), Manner(), 3))


def test_a_server_that_fails_is_not_hidden():
    with pytest.raises(InputError, match="no server"):
        all_of(answered(Scripted(ONE_SLIP, InputError("no server")), "What?", Form.of(SCENE), Manner(), 3))
