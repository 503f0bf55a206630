"""What it costs to ask about videos: a second question, choosing frames, an hour of scenes, a prompt.

    python benchmarks/speaking.py [talk] [choosing] [dense] [work]      writes results/speaking-PART.csv

talk: the first question about a clip, and a second one: in the same talk, and in a new talk that finds on
disk what was seen. Everything counts: decoding, encoding, reading the prompt, saying 16 tokens.
choosing: the share of a question's time in which its frames are found and decoded.
dense: peak memory of captioning scene by scene, 10 minutes over 1 minute, each in a process of its own.
work: numbers that reading a prompt holds for each token and channel; see `moviola.plan.speaking.WORK`.

The network has the shape of SmolVLM2-500M-Video (`dense`: a small one, so that what grows with the video
shows) with random weights, in bfloat16 where the processor multiplies it fast. Its tokenizer knows bytes.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
import transformers

from moviola import registry
from moviola.clip import Clip
from moviola.film import film
from moviola.generators import finished
from moviola.model import Setup
from moviola.plan.live import LiveBytes, fused_attention
from moviola.plan.machine import this_machine
from moviola.plan.plan import Plan, Wishes
from moviola.plan.speaking import choose_speaker
from moviola.stage import Motion, Scene, Shot, Sprite
from moviola.tasks import Ask, Caption, request
from moviola.understanding import tiny
from moviola.understanding.captioning import caption
from moviola.understanding.library import Library
from moviola.understanding.local import LocalSpeaker
from moviola.understanding.memory import Memory
from moviola.understanding.seeing import manner_of, see
from record import MEDIA, record

MODEL = "smolvlm2-500m-video"
FRAMES, TOKENS, REPEATS = 16, 16, 5
WHOLE: Any = (None, None)
PACKAGES = ("torch", "transformers", "av", "numpy")


def speaker(folder: Path) -> LocalSpeaker:
    """Of the published shape, with random weights."""
    family, card = registry.find(MODEL)
    tokenizer = tiny.bytes_tokenizer(
        transformers.GPT2Tokenizer,
        *("<|im_start|>", "<|im_end|>", "<end_of_utterance>"),
        *("<image>", "<fake_token_around_image>", "<global-img>"),
        bos_token="<|im_start|>",
        eos_token="<end_of_utterance>",
        pad_token="<|im_end|>",
    )
    vocabulary = 49_280
    tokenizer.add_tokens([f"⟨{number}⟩" for number in range(vocabulary - len(tokenizer))])
    config = transformers.SmolVLMConfig(
        text_config={
            "model_type": "llama",
            "vocab_size": vocabulary,
            "hidden_size": 960,
            "intermediate_size": 2560,
            "num_hidden_layers": 32,
            "num_attention_heads": 15,
            "num_key_value_heads": 5,
            "head_dim": 64,
            "tie_word_embeddings": True,
        },
        vision_config={
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "image_size": 512,
            "patch_size": 16,
        },
        scale_factor=4,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        tie_word_embeddings=True,
    )
    sizes: dict[str, Any] = {
        "size": {"longest_edge": 2048},
        "max_image_size": {"longest_edge": 512},
        "video_sampling": {"fps": 1, "max_frames": 64, "video_size": {"longest_edge": 512}},
    }
    processor = transformers.SmolVLMProcessor(
        transformers.SmolVLMImageProcessor(**sizes),
        tokenizer,
        transformers.SmolVLMVideoProcessor(**sizes),
        image_seq_len=64,
    )
    network = tiny.made(transformers.SmolVLMForConditionalGeneration, config)
    plan = choose_speaker(card, 8192, this_machine("cpu"), Wishes("cpu"))
    network.to(getattr(torch, plan.dtype)).save_pretrained(folder)
    processor.save_pretrained(folder)
    loaded = family.load(card, Setup((folder,), plan, own=True))
    assert isinstance(loaded, LocalSpeaker)
    assert isinstance(loaded.network, Library)
    # A random network says what it likes, never the end.
    loaded.stop_ids = set()
    return loaded


def timed(work: Callable[..., Any], *given: Any) -> tuple[float, Any]:
    began = time.perf_counter()
    made = work(*given)
    return time.perf_counter() - began, made


def talk(one: LocalSpeaker) -> None:
    asked: Any = request(
        Ask, {"videos": "x", "question": "What?", "frames": FRAMES, "max_tokens": TOKENS, "duplicates": True}
    )
    manner = manner_of(asked)

    def opened(path: Path) -> Any:
        """A talk with its first question answered."""
        clip = Clip(path)
        seen, _ = see(one, asked, clip, WHOLE)
        begun = one.talk([seen])
        finished(begun.ask("What happens in this video?", manner))
        return begun

    def further(begun: Any) -> Any:
        return finished(begun.ask("And what happens after that?", manner))

    rows = []
    for path in clips("bikes.mp4", "bigbuckbunny.mp4", "sam2_dog.mp4"):
        took: list[tuple[float, float, float]] = []
        for _ in range(REPEATS):
            with tempfile.TemporaryDirectory() as folder:
                one.memory = Memory({}, folder=Path(folder))
                encoded = one.encoded
                first, begun = timed(opened, path)
                second, _ = timed(further, begun)
                new, _ = timed(opened, path)
                assert one.encoded == encoded + FRAMES
                took.append((first, second, new))
        first, second, new = map(statistics.median, zip(*took, strict=True))
        rows.append(
            {
                **described(path),
                "frames": FRAMES,
                "answer_tokens": TOKENS,
                "first_s": round(first, 3),
                "second_s": round(second, 3),
                "new_talk_s": round(new, 3),
                "first_over_second": round(statistics.median(a / b for a, b, _ in took), 2),
                "first_over_new_talk": round(statistics.median(a / c for a, _, c in took), 2),
            }
        )
        print(rows[-1], flush=True)
    record("speaking-talk", rows, PACKAGES)


def clips(*names: str) -> list[Path]:
    return [MEDIA / "clips" / name for name in names]


def described(path: Path) -> dict[str, str]:
    clip = Clip(path)
    return {"clip": path.name, "size": f"{clip.width}x{clip.height}"}


def choosing(one: LocalSpeaker) -> None:
    """Finding frames, decoding them and scaling them to the network's size, over the whole question."""
    asked: Any = request(
        Ask, {"videos": "x", "question": "What?", "frames": FRAMES, "max_tokens": TOKENS, "duplicates": True}
    )
    one.memory = None
    encode = one.network.see
    encoding: list[float] = []

    def encode_timed(*given: Any) -> Any:
        took, made = timed(encode, *given)
        encoding.append(took)
        return made

    def answered(seen: Any) -> Any:
        return finished(one.talk([seen]).ask("What happens?", manner_of(asked)))

    one.network.see = encode_timed  # type: ignore[method-assign]
    rows = []
    for path in sorted((MEDIA / "clips").glob("*.mp4")):
        shares, wholes = [], []
        for _ in range(REPEATS):
            seeing, (seen, _) = timed(see, one, asked, Clip(path), WHOLE)
            saying, _ = timed(answered, seen)
            wholes.append(seeing + saying)
            shares.append((seeing - encoding.pop()) / wholes[-1])
        rows.append(
            {
                **described(path),
                "frames": len(seen.seconds),
                "question_s": round(statistics.median(wholes), 3),
                "choosing_percent": round(100 * statistics.median(shares), 2),
            }
        )
        print(rows[-1], flush=True)
    one.network.see = encode  # type: ignore[method-assign]
    record("speaking-choosing", rows, PACKAGES)


def long_film(path: Path, minutes: float) -> Path:
    """Shots of 4 s, each with ground, camera and sprite of its own."""
    shots = tuple(
        Shot(
            4,
            ground=number,
            camera=Motion(velocity=(30 - 7 * (number % 9), 5)),
            sprites=(Sprite("disc", 20, (0.9, 0.3, 0.2), Motion(velocity=(20, number % 5))),),
        )
        for number in range(round(minutes * 15))
    )
    return film(Scene(shots, size=(640, 360), rate=Fraction(24)), path)


def dense() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for minutes in (1, 10):
            path = long_film(folder / f"{minutes}.mp4", minutes)
            command = [sys.executable, __file__, "peak", str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            peak, moments = map(int, done.stdout.split()[-2:])
            rows.append({"minutes": minutes, "scenes": moments, "peak_mb": round(peak / 2**20)})
            print(rows[-1], flush=True)
    ratio = round(rows[1]["peak_mb"] / rows[0]["peak_mb"], 3)
    record("speaking-dense", [row | {"ten_over_one": ratio} for row in rows], PACKAGES)
    print(f"10 minutes over 1 minute: {ratio}")


def peak(path: Path) -> None:
    """Of this process, captioning with a small network."""
    family, card = registry.find(MODEL)
    with tempfile.TemporaryDirectory() as name:
        small = family.tiny(card, Path(name))
        one: Any = family.load(small, Setup((Path(name),), Plan("cpu", "float32"), own=True))
        one.memory = None
        asked: Any = request(Caption, {"videos": str(path), "dense": True, "max_tokens": 8})
        *_, last = caption(one, MODEL, asked, [Clip(path)])
    # Not getrusage, whose peak is that of the process which started this one, if it was larger.
    lines = Path("/proc/self/status").read_text().splitlines()
    kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    print(kilobytes * 1024, len(last.value.moments))


LANGUAGE_MODELS: dict[str, tuple[Any, Any, dict[str, int]]] = {
    "Llama 7B": (
        transformers.LlamaForCausalLM,
        transformers.LlamaConfig,
        {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "vocab_size": 32064},
    ),
    "Mistral 7B": (
        transformers.MistralForCausalLM,
        transformers.MistralConfig,
        {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "vocab_size": 32000},
    ),
    "Qwen3 8B": (
        transformers.Qwen3ForCausalLM,
        transformers.Qwen3Config,
        {
            "hidden_size": 4096,
            "intermediate_size": 12288,
            "num_hidden_layers": 36,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "vocab_size": 151936,
        },
    ),
    "Qwen2 0.5B": (
        transformers.Qwen2ForCausalLM,
        transformers.Qwen2Config,
        {
            "hidden_size": 896,
            "intermediate_size": 4864,
            "num_hidden_layers": 24,
            "num_attention_heads": 14,
            "num_key_value_heads": 2,
            "vocab_size": 151936,
        },
    ),
    "Qwen2.5 3B": (
        transformers.Qwen2ForCausalLM,
        transformers.Qwen2Config,
        {
            "hidden_size": 2048,
            "intermediate_size": 11008,
            "num_hidden_layers": 36,
            "num_attention_heads": 16,
            "num_key_value_heads": 2,
            "vocab_size": 151936,
        },
    ),
}
"""Networks and the published shapes that decide what they hold."""


def work() -> None:
    rows = []
    prompt = 1024
    for name, (kind, shape, values) in LANGUAGE_MODELS.items():
        config = shape(**values)
        with torch.device("meta"):
            network = kind(config).eval().to(torch.bfloat16)
            ids = torch.zeros(1, prompt, dtype=torch.long)
        with torch.no_grad(), fused_attention(), LiveBytes(network, [ids]) as live:
            network(input_ids=ids, past_key_values=transformers.DynamicCache(), logits_to_keep=1)
        head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        cache = 2 * config.num_hidden_layers * config.num_key_value_heads * head
        held = live.peak / 2 / prompt - cache
        parameters = sum(weight.numel() for weight in network.parameters())
        width = (parameters / (12 * config.num_hidden_layers)) ** 0.5
        rows.append(
            {
                "model": name,
                "numbers_per_token": round(held),
                "width": config.hidden_size,
                "width_by_parameters": round(width),
                "numbers_per_token_and_channel": round(held / width, 1),
            }
        )
        print(rows[-1], flush=True)
    record("speaking-work", rows, PACKAGES)


def main(parts: list[str]) -> None:
    if parts[:1] == ["peak"]:
        peak(Path(parts[1]))
        return
    wanted = parts or ["talk", "choosing", "dense", "work"]
    if {"talk", "choosing"} & set(wanted):
        with tempfile.TemporaryDirectory() as folder:
            one = speaker(Path(folder))
            if "talk" in wanted:
                talk(one)
            if "choosing" in wanted:
                choosing(one)
    if "dense" in wanted:
        dense()
    if "work" in wanted:
        work()


if __name__ == "__main__":
    main(sys.argv[1:])
