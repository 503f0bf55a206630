"""What every model that answers questions owes: answers that are its network's own, by whatever way."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import DynamicCache

from moviola import registry
from moviola.clip import Clip
from moviola.generators import finished
from moviola.model import Setup
from moviola.plan.plan import Plan
from moviola.understanding.library import Library
from moviola.understanding.local import LocalSpeaker
from moviola.understanding.speaker import Manner, Sight

# One of each family: what its models differ in is size.
FAMILIES = {
    registry.family_of(card): card
    for card in registry.cards()
    if card.understanding is not None and not card.hosted
}
SPEAKERS = [
    card
    for card in registry.cards()
    if (card.understanding is not None or card.embedding is not None) and not card.hosted
]
MANNER = Manner(max_tokens=10)
ASKED = "What?", "Who is there, and why?"
LENGTH = 3.0
"""Seconds of the clip."""


@pytest.fixture(scope="module", params=FAMILIES)
def speaker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LocalSpeaker:
    family, card = registry.find(FAMILIES[request.param].id)
    folder = tmp_path_factory.mktemp(request.param)
    small = family.tiny(card, folder)
    loaded = family.load(small, Setup((folder,) * len(card.weights), Plan("cpu", "float32"), own=True))
    assert isinstance(loaded, LocalSpeaker)
    loaded.memory = None
    return loaded


@pytest.fixture(scope="module")
def clip() -> Clip:
    """Soft random pictures: what scaling does to them shows."""
    coarse = np.random.default_rng(0).integers(0, 256, (12, 9, 16, 3), dtype=np.uint8)
    return Clip(coarse.repeat(10, axis=1).repeat(10, axis=2), rate=12 / LENGTH)


def sight(speaker: LocalSpeaker, clip: Clip, *, first: int = 0) -> Sight:
    """Some frames, as many as the model takes."""
    facts = speaker.facts
    count = facts.frames if facts.fixed else min(6, facts.max_frames)
    indices = np.linspace(first, 11, count).round().astype(np.int64)
    return Sight(clip, 0.0, LENGTH, indices, clip.timeline().pts_seconds[indices])


def without_a_cache(speaker: LocalSpeaker, text: str, seen, count: int) -> list[int]:
    """The likeliest tokens, the whole prompt read anew for each."""
    ids = speaker.ids(text, beginning=True)
    drawn: list[int] = []
    while len(drawn) < count:
        speaker.network.restore(None)
        logits = speaker.network.read(
            torch.tensor([ids + drawn]), [[each.held for each in seen]], DynamicCache()
        )
        drawn.append(int(logits.argmax()))
        if drawn[-1] in speaker.stop_ids:
            break
    return [token for token in drawn if token not in speaker.stop_ids]


def test_an_answer_is_what_the_network_says_word_for_word(speaker, clip):
    seen = [speaker.see(sight(speaker, clip))]
    said = finished(speaker.talk(seen).ask("What happens?", MANNER))
    dialect = speaker.network.dialect
    text = dialect.beginning([seen[0].text], "What happens?") + dialect.prelude
    assert said.text == speaker.decoded(without_a_cache(speaker, text, seen, 10)).strip()
    assert said.prompt_tokens == len(speaker.ids(text, beginning=True))


def test_another_question_encodes_no_frame_and_answers_as_if_all_had_been_read_anew(speaker, clip):
    if not speaker.facts.chat:
        pytest.skip("answers one question at a time")
    seen = [speaker.see(sight(speaker, clip))]
    talk = speaker.talk(seen)
    first = list(drain(talk.ask("What happens?", MANNER)))
    encoded = speaker.encoded
    second = finished(talk.ask("And then?", MANNER))
    assert speaker.encoded == encoded
    dialect = speaker.network.dialect
    # The tokens of the first answer, which need not be those of its text.
    text = dialect.beginning([seen[0].text], "What happens?")
    before = without_a_cache(speaker, text + dialect.prelude, seen, 10)
    assert speaker.decoded(before).strip() == "".join(first).strip()
    ids = (
        speaker.ids(text, beginning=True)
        + before
        + speaker.ids(dialect.going_on("And then?") + dialect.prelude, beginning=False)
    )
    drawn: list[int] = []
    for _ in range(second.answer_tokens):
        speaker.network.restore(None)
        logits = speaker.network.read(torch.tensor([ids + drawn]), [[seen[0].held]], DynamicCache())
        drawn.append(int(logits.argmax()))
    assert second.text == speaker.decoded([each for each in drawn if each not in speaker.stop_ids]).strip()


@pytest.mark.parametrize("card", SPEAKERS, ids=lambda card: card.id)
def test_the_page_of_speakers_has_its_line(card, monkeypatch):
    docs = Path(__file__).parents[2] / "docs"
    monkeypatch.syspath_prepend(str(docs))
    from speakers import PAGE, embedder
    from speakers import speaker as row

    line = row(card) if card.understanding is not None else embedder(card)
    assert line in PAGE.read_text().splitlines(), "run: python docs/speakers.py"


@pytest.mark.parametrize("card", SPEAKERS, ids=lambda card: card.id)
def test_scores_have_a_source_and_are_percentages(card):
    facts = card.understanding or card.embedding
    for score in facts.scores:
        assert score.source
        assert 5 < score.value < 100


def drain(answer):
    while True:
        try:
            yield next(answer)
        except StopIteration:
            return


def test_marks_in_a_question_are_no_marks(speaker, clip):
    seen = [speaker.see(sight(speaker, clip))]
    marks = sorted(speaker.marks)
    torn = [mark[:2] + mark + mark[2:] for mark in marks]
    spiked = finished(speaker.talk(seen).ask("".join(["What ", *marks, *torn, "happens?"]), MANNER))
    assert spiked == finished(speaker.talk(seen).ask("What happens?", MANNER))


def test_a_batch_answers_as_one_by_one(speaker, clip):
    sights = [sight(speaker, clip), sight(speaker, clip, first=3)]
    questions = [([speaker.see(each)], text) for each, text in zip(sights, ASKED, strict=True)]
    together = speaker.say(questions, MANNER)
    alone = [finished(speaker.talk(seen).ask(question, MANNER)) for seen, question in questions]
    assert [each.text for each in together] == [each.text for each in alone]
    assert [each.answer_tokens for each in together] == [each.answer_tokens for each in alone]


def test_tokens_are_foretold(speaker, clip):
    looked_at = sight(speaker, clip)
    assert speaker.tokens(len(looked_at), clip.width, clip.height) == speaker.see(looked_at).tokens


def test_pictures_are_prepared_as_by_transformers_own_processor(speaker, clip):
    network = speaker.network
    if not isinstance(network, Library):
        pytest.skip("prepared by the authors' rules, which the family's own tests hold it to")
    looked_at = sight(speaker, clip)
    pictures = torch.from_numpy(clip.source.frames_at(looked_at.indices).data).permute(0, 3, 1, 2)
    fitted = network.fit(len(pictures), clip.height, clip.width)(pictures)
    ours = network.prepared(fitted, looked_at.seconds, 0.0, LENGTH)[1]
    theirs = network.prepared(pictures, looked_at.seconds, 0.0, LENGTH, fitted=False)[1]
    for name, value in theirs.items():
        assert ours[name].shape == value.shape, name
        assert (ours[name].float() - value.float()).abs().max() <= 1 / 255 / 0.2, name


def test_greedy_tokens_are_those_of_transformers_own_generate(speaker, clip):
    network = speaker.network
    if not isinstance(network, Library):
        pytest.skip("transformers has no such model")
    looked_at = sight(speaker, clip)
    seen = speaker.see(looked_at)
    text = network.dialect.beginning([seen.text], "What happens?") + network.dialect.prelude
    ids = torch.tensor([speaker.ids(text, beginning=True)])
    pictures = torch.from_numpy(clip.source.frames_at(looked_at.indices).data).permute(0, 3, 1, 2)
    inputs = network.prepared(pictures, looked_at.seconds, 0.0, LENGTH, fitted=False)[1]
    if "mm_token_type_ids" in network.processor.model_input_names:
        kinds = network.processor.create_mm_token_type_ids(ids.tolist())
        inputs = {**inputs, "mm_token_type_ids": torch.tensor(kinds)}
    network.restore(None)
    generated = network.network.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=MANNER.max_tokens,
        do_sample=False,
        eos_token_id=sorted(speaker.stop_ids),
        pad_token_id=0,
        **inputs,
    )
    theirs = [token for token in generated[0, ids.shape[1] :].tolist() if token not in speaker.stop_ids]
    assert finished(speaker.talk([seen]).ask("What happens?", MANNER)).text == speaker.decoded(theirs).strip()


def test_several_videos_are_told_apart(speaker, clip):
    if speaker.facts.videos == 1:
        pytest.skip("takes one video")
    one, other = speaker.see(sight(speaker, clip)), speaker.see(sight(speaker, clip, first=5))
    said = finished(speaker.talk([one, other]).ask("What happens?", MANNER))
    dialect = speaker.network.dialect
    text = dialect.beginning([one.text, other.text], "What happens?") + dialect.prelude
    assert said.text == speaker.decoded(without_a_cache(speaker, text, [one, other], 10)).strip()
    swapped = finished(speaker.talk([other, one]).ask("What happens?", MANNER))
    assert swapped.prompt_tokens == said.prompt_tokens


def test_the_published_parameters_are_those_on_the_card(speaker):
    card = FAMILIES[registry.family_of(speaker.card)]
    published = card.understanding.parameters_billions
    if published is not None:
        assert sum(part.parameters for part in card.parts) / 1e9 == pytest.approx(published, rel=0.01)


def test_what_is_kept_of_a_video_serves_as_well(speaker, clip, tmp_path: Path):
    from moviola.understanding.memory import Memory

    saved = Clip(clip.save(tmp_path / "clip.mp4").source.name)
    looked_at = sight(speaker, saved)
    memory = Memory({"model": "x"}, folder=tmp_path / "features")
    speaker.memory = memory
    try:
        first, encoded = speaker.see(looked_at), speaker.encoded
        again = speaker.see(looked_at)
        assert speaker.encoded == encoded
    finally:
        speaker.memory = None
    answers = [finished(speaker.talk([seen]).ask("What?", MANNER)) for seen in (first, again)]
    assert answers[0] == answers[1]
    assert again.seconds.tolist() == first.seconds.tolist()
