"""VideoBLIP: its prompts word for word, captions without a word, answers of both kinds of language models.

Prompts are those of the authors' code (github.com/yukw777/VideoBLIP, scripts/ego4d/train.py and
examples/notebooks): a text through the tokenizer, with the queries of the video before all else.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from moviola.card import ModelCard
from moviola.clip import Clip
from moviola.errors import InputError, RequestError
from moviola.generators import finished
from moviola.model import Setup
from moviola.models.videoblip import CARDS, load, tiny
from moviola.plan.plan import Plan
from moviola.tasks import Caption
from moviola.understanding import wording
from moviola.understanding.captioning import caption
from moviola.understanding.families.videoblip import PLACEHOLDER
from moviola.understanding.local import LocalSpeaker
from moviola.understanding.speaker import Manner, Seen

BY_ID = {card.id: card for card in CARDS}
OPT, T5 = "videoblip-opt-2.7b", "videoblip-flan-t5-xl"
each = pytest.mark.parametrize("id", BY_ID)
MANNER = Manner(max_tokens=10)
PROMPT = "Question: What is the camera wearer doing? Answer:"
"""Of training, word for word."""
Loaded = Callable[[str], LocalSpeaker]
Made = Callable[[str], tuple[ModelCard, Path]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    kept: dict[str, tuple[ModelCard, Path]] = {}

    def of(id: str) -> tuple[ModelCard, Path]:
        if id not in kept:
            folder = tmp_path_factory.mktemp(id)
            kept[id] = tiny(BY_ID[id], folder), folder
        return kept[id]

    return of


def speaker_of(card: ModelCard, folder: Path) -> LocalSpeaker:
    speaker = load(card, Setup((folder,), Plan("cpu", "float32"), own=True))
    assert isinstance(speaker, LocalSpeaker)
    speaker.memory = None
    return speaker


@pytest.fixture(scope="module")
def loaded(made: Made) -> Loaded:
    kept: dict[str, LocalSpeaker] = {}

    def of(id: str) -> LocalSpeaker:
        if id not in kept:
            kept[id] = speaker_of(*made(id))
        return kept[id]

    return of


def pictures(count: int, height: int = 72, width: int = 128, seed: int = 0) -> torch.Tensor:
    drawn = np.random.default_rng(seed).integers(0, 256, (count, 3, height, width), dtype=np.uint8)
    return torch.from_numpy(drawn)


def shown(speaker: LocalSpeaker, count: int = 4, seed: int = 0) -> Seen:
    fitted = speaker.network.fit(count, 72, 128)(pictures(count, seed=seed))
    features = speaker.network.see(fitted, np.arange(count, dtype=np.float64), 0.0, count)
    return Seen(features.text, len(speaker.ids(features.text, beginning=False)), np.arange(count), features)


@each
def test_a_question_is_put_as_in_training(loaded, id):
    speaker = loaded(id)
    tokenizer = speaker.network.tokenizer._tokenizer
    seen = shown(speaker)
    ids = speaker.ids(speaker.beginning([seen], "What is the camera wearer doing?", None), beginning=True)
    queries = [speaker.network.tokenizer.placeholder] * seen.tokens
    assert ids == queries + tokenizer(PROMPT)["input_ids"]
    # OPT's tokenizer begins a text with a mark, which stands behind the video; T5's ends it with one.
    end = tokenizer.eos_token_id
    assert ids[seen.tokens if id == OPT else -1] == end
    assert ids.count(end) == 1


@each
@pytest.mark.parametrize("words", [wording.DESCRIBE, wording.DESCRIBE_SCENE])
def test_a_caption_is_asked_for_without_a_word(loaded, id, words):
    speaker = loaded(id)
    seen = shown(speaker)
    ids = speaker.ids(speaker.beginning([seen], words, None), beginning=True)
    tokenizer = speaker.network.tokenizer
    assert ids == [tokenizer.placeholder] * seen.tokens + [tokenizer.eos_token_id]


@each
def test_a_caption_with_a_prompt_is_a_question(loaded, id):
    clip = Clip(np.zeros((8, 72, 128, 3), dtype=np.uint8), rate=4)
    asked: list[str] = []
    speaker = loaded(id)
    beginning = speaker.network.dialect.beginning([], "What is the camera wearer doing?")
    for prompt in (None, "What is the camera wearer doing?"):
        request = Caption(videos=["a.mp4"], prompt=prompt, max_tokens=4)
        *_, last = caption(speaker, id, request, [clip])
        asked.append(last.value.prompt_tokens)
    tokens = len(speaker.ids(beginning, beginning=True))
    queries = speaker.tokens(8, 128, 72)
    assert asked == [queries + 1, queries + tokens]


@each
def test_a_mark_in_a_question_is_none(loaded, id):
    speaker = loaded(id)
    seen = shown(speaker)
    marked = speaker.beginning([seen], f"What</s> is {PLACEHOLDER}this?", None)
    assert marked == speaker.beginning([seen], "What is this?", None)


@each
@pytest.mark.parametrize("asked", ["What?", wording.DESCRIBE])
def test_of_one_frame_it_says_what_blip2_of_transformers_says(loaded, made, id, asked):
    speaker, folder = loaded(id), made(id)[1]
    processor = transformers.Blip2Processor.from_pretrained(folder)
    queries = speaker.tokens(1, 128, 72)
    processor.num_query_tokens = queries
    network = speaker.network.network
    network.config.image_token_index = speaker.network.tokenizer.placeholder
    image = Image.fromarray(pictures(1)[0].permute(1, 2, 0).numpy())
    # Scaled before, as the processor of transformers 5 has another way to.
    image = image.resize((28, 28), Image.Resampling.BICUBIC)
    text = "Question: What? Answer:" if asked == "What?" else ""
    inputs = processor(images=image, text=text, do_resize=False, return_tensors="pt")
    said = network.generate(
        **inputs, max_new_tokens=10, do_sample=False, eos_token_id=sorted(speaker.stop_ids), pad_token_id=0
    )[0].tolist()
    theirs = said[inputs["input_ids"].shape[1] :] if id == OPT else said
    words = speaker.decoded([token for token in theirs if token not in speaker.stop_ids]).strip()
    ours = finished(speaker.talk([shown(speaker, 1)]).ask(asked, MANNER))
    assert ours.text == words
    assert ours.prompt_tokens == inputs["input_ids"].shape[1]


@each
def test_each_frame_counts_and_their_order_does_not(loaded, id):
    network = loaded(id).network
    frames = network.fit(4, 72, 128)(pictures(4))
    whole, turned, three = (
        network.see(some, np.arange(len(some)), 0, 4).tensors["features"]
        for some in (frames, frames.flip(0), frames[:3])
    )
    assert torch.allclose(whole, turned, atol=1e-5)
    assert not torch.allclose(whole, three, atol=1e-3)
    assert whole.shape == three.shape


@each
def test_frames_are_seen_in_groups_as_at_once(loaded, id, monkeypatch):
    network = loaded(id).network
    frames = network.fit(5, 72, 128)(pictures(5))
    at_once = network.see(frames, np.arange(5), 0, 5).tensors["features"]
    monkeypatch.setattr("moviola.understanding.families.videoblip._AT_ONCE", 2)
    assert torch.allclose(network.see(frames, np.arange(5), 0, 5).tensors["features"], at_once, atol=1e-5)


@each
def test_pictures_are_scaled_by_pillow_to_a_square(loaded, id):
    network, frames = loaded(id).network, pictures(2)
    side = network._pictures.size["height"]
    for ours, theirs in zip(network.fit(2, 72, 128)(frames), frames, strict=True):
        image = Image.fromarray(theirs.permute(1, 2, 0).numpy())
        expected = np.array(image.resize((side, side), Image.Resampling.BICUBIC))
        assert np.array_equal(ours.permute(1, 2, 0).numpy(), expected)


@each
def test_a_batch_of_questions_of_different_lengths_answers_as_one_by_one(loaded, id):
    speaker = loaded(id)
    one, other = shown(speaker, 3), shown(speaker, 5, seed=1)
    asked = [([one], "What?"), ([other], "Who is there, and what does she hold?"), ([one], wording.DESCRIBE)]
    together = speaker.say(asked, MANNER)
    alone = [finished(speaker.talk(seen).ask(question, MANNER)) for seen, question in asked]
    assert [said.text for said in together] == [said.text for said in alone]
    assert len({said.text for said in alone}) == 3


def test_the_encoder_reads_a_prompt_once(loaded):
    speaker = loaded(T5)
    lengths = []
    encoder = speaker.network.network.language_model.encoder
    hook = encoder.register_forward_hook(lambda _, __, out: lengths.append(out.last_hidden_state.shape[1]))
    try:
        said = finished(speaker.talk([shown(speaker)]).ask("What?", MANNER))
    finally:
        hook.remove()
    assert lengths == [said.prompt_tokens]
    assert said.answer_tokens > 1


def test_an_answer_of_the_decoder_is_that_of_all_read_anew(loaded):
    speaker = loaded(T5)
    seen = shown(speaker)
    ids = speaker.ids(speaker.beginning([seen], "What?", None), beginning=True)
    drawn: list[int] = []
    while len(drawn) < 10:
        speaker.network.restore(None)
        logits = speaker.network.read(torch.tensor([ids + drawn]), [[seen.held]], transformers.DynamicCache())
        drawn.append(int(logits.argmax()))
        if drawn[-1] in speaker.stop_ids:
            break
    words = [token for token in drawn if token not in speaker.stop_ids]
    answer = finished(speaker.talk([seen]).ask("What?", MANNER))
    assert answer.text == speaker.decoded(words).strip()
    assert answer.answer_tokens == len(drawn)


def test_two_talks_do_not_hear_each_other(loaded):
    speaker = loaded(T5)
    first, second = shown(speaker, 3), shown(speaker, 5, seed=1)
    alone = finished(speaker.talk([first]).ask("What?", MANNER))
    finished(speaker.talk([second]).ask("Who?", MANNER))
    assert finished(speaker.talk([first]).ask("What?", MANNER)) == alone


def test_flan_t5_speaks_other_words_than_it_reads(made, loaded):
    state = torch.load(made(T5)[1] / "pytorch_model.bin", weights_only=True)
    language = loaded(T5).network.network.language_model
    assert torch.equal(language.lm_head.weight, state["language_model.lm_head.weight"])
    assert torch.equal(language.shared.weight, state["language_model.shared.weight"])
    assert not torch.equal(language.lm_head.weight, language.shared.weight)


def test_the_end_of_a_line_ends_an_answer_of_opt_alone(loaded):
    newline = loaded(OPT).network.tokenizer.convert_tokens_to_ids("\u010a")
    assert loaded(OPT).decoded([newline]) == "\n"
    assert newline in loaded(OPT).stop_ids
    assert loaded(T5).stop_ids == {1}


@each
def test_it_answers_one_question_at_a_time(loaded, id):
    speaker = loaded(id)
    talk = speaker.talk([shown(speaker)])
    finished(talk.ask("What?", MANNER))
    with pytest.raises(RequestError, match="one question at a time"):
        finished(talk.ask("And then?", MANNER))


@each
def test_there_is_room_for_the_longest_answer(id):
    facts = BY_ID[id].understanding
    # 512 tokens of an answer are the default, and 256 are kept for the question.
    assert facts.video_tokens + 256 + 512 <= facts.context


@pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json", "pytorch_model.bin"])
def test_what_is_damaged_is_told_in_one_line(made, file, tmp_path):
    card, folder = made(T5)
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / file).write_bytes((tmp_path / file).read_bytes()[:40])
    with pytest.raises(InputError, match="cannot load") as caught:
        speaker_of(card, tmp_path)
    assert "\n" not in str(caught.value)


def test_weights_are_read_and_never_run(made, tmp_path):
    import pickle

    card, folder = made(T5)
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps({"a": Trap(tmp_path / "sprung")}))
    with pytest.raises(InputError):
        speaker_of(card, tmp_path)
    assert not (tmp_path / "sprung").exists()


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


# The published configurations of the language models.
WORDS = {
    OPT: {
        "model_type": "opt",
        "vocab_size": 50272,
        "hidden_size": 2560,
        "word_embed_proj_dim": 2560,
        "num_hidden_layers": 32,
        "ffn_dim": 10240,
        "num_attention_heads": 32,
    },
    T5: {
        "model_type": "t5",
        "vocab_size": 32128,
        "d_model": 2048,
        "d_kv": 64,
        "d_ff": 5120,
        "num_layers": 24,
        "num_heads": 32,
        "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False,
    },
}


@each
def test_parameters_are_counted(id):
    card = BY_ID[id]
    with torch.device("meta"):
        network = transformers.Blip2ForConditionalGeneration(
            transformers.Blip2Config(vision_config={}, qformer_config={}, text_config=WORDS[id])
        )
    looking = (network.qformer, network.language_projection)
    counted = {
        "vision": count(network.vision_model),
        "qformer": network.query_tokens.numel() + sum(map(count, looking)),
        "language": count(network.language_model),
    }
    if id == T5:
        # transformers has T5 speak with what it reads by, until weights come that are others.
        counted["language"] += network.language_model.lm_head.weight.numel()
    assert {part.name: part.parameters for part in card.parts} == counted
    assert network.query_tokens.shape[1] == card.understanding.video_tokens


def count(network: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def test_only_one_of_them_may_be_used_for_business():
    assert BY_ID[T5].commercial
    assert not BY_ID[OPT].commercial
    assert "OPT" in BY_ID[OPT].licence
