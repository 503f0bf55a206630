"""Facts about a file are true, and say where they come from."""

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from rendered import render

from moviola.media import probe as probing
from moviola.media.container import ContainerSource
from moviola.media.info import to_json


def test_a_plain_file(tmp_path: Path) -> None:
    path = render(tmp_path / "plain.mp4", audio=True, metadata={"title": "Dust"})
    info = ContainerSource(path).probe()
    track = info.video
    assert (track.codec, track.width, track.height, track.pixel_format) == ("h264", 128, 96, "yuv420p")
    assert (track.bit_depth, track.alpha, track.rotation, track.sample_aspect) == (8, False, 0, 1)
    assert (track.average_rate, track.real_rate, track.variable_rate) == (25, 25, False)
    assert (track.frame_count, track.duration_seconds) == (60, pytest.approx(2.4))
    assert track.origin["frame_count"] == track.origin["width"] == "content"
    assert info.container.startswith("mov")
    assert info.size_bytes == path.stat().st_size
    assert info.metadata["title"] == "Dust"
    (sound,) = info.audio
    assert (sound.codec, sound.sample_rate, sound.channels, sound.layout) == ("aac", 16000, 1, "mono")
    assert info.warnings == ()


def test_rates_are_exact_fractions(tmp_path: Path) -> None:
    for name in ("ntsc.mp4", "ntsc.mkv"):
        path = render(tmp_path / name, rate=Fraction(30000, 1001))
        assert ContainerSource(path).probe().video.average_rate == Fraction(30000, 1001)


def test_variable_rate_is_seen_in_the_packets(tmp_path: Path) -> None:
    pts = [0, 40, 80, 120, 300, 340, 380, 1000]
    path = render(tmp_path / "vfr.mkv", count=8, pts=pts, time_base=Fraction(1, 1000))
    track = ContainerSource(path).probe().video
    assert track.variable_rate is True
    assert track.origin["variable_rate"] == "content"
    assert track.average_rate == pytest.approx(8 / 1.04)


def test_a_quick_look_is_bounded_and_counting_is_exact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = render(tmp_path / "long.mp4")
    monkeypatch.setattr(probing, "_LOOK_PACKETS", 10)
    source = ContainerSource(path)
    quick = source.probe().video
    assert quick.frame_count is None
    assert quick.origin["duration_seconds"] == "header"
    assert len(source._look(full=False).packets) == 10
    assert source.probe(count=True).video.frame_count == 60
    assert source.probe().video.frame_count == 60


def test_a_count_in_the_header_is_not_trusted(tmp_path: Path, media: Path) -> None:
    webm = render(tmp_path / "none.webm", codec="libvpx-vp9", count=12)
    with av.open(str(webm)) as container:
        assert container.streams.video[0].frames == 0
    assert ContainerSource(webm).probe(count=True).video.frame_count == 12
    edited = media / "codecs" / "discard_first_keyframe.mp4"
    with av.open(str(edited)) as container:
        assert container.streams.video[0].frames == 30
    assert ContainerSource(edited).probe(count=True).video.frame_count == 25


def test_a_turned_picture_has_its_sides_and_pixels_exchanged(tmp_path: Path) -> None:
    path = tmp_path / "turned.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        stream.set_display_rotation(90)
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 64, 3), np.uint8), format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    track = ContainerSource(path).probe().video
    assert (track.width, track.height, track.coded_width, track.coded_height) == (32, 64, 64, 32)
    assert (track.rotation, track.sample_aspect) == (270, Fraction(3, 4))


@pytest.mark.parametrize("name", ["made.mp4", "made.mkv", "made.webm"])
def test_the_recipe_is_read_back(tmp_path: Path, name: str) -> None:
    recipe = {"model": "flow", "seed": 7, "versions": {"moviola": "0.1"}}
    path = render(
        tmp_path / name,
        codec="libvpx-vp9" if name.endswith("webm") else "libx264",
        count=3,
        metadata={"moviola": json.dumps(recipe)},
        container_options={"movflags": "use_metadata_tags"} if name.endswith("mp4") else {},
    )
    info = ContainerSource(path).probe()
    assert info.recipe == recipe
    assert not any(key.lower() == "moviola" for key in info.metadata)


def test_a_broken_recipe_is_no_recipe(tmp_path: Path) -> None:
    path = render(tmp_path / "odd.mkv", count=3, metadata={"moviola": "{not json"})
    assert ContainerSource(path).probe().recipe is None


def test_everything_can_be_said_in_json(tmp_path: Path) -> None:
    told = json.loads(json.dumps(to_json(ContainerSource(render(tmp_path / "clip.mp4", count=3)).probe())))
    assert told["videos"][0]["average_rate"] == "25/1"
    assert told["videos"][0]["origin"]["frame_count"] == "content"


def test_deep_colour_is_told(media: Path) -> None:
    track = ContainerSource(media / "codecs" / "testsrc2_12bit_hdr.mp4").probe().video
    assert (track.bit_depth, track.colour.primaries, track.colour.matrix) == (12, "bt2020", "bt2020nc")
    full = ContainerSource(media / "codecs" / "bt709_full_range.mp4").probe().video
    assert (full.colour.matrix, full.colour.range) == ("bt709", "full")


def test_a_file_of_several_streams(media: Path) -> None:
    info = ContainerSource(media / "codecs" / "nasa_13013.mp4").probe()
    assert [track.index for track in info.videos] == [0, 3]
    assert (info.best, info.video.index) == (1, 3)
    assert [track.index for track in info.audio] == [1, 4]
    assert [track.codec for track in info.subtitles] == ["mov_text", "mov_text"]


def test_nothing_is_said_on_stderr_and_little_is_loaded(tmp_path: Path) -> None:
    path = render(tmp_path / "cut.mp4", container_options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    script = (
        "import sys; from moviola.media.container import ContainerSource;"
        f"print(sum(map(len, ContainerSource({str(path)!r}).read())));"
        "sys.exit(bool({'torch', 'cv2', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 0
    assert done.stderr == ""
