"""Frames by number equal decoding everything, bit for bit, whatever the file."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rendered import decode_everything, render

from moviola.errors import InputError, MediaError
from moviola.media.container import ContainerSource
from moviola.media.decode import Decoder
from moviola.media.exact import plan

KINDS: dict[str, dict[str, Any]] = {
    "closed.mp4": {},
    "pyramid.mp4": {"gop": 60, "options": {"x264-params": "b-pyramid=normal:ref=4"}},
    "opengop.mp4": {"options": {"x264-params": "open-gop=1"}},
    "refresh.mkv": {"options": {"x264-params": "intra-refresh=1"}},
    "interlaced.mkv": {"options": {"x264-params": "tff=1"}},
    "transport.ts": {},
    "raw.h264": {},
    "fragments.mp4": {"container_options": {"movflags": "frag_keyframe+empty_moov"}},
    "hevc.mp4": {"codec": "libx265", "options": {"x265-params": "log-level=none:keyint=15:min-keyint=15"}},
    "layers.mp4": {
        "codec": "libx265",
        "options": {"x265-params": "log-level=none:keyint=15:min-keyint=15:temporal-layers=3"},
    },
    "hidden.webm": {"codec": "libvpx", "options": {"auto-alt-ref": "1", "lag-in-frames": "12", "b": "80k"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"lag-in-frames": "12", "b": "80k"}},
    "mpeg4.avi": {"codec": "mpeg4", "bframes": 2},
    "mpeg2.mpg": {"codec": "mpeg2video", "bframes": 2},
    "variable.mp4": {
        "pts": np.cumsum(np.random.default_rng(5).integers(100, 900, 60)).tolist(),
        "time_base": Fraction(1, 12800),
    },
    "late.mkv": {"pts": [n + 250 for n in range(60)]},
    "turned.mp4": {"rotation": 90},
}


@pytest.fixture(scope="module", params=sorted(KINDS))
def clip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render(tmp_path_factory.mktemp("exact") / request.param, **KINDS[request.param])


def test_each_frame_alone_equals_decoding_everything(clip: Path) -> None:
    expected, _ = decode_everything(clip)
    turns = 1 if clip.name == "turned.mp4" else 0
    source = ContainerSource(clip)
    assert len(source.timeline()) == len(expected) == 60
    assert (np.diff(source.timeline().pts_seconds) > 0).all()
    for number in range(0, 60, 7):
        assert np.array_equal(source.frames_at([number]).data[0], np.rot90(expected[number], turns)), number


def test_many_frames_at_once_equal_decoding_everything(clip: Path) -> None:
    expected, _ = decode_everything(clip)
    turns = 1 if clip.name == "turned.mp4" else 0
    asked = [59, 3, 17, 17, 0, 44, 16, 15, 14, 31, 58]
    frames = ContainerSource(clip).frames_at(asked)
    assert np.array_equal(frames.data, np.stack([np.rot90(expected[number], turns) for number in asked]))
    np.testing.assert_allclose(frames.pts_seconds, ContainerSource(clip).timeline().pts_seconds[asked])


def test_seeking_to_the_middle_equals_decoding_everything(clip: Path) -> None:
    expected, _ = decode_everything(clip)
    turns = 1 if clip.name == "turned.mp4" else 0
    for start in (1, 16, 29, 47):
        part = next(ContainerSource(clip).read(start=start, chunk=4)).data
        assert np.array_equal(part, np.stack([np.rot90(p, turns) for p in expected[start : start + 4]])), (
            start
        )


@given(asked=st.lists(st.integers(0, 59), min_size=1, max_size=12))
@settings(deadline=None, max_examples=25, derandomize=True)
def test_any_selection_is_the_whole_indexed(pyramid: tuple[Path, np.ndarray], asked: list[int]) -> None:
    path, everything = pyramid
    assert np.array_equal(ContainerSource(path).frames_at(asked).data, everything[asked])


@pytest.fixture(scope="module")
def pyramid(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    path = render(tmp_path_factory.mktemp("pyramid") / "clip.mp4", size=(64, 48), gop=20)
    return path, np.stack(decode_everything(path)[0])


def test_a_file_cut_out_of_a_longer_one_shows_only_what_decodes(tmp_path: Path) -> None:
    path = render(tmp_path / "long.ts")
    data = path.read_bytes()
    path.write_bytes(data[len(data) // 3 // 188 * 188 :])
    expected, _ = decode_everything(path)
    source = ContainerSource(path)
    assert len(source.timeline()) == len(expected) < 60
    assert np.array_equal(source.frames_at([0, 9, len(expected) - 1]).data[1], expected[9])


def test_an_edit_list_hides_what_comes_before_it(media: Path) -> None:
    path = media / "codecs" / "discard_first_keyframe.mp4"
    expected, _ = decode_everything(path)
    source = ContainerSource(path)
    assert len(expected) == 25
    assert np.array_equal(source.frames_at(range(25)).data, np.stack(expected))


def test_real_clips_equal_decoding_everything(media: Path) -> None:
    for path in sorted((media / "clips").glob("*.*")):
        with av.open(str(path), metadata_errors="replace") as container:
            if container.streams.video[0].width > 700:
                continue
        expected, _ = decode_everything(path)
        asked = np.linspace(0, len(expected) - 1, 9).astype(int)
        assert np.array_equal(
            ContainerSource(path).frames_at(asked).data, np.stack([expected[n] for n in asked])
        ), path.name


def test_only_what_is_needed_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = render(tmp_path / "clip.mp4", gop=20, bframes=0)
    source = ContainerSource(path)
    source.timeline()
    fed = []
    through = Decoder._decoded

    def counting(self: Decoder, packets: Any) -> Any:
        return through(self, (fed.append(packet.pts) or packet for packet in packets))

    monkeypatch.setattr(Decoder, "_decoded", counting)
    source.frames_at([42, 23])
    assert len(fed) == 3 + 4


def test_groups_are_ordered_by_what_they_cost(tmp_path: Path) -> None:
    source = ContainerSource(render(tmp_path / "clip.mp4", gop=20, bframes=0))
    groups = plan(source._index, [1, 2, 39, 45])
    assert [(group.entry, list(group.numbers), group.cost) for group in groups] == [
        (1, [39], 20),
        (2, [45], 6),
        (0, [1, 2], 3),
    ]


def test_a_seek_that_lands_wrong_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = render(tmp_path / "clip.mp4")
    expected, _ = decode_everything(path)
    monkeypatch.setattr(Decoder, "_packets_near", lambda *_: iter(()))
    assert np.array_equal(ContainerSource(path).frames_at([50]).data[0], expected[50])


def test_numbers_outside_of_the_video_are_refused(pyramid: tuple[Path, np.ndarray]) -> None:
    with pytest.raises(InputError, match="no frame 60; it has 60"):
        ContainerSource(pyramid[0]).frames_at([0, 60])
    assert len(ContainerSource(pyramid[0]).frames_at([])) == 0


def test_a_damaged_frame_is_an_error_by_number(tmp_path: Path) -> None:
    path = render(tmp_path / "damaged.mov", codec="png", count=10, bframes=0, gop=1, pixel_format="rgb24")
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packet = list(container.demux(video=0))[4]
        at = data.index(bytes(packet))
    data[at : at + packet.size] = bytes(packet.size)
    source = ContainerSource(bytes(data))
    with pytest.raises(MediaError, match=r"frame 4 .* damaged"):
        source.frames_at([4])
    assert sum(len(chunk) for chunk in source.read()) == 9
    assert any("frame 4" in sentence for sentence in source.losses)
