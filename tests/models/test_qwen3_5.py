"""Qwen3.5, 3.6 and 3.8 as their authors run them: prompts with and without thoughts, and hybrid caches.

Prompts are what `apply_chat_template` of transformers makes of the published templates. That of Qwen3.5 was
read in kronk's table of templates (Qwen3.5-35B-A3B), the one line in which that of Qwen3.6 differs in notes
on OSWorld and on its 7764 bytes, that of Qwen3.8-27B whole in notes that give its SHA-256. How frames take
the place of a video is Qwen3-VL's.
"""

import numpy as np
import pytest
import torch
import transformers

from moviola import registry
from moviola.clip import Clip
from moviola.generators import finished
from moviola.model import Setup
from moviola.models import qwen3_5, qwen3_6, qwen3_8
from moviola.plan.plan import Plan
from moviola.understanding.local import LocalSpeaker
from moviola.understanding.speaker import Manner, Sight

VIDEO = "<|vision_start|><|video_pad|><|vision_end|>"
ASKED = f"<|im_start|>user\n{VIDEO}What?<|im_end|>\n<|im_start|>assistant\n"
WHY = "<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n"
SYSTEM = "<|im_start|>system\nBe brief.<|im_end|>\n"
SHUT, OPEN = "<think>\n\n</think>\n\n", "<think>\n"
XHIGH = (
    "Reasoning effort is set to xhigh. Please think carefully through the task, validate key assumptions, "
    "consider plausible alternatives, and prioritize correctness, consistency, and clarity in the final "
    "answer."
)


def speaker(id: str, folder) -> LocalSpeaker:
    family, card = registry.find(id)
    small = family.tiny(card, folder)
    loaded = family.load(small, Setup((folder,), Plan("cpu", "float32"), own=True))
    assert isinstance(loaded, LocalSpeaker)
    loaded.memory = None
    return loaded


@pytest.fixture(scope="module")
def speakers(tmp_path_factory) -> dict[str, LocalSpeaker]:
    ids = "qwen3.5-9b", "qwen3.5-35b-a3b", "qwen3.6-27b", "qwen3.8-27b"
    return {id: speaker(id, tmp_path_factory.mktemp("tiny")) for id in ids}


def texts(speaker: LocalSpeaker, options, answer: str = "A dog.") -> list[str]:
    """A question, one with a system prompt, one about two videos; and a second question."""
    dialect = speaker.ready(options, cache=False).network.dialect
    return [
        dialect.beginning([VIDEO], "What?") + dialect.prelude,
        dialect.beginning([VIDEO], "What?", "Be brief.") + dialect.prelude,
        dialect.beginning([VIDEO, VIDEO], "What?") + dialect.prelude,
        dialect.beginning([VIDEO], "What?") + answer + dialect.going_on("Why?") + dialect.prelude,
    ]


@pytest.mark.parametrize("id", ["qwen3.5-9b", "qwen3.5-35b-a3b", "qwen3.6-27b"])
@pytest.mark.parametrize("thinking", [False, True])
def test_prompts_are_those_of_the_template(speakers, id, thinking):
    options = registry.find(id)[0].Options(thinking=thinking)
    place = OPEN if thinking else SHUT
    assert texts(speakers[id], options) == [
        ASKED + place,
        SYSTEM + ASKED + place,
        ASKED.replace(VIDEO, VIDEO + VIDEO) + place,
        ASKED + "A dog." + WHY + place,
    ]


def test_from_3_6_on_earlier_thoughts_may_be_kept(speakers):
    shut = texts(speakers["qwen3.6-27b"], qwen3_6.Options(preserve=True))
    assert shut[0] == ASKED + SHUT
    assert shut[3] == ASKED + SHUT + "A dog." + WHY + SHUT
    options = qwen3_6.Options(thinking=True, preserve=True)
    thought = texts(speakers["qwen3.6-27b"], options, "Hm.\n</think>\n\nA dog.")
    assert thought[3] == ASKED + OPEN + "Hm.\n</think>\n\nA dog." + WHY + OPEN


def test_3_8_keeps_them_and_is_told_how_hard_to_think(speakers):
    usual = texts(speakers["qwen3.8-27b"], qwen3_8.Options())
    assert usual[:2] == [ASKED + SHUT, SYSTEM + ASKED + SHUT]
    assert usual[3] == ASKED + SHUT + "A dog." + WHY + SHUT
    told = f"<|im_start|>system\n{XHIGH}<|im_end|>\n"
    hard = texts(speakers["qwen3.8-27b"], qwen3_8.Options(thinking=True), "Hm.\n</think>\n\nA dog.")
    assert hard == [
        told + ASKED + OPEN,
        f"<|im_start|>system\n{XHIGH}\n\nBe brief.<|im_end|>\n" + ASKED + OPEN,
        told + ASKED.replace(VIDEO, VIDEO + VIDEO) + OPEN,
        told + ASKED + OPEN + "Hm.\n</think>\n\nA dog." + WHY + OPEN,
    ]
    medium = texts(speakers["qwen3.8-27b"], qwen3_8.Options(thinking=True, effort="medium"))
    assert medium[:2] == [ASKED + OPEN, SYSTEM + ASKED + OPEN]


def clip() -> Clip:
    coarse = np.random.default_rng(0).integers(0, 256, (12, 9, 16, 3), dtype=np.uint8)
    return Clip(coarse.repeat(10, axis=1).repeat(10, axis=2), rate=4)


def sight(first: int = 0) -> Sight:
    indices = np.linspace(first, 11, 6).round().astype(np.int64)
    return Sight(clip(), 0, 3, indices, indices / 4)


class TestHybridCaches:
    """Layers of linear attention sum up what they read; it must be all of it, and nothing else."""

    @pytest.fixture(params=["qwen3.5-9b", "qwen3.5-35b-a3b"])
    def hybrid(self, request, speakers):
        return speakers[request.param].ready(qwen3_5.Options(), cache=False)

    def test_they_hold_what_their_layers_need(self, hybrid):
        talk = hybrid.talk([])
        finished(talk.ask("What?", Manner(max_tokens=2)))
        kinds = [type(layer).__name__ for layer in talk._cache.layers]
        assert kinds == ["LinearAttentionLayer"] * 3 + ["DynamicLayer"]

    def test_four_questions_in_a_row_are_as_if_read_at_once(self, hybrid):
        """Each is read in two pieces behind a talk that was taken back to before its last answer."""
        manner, questions = Manner(max_tokens=6), ["What?", "Why?", "And then?", "Who?"]
        seen = hybrid.see(sight())
        talk, dialect = hybrid.talk([seen]), hybrid.network.dialect
        ids: list[int] = []
        for number, question in enumerate(questions):
            if number:
                ids += talk._said + hybrid.ids(dialect.going_on(question), beginning=False)
            else:
                ids = hybrid.ids(dialect.beginning([seen.text], question), beginning=True)
            said = finished(talk.ask(question, manner))
            whole = ids + hybrid.ids(dialect.prelude, beginning=False)
            assert said.prompt_tokens == len(whole)
            hybrid.network.restore(None)
            cache = transformers.DynamicCache()
            logits = hybrid.network.read(torch.tensor([whole]), [[seen.held]], cache)
            expected = int(logits.argmax())
            assert (talk._said[0] if talk._said else next(iter(hybrid.stop_ids))) == expected

    def test_padding_leaves_no_trace(self, hybrid):
        """A short question in a batch with a long one, after its padding."""
        questions = [([hybrid.see(sight())], "What?"), ([hybrid.see(sight(3))], "Who is there? " * 20)]
        manner = Manner(max_tokens=8)
        together = hybrid.say(questions, manner)
        alone = [finished(hybrid.talk(seen).ask(question, manner)) for seen, question in questions]
        assert together == alone


def test_a_dense_and_a_mixed_model_say_what_transformers_says(speakers):
    for id in ("qwen3.5-35b-a3b", "qwen3.6-27b"):
        speaker = speakers[id].ready(registry.find(id)[0].Options(), cache=False)
        network, seen = speaker.network, speaker.see(sight())
        frames = torch.from_numpy(clip().source.frames_at(sight().indices).data).permute(0, 3, 1, 2)
        inputs = network.prepared(frames, sight().seconds, 0, 3, fitted=False)[1]
        text = network.dialect.beginning([seen.text], "What?") + network.dialect.prelude
        ids = torch.tensor([speaker.ids(text, beginning=True)])
        kinds = torch.tensor(network.processor.create_mm_token_type_ids(ids.tolist()))
        network.restore(None)
        theirs = network.network.generate(
            input_ids=ids,
            mm_token_type_ids=kinds,
            max_new_tokens=8,
            do_sample=False,
            pad_token_id=0,
            **inputs,
        )
        said = finished(speaker.talk([seen]).ask("What?", Manner(max_tokens=8)))
        assert said.text == speaker.decoded(theirs[0, ids.shape[1] :].tolist()).strip()


# The published configurations: hidden size, of the feed-forward or an expert, layers, heads, of keys, of
# values in linear attention, experts and how many are used. Vision: layers, width, feed-forward, heads.
SMALL, MIDDLE, LARGE = (12, 768, 3072, 12), (24, 1024, 4096, 16), (27, 1152, 4304, 16)
CONFIGS = {
    "0.8b": (1024, 3584, 24, 8, 2, 16, None, SMALL),
    "2b": (2048, 6144, 24, 8, 2, 16, None, MIDDLE),
    "4b": (2560, 9216, 32, 16, 4, 32, None, MIDDLE),
    "9b": (4096, 12288, 32, 16, 4, 32, None, LARGE),
    "27b": (5120, 17408, 64, 24, 4, 48, None, LARGE),
    "35b-a3b": (2048, 512, 40, 16, 2, 32, (256, 8), LARGE),
    "122b-a10b": (3072, 1024, 48, 32, 2, 64, (256, 8), LARGE),
    "397b-a17b": (4096, 1024, 60, 32, 2, 64, (512, 10), LARGE),
}


@pytest.mark.parametrize("card", qwen3_5.CARDS, ids=lambda card: card.id)
def test_parameters_are_counted(card):
    size = card.id.removeprefix("qwen3.5-")
    hidden, middle, layers, heads, keys, values, experts, vision = CONFIGS[size]
    tied = size in ("0.8b", "2b", "4b")
    text = {
        "vocab_size": 248_320,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": keys,
        "head_dim": 256,
        "linear_num_key_heads": 16,
        "linear_num_value_heads": values,
        "tie_word_embeddings": tied,
    }
    if experts is None:
        kind, text = transformers.Qwen3_5Config, text | {"intermediate_size": middle}
    else:
        kind = transformers.Qwen3_5MoeConfig
        names = "num_experts", "num_experts_per_tok"
        text |= dict(zip(names, experts, strict=True))
        text |= {"moe_intermediate_size": middle, "shared_expert_intermediate_size": middle}
    names = "depth", "hidden_size", "intermediate_size", "num_heads"
    config = kind(
        text_config=text,
        vision_config=dict(zip(names, vision, strict=True)) | {"out_hidden_size": hidden},
        tie_word_embeddings=tied,
    )
    with torch.device("meta"):
        network = getattr(transformers, card.facts["network"])(config)
    seen = sum(weight.numel() for weight in network.model.visual.parameters())
    whole = sum(weight.numel() for weight in network.parameters())
    assert {part.name: part.parameters for part in card.parts} == {"vision": seen, "language": whole - seen}
    assert card.understanding.layers == layers
    assert card.understanding.layers * card.understanding.key_width == layers // 4 * keys * 256


def test_published_parameters():
    """Of the files, less their layer for multi-token prediction: attention, feed-forward and a projection."""
    published = {"27b": 27.781e9, "35b-a3b": 35.952e9}
    for card in (*qwen3_5.CARDS, *qwen3_6.CARDS, *qwen3_8.CARDS):
        size = card.id.split("-", 1)[1]
        if size not in published:
            continue
        hidden, middle, _, heads, keys, _, experts, _ = CONFIGS[size]
        # Queries come with their gates.
        attention = hidden * 256 * (2 * heads + 2 * keys) + 256 * heads * hidden
        feed_forward = 3 * hidden * middle * ((experts[0] + 1) if experts else 1)
        more = attention + feed_forward + 2 * hidden * hidden
        assert sum(part.parameters for part in card.parts) + more == pytest.approx(published[size], rel=1e-3)
