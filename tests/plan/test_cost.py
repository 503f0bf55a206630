"""Costs are held against what was counted on the published networks, layer by layer, on the meta device."""

import pytest

from moviola.card import Codec, Denoiser, ModelCard, Part
from moviola.plan.cost import activation_bytes, decode_bytes, job_macs, macs, part_bytes, tokens
from moviola.plan.plan import Job

HALF = (1, 2, 2)
NETS = {
    "cogvideox-2b": Denoiser(
        stride=(4, 8, 8),
        patch=HALF,
        layers=30,
        width=1920,
        token_parameters=1_327_349_760,
        joint_tokens=226,
        token_bytes=50_070,
    ),
    "cogvideox-5b": Denoiser(
        stride=(4, 8, 8),
        patch=HALF,
        layers=42,
        width=3072,
        token_parameters=4_756_733_952,
        joint_tokens=226,
        token_bytes=79_820,
    ),
    "cogvideox1.5-5b": Denoiser(
        stride=(4, 8, 8),
        patch=(2, 2, 2),
        layers=42,
        width=3072,
        token_parameters=4_757_127_168,
        joint_tokens=224,
        token_bytes=80_220,
    ),
    "wan-1.3b": Denoiser(
        stride=(4, 8, 8),
        patch=HALF,
        layers=30,
        width=1536,
        token_parameters=1_250_623_488,
        cross_tokens=512,
        token_bytes=49_460,
        batch=1,
    ),
    "wan-14b": Denoiser(
        stride=(4, 8, 8),
        patch=HALF,
        layers=40,
        width=5120,
        token_parameters=11_954_421_760,
        cross_tokens=512,
        token_bytes=114_420,
        batch=1,
    ),
    "wan-ti2v-5b": Denoiser(
        stride=(4, 16, 16),
        patch=HALF,
        layers=30,
        width=3072,
        token_parameters=4_342_284_288,
        cross_tokens=512,
        token_bytes=83_610,
        batch=1,
    ),
    "ltx-2b": Denoiser(
        stride=(8, 32, 32),
        layers=28,
        width=2048,
        token_parameters=1_644_691_456,
        cross_tokens=128,
        token_bytes=66_090,
    ),
    "hunyuan": Denoiser(
        stride=(4, 8, 8),
        patch=HALF,
        layers=60,
        width=3072,
        token_parameters=6_795_165_696,
        joint_tokens=256,
        token_bytes=111_680,
    ),
    "svd": Denoiser(stride=(1, 8, 8), macs_per_pixel=2_711_900, token_bytes=17_300),
}


def job(frames, height, width, **more):
    return Job(**{"width": width, "height": height, "frames": frames, "steps": 1, "guided": False, **more})


@pytest.mark.parametrize(
    ("name", "shape", "giga"),
    [
        ("cogvideox-2b", (49, 480, 720), 59_999),
        ("cogvideox-2b", (25, 480, 720), 23_631),
        ("cogvideox-5b", (49, 480, 720), 166_099),
        ("cogvideox1.5-5b", (81, 768, 1360), 739_534),
        ("wan-1.3b", (81, 480, 832), 141_501),
        ("wan-14b", (81, 480, 832), 839_185),
        ("wan-14b", (81, 720, 1280), 3_261_718),
        ("wan-ti2v-5b", (121, 704, 1280), 258_504),
        ("ltx-2b", (121, 512, 704), 13_015),
        ("hunyuan", (129, 720, 1280), 6_034_296),
        ("svd", (14, 576, 1024), 22_401),
        ("svd", (25, 576, 1024), 39_974),
    ],
)
def test_multiply_adds_agree_with_what_was_counted(name, shape, giga):
    assert macs(NETS[name], job(*shape)) / 1e9 == pytest.approx(giga, rel=0.003)


@pytest.mark.parametrize(
    ("name", "shape", "count"),
    [
        ("cogvideox-2b", (49, 480, 720), 17_776 - 226),
        ("cogvideox1.5-5b", (81, 768, 1360), 45_104 - 224),
        ("wan-14b", (81, 720, 1280), 75_600),
        ("ltx-2b", (121, 512, 704), 5_632),
        ("hunyuan", (129, 720, 1280), 119_056 - 256),
        ("svd", (14, 576, 1024), 14 * 72 * 128),
    ],
)
def test_tokens_are_patches_of_latents(name, shape, count):
    assert tokens(NETS[name], job(*shape)) == count


@pytest.mark.parametrize(
    ("name", "shape", "peak"),
    [
        ("cogvideox-5b", (25, 480, 720), 768_645_896),
        ("wan-1.3b", (81, 720, 1280), 3_731_393_544),
        ("wan-14b", (33, 480, 832), 1_617_813_352),
        ("wan-ti2v-5b", (49, 704, 1280), 960_729_096),
        ("hunyuan", (61, 544, 960), 3_667_078_162),
        ("svd", (25, 576, 1024), 3_985_152_642),
    ],
)
def test_activations_agree_with_peaks_at_other_shapes_than_they_come_from(name, shape, peak):
    assert activation_bytes(NETS[name], job(*shape), "bfloat16") == pytest.approx(peak, rel=0.02)


def test_guidance_doubles_a_batch_or_the_passes():
    plain, guided = job(49, 480, 720), job(49, 480, 720, guided=True, steps=50, calls=3)
    together, apart = NETS["cogvideox-5b"], NETS["wan-1.3b"]
    assert activation_bytes(together, guided, "bfloat16") == 2 * activation_bytes(together, plain, "bfloat16")
    assert activation_bytes(apart, guided, "bfloat16") == activation_bytes(apart, plain, "bfloat16")
    for net in (together, apart):
        assert job_macs(net, guided) == 300 * macs(net, plain)


def test_float32_holds_twice_as_much():
    net = NETS["wan-1.3b"]
    asked = job(81, 480, 832)
    assert activation_bytes(net, asked, "float32") == 2 * activation_bytes(net, asked, "bfloat16")


@pytest.mark.parametrize("name", NETS)
def test_a_net_that_was_not_measured_is_taken_to_need_no_less(name):
    asked = job(49, 512, 512)
    unknown = NETS[name].model_copy(update={"token_bytes": None})
    assert activation_bytes(unknown, asked, "bfloat16") >= activation_bytes(NETS[name], asked, "bfloat16")


COGVIDEOX = Codec(still_bytes=45_790, tile=(360, 240))
WAN = Codec(still_bytes=10_130, tile=(256, 256))
LTX = Codec(frame_bytes=100.9, tile=(512, 512))
HUNYUAN = Codec(still_bytes=39_170, tile=(256, 256))
IMAGES = Codec(frame_bytes=1537, sliced=True, tile=(512, 512))


@pytest.mark.parametrize(
    ("codec", "shape", "whole", "tiled"),
    [
        (COGVIDEOX, (49, 720, 1280), 42_196_838_400, 4_258_863_360),
        (WAN, (49, 720, 1280), 9_610_444_800, 1_270_425_600),
        (LTX, (49, 704, 1280), 4_435_087_360, 1_368_395_776),
        (HUNYUAN, (49, 720, 1280), 36_450_445_312, 2_899_787_776),
    ],
)
def test_decoding_is_near_its_measured_peak_and_not_below(codec, shape, whole, tiled):
    assert 0.99 < decode_bytes(codec, job(*shape), "bfloat16") / whole < 1.2
    assert 0.97 < decode_bytes(codec, job(*shape), "bfloat16", tiled=True) / tiled < 1.4


def test_slicing_decodes_images_one_by_one():
    asked = job(16, 512, 512)
    assert 0.99 < decode_bytes(IMAGES, asked, "bfloat16") / 6_443_499_520 < 1.1
    assert 0.99 < decode_bytes(IMAGES, asked, "bfloat16", sliced=True) / 426_803_200 < 1.1


def test_a_small_picture_is_one_tile():
    asked = job(9, 128, 128)
    assert decode_bytes(WAN, asked, "bfloat16", tiled=True) == decode_bytes(WAN, asked, "bfloat16")


def test_weights_by_dtype_and_storage():
    card = ModelCard(
        id="m",
        tasks=("generate",),
        summary="m",
        licence="m",
        codec=Codec(float32=True),
    )
    denoiser = Part(name="transformer", parameters=1000, role="denoiser")
    text = Part(name="text_encoder", parameters=1000, role="text")
    codec = Part(name="vae", parameters=1000, role="codec")
    assert part_bytes(card, denoiser, "bfloat16") == 2000
    assert part_bytes(card, denoiser, "float32") == 4000
    assert part_bytes(card, text, "bfloat16", "fp8") == 2000
    for storage in ("fp8", "int8"):
        assert 1000 < part_bytes(card, denoiser, "bfloat16", storage) <= 1100
        assert 1000 < part_bytes(card, denoiser, "float32", storage) <= 1300
    assert 1000 < part_bytes(card, text, "bfloat16", "int8") < 1200
    assert part_bytes(card, codec, "bfloat16", "int8") == 4000
    assert part_bytes(card, codec, "bfloat16") == 4000
