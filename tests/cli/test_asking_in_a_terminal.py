"""`moviola ask`, `caption` and `search` as they are typed; a server answers, so that nothing is loaded."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fake_openai
from fake_openai import refusing, responding, saying
from moviola.film import film
from moviola.stage import Motion, Scene, Shot


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    shots = tuple(Shot(2.2, ground=n, camera=Motion(velocity=(30, 10))) for n in range(2))
    return film(Scene(shots, size=(96, 64)), tmp_path_factory.mktemp("film") / "clip.mp4")


@pytest.fixture
def served():
    with fake_openai.serve() as one:
        yield one


@pytest.fixture
def moviola(served):
    def call(verb, *arguments, typed=""):
        command = [sys.executable, "-m", "moviola", verb, *map(str, arguments), "--server", served.url]
        # Nobody's key goes to the server of a test.
        environment = {name: value for name, value in os.environ.items() if not name.endswith("_KEY")}
        return subprocess.run(command, input=typed, capture_output=True, text=True, env=environment)

    return call


def test_an_answer_is_printed_and_nothing_else_goes_to_stdout(moviola, served, clip):
    served.replies = [saying("Two ", "hills.")]
    done = moviola("ask", clip, "What is there?")
    assert (done.returncode, done.stdout) == (0, "Two hills.\n")


def test_json_is_one_document(moviola, served, clip):
    served.replies = [saying("Two hills.")]
    told = json.loads(moviola("ask", clip, "What is there?", "--json").stdout)
    assert told["text"] == "Two hills."
    assert told["model"] == "eye-7b"
    assert told["frames"] == len(told["shown"][0]["frame_seconds"]) > 1


def test_a_talk_goes_on_from_line_to_line(moviola, served, clip):
    served.replies = [saying("Hills."), saying("Two.")]
    done = moviola("ask", "--chat", clip, typed="What is there?\n\nHow many?\n")
    assert (done.returncode, done.stdout) == (0, "Hills.\nTwo.\n")
    first, second = served.asked
    assert len(second["messages"]) == len(first["messages"]) + 2


def test_the_first_question_of_a_talk_may_stand_in_the_command(moviola, served, clip):
    served.replies = [saying("Hills."), saying("Two.")]
    done = moviola("ask", "--chat", clip, "What is there?", typed="How many?\n")
    assert done.stdout == "Hills.\nTwo.\n"


def test_a_question_that_fails_does_not_end_a_talk(moviola, served, clip):
    served.replies = [refusing(400, "maximum context length is 10 tokens"), saying("Hills.")]
    done = moviola("ask", "--chat", clip, typed="What?\nAnd?\n")
    assert done.returncode == 0
    assert done.stdout == "Hills.\n"
    assert "error:" in done.stderr


def test_a_schema_that_is_not_satisfied_is_told_beside_the_answer(moviola, served, clip, tmp_path):
    (tmp_path / "schema.json").write_text('{"type": "object", "required": ["count"]}')
    served.replies = [saying('{"number": 2}'), saying('{"many": 2}')]
    done = moviola("ask", clip, "How many?", "--json-schema", tmp_path / "schema.json", "--attempts", 2)
    assert done.returncode == 0
    assert "'count' is a required property" in done.stderr
    assert "asked 2 times" in done.stderr


def test_a_cut_answer_says_so(moviola, served, clip):
    served.replies = [saying("Two", finish="length")]
    assert "--max-tokens" in moviola("ask", clip, "What?").stderr


def test_a_video_without_a_question_is_helped_along(moviola, clip):
    done = moviola("ask", clip)
    assert done.returncode == 2
    assert "What happens?" in done.stderr
    assert "--chat" in done.stderr


def test_scenes_are_printed_in_the_format_that_is_asked_for(moviola, served, clip):
    served.replies = [saying("A hill."), saying("Another.")]
    done = moviola("caption", clip, "--dense", "--format", "srt", "-O", "parallel=1")
    assert done.returncode == 0
    first, second = done.stdout.strip().split("\n\n")
    assert first.splitlines() == ["1", "00:00:00,000 --> 00:00:02,200", "A hill."]
    assert second.splitlines()[-1] == "Another."


def test_captions_that_are_written_are_named(moviola, served, clip, tmp_path):
    served.replies = [saying("Hills.")]
    output = tmp_path / "captions.txt"
    done = moviola("caption", clip, "-o", output)
    assert done.stdout == f"{output}\n"
    assert "Hills." in output.read_text()


def test_a_server_that_is_down_is_one_line(moviola, served, clip):
    served.url = "http://127.0.0.1:9"
    done = moviola("ask", clip, "What?")
    assert done.returncode == 1
    assert done.stderr.count("error:") == 1
    assert "is it running?" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_without_videos_cannot_be_searched(tmp_path):
    command = [sys.executable, "-m", "moviola", "search", str(tmp_path), "a hill"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert str(tmp_path) in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def hosted(served, tmp_path):
    """At OpenAI, as its fake plays it."""

    def call(verb, *arguments, typed="", key="sk-1"):
        command = [sys.executable, "-m", "moviola", verb, *map(str, arguments)]
        environment = {name: value for name, value in os.environ.items() if not name.endswith("_KEY")} | {
            "MOVIOLA_OPENAI_URL": served.url,
            "MOVIOLA_HOME": str(tmp_path / "home"),
            "MOVIOLA_KEYS": str(tmp_path / "keys.toml"),
            "OPENAI_API_KEY": key,
        }
        return subprocess.run(
            [*command, "--model", "openai-chat/gpt-5.4"],
            input=typed,
            capture_output=True,
            text=True,
            env=environment,
        )

    return call


def test_an_answer_that_is_paid_for_says_what_it_cost_once(hosted, served, clip):
    served.replies = [responding("Two hills.")]
    done = hosted("ask", clip, "What is there?")
    assert (done.returncode, done.stdout) == (0, "Two hills.\n")
    assert "note: costs about $0.0" in done.stderr
    assert done.stderr.endswith("cost $0.0004\n")
    again = hosted("ask", clip, "What is there?")
    assert again.stdout == "Two hills.\n"
    assert "paid for before" in again.stderr
    assert again.stderr.endswith("cost $0.00\n")
    assert len(served.asked) == 1


def test_a_talk_says_what_each_answer_cost(hosted, served, clip):
    done = hosted("ask", "--chat", clip, typed="What?\nWhy?\n")
    assert done.stdout == "Yes.\nYes.\n"
    assert done.stderr.count("cost $0.0004\n") == 2
    assert done.stderr.count("note: costs about") == 1


def test_captions_say_what_they_cost(hosted, served, clip):
    done = hosted("caption", clip)
    assert (done.stdout, done.stderr.splitlines()[-1]) == ("Yes.\n", "cost $0.0004")
    assert json.loads(hosted("caption", clip, "--json").stdout)["cost_usd"] == "0"


@pytest.mark.parametrize("asked", [("ask", "What?"), ("ask", "--chat"), ("caption",)])
def test_what_it_would_cost_is_said_and_nothing_sent(hosted, served, clip, asked):
    verb, *more = asked
    done = hosted(verb, clip, *more, "--cost", key="")
    assert done.returncode == 0
    assert done.stdout.startswith("openai-chat/gpt-5.4: about $0.0")
    told = json.loads(hosted(verb, clip, *more, "--cost", "--json", key="").stdout)
    assert float(told["usd"]) > 0
    assert served.asked == []


def test_what_costs_too_much_is_refused(hosted, served, clip):
    done = hosted("ask", clip, "What?", "--max-cost", "0.001")
    assert done.returncode == 2
    assert "above the max_cost of $0.001" in done.stderr
    assert served.asked == []
