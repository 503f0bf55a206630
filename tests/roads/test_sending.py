"""What a request names becomes what a provider takes: as it is where it can, smaller with `fit` alone."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from moviola.card import Accepts
from moviola.clip import Clip
from moviola.errors import InputError, RequestError
from moviola.hosted.fetching import sha256_of
from moviola.roads.sending import Sending


@pytest.fixture
def sending(tmp_path):
    """Makes a `Sending` whose folder is `made`."""
    return lambda fit=False, folder=tmp_path / "made": Sending("acme/1", folder, fit, [])


@pytest.fixture
def lake(tmp_path):
    """A picture of noise, which compresses badly: 400 × 200."""
    path = tmp_path / "lake.png"
    Image.fromarray(noise(200, 400)).save(path)
    return path


@pytest.fixture
def film(tmp_path):
    """Four seconds of noise in 96 × 64."""
    path = tmp_path / "film.mp4"
    Clip(np.stack([noise(64, 96, n) for n in range(40)]), rate=10).save(path)
    return path


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def decoded(path):
    with Image.open(path) as image:
        return np.asarray(image)


class TestPictures:
    def test_what_is_taken_is_sent_as_it_is(self, sending, lake):
        given, upload = sending().given("image", lake, Accepts(max_bytes=10**6, max_side=400))
        assert (Path(upload.path), upload.sha256) == (lake, sha256_of(lake))
        assert given.address == f"asset:{upload.sha256}"
        assert (given.kind, given.width, given.height) == ("image/png", 400, 200)
        assert given.size == upload.size == lake.stat().st_size

    def test_an_address_is_handed_on(self, sending):
        given, upload = sending().given("image", "https://a.example/lake.png", Accepts(max_bytes=1))
        assert (given.address, given.size, upload) == ("https://a.example/lake.png", None, None)

    def test_an_array_becomes_a_png_with_the_same_pixels(self, sending):
        pixels = noise(20, 30)
        _, upload = sending().given("image", pixels, Accepts())
        assert (decoded(upload.path) == pixels).all()

    def test_a_kind_that_is_not_taken_is_written_anew_without_loss(self, sending, lake, tmp_path):
        Image.fromarray(noise(200, 400)).save(tmp_path / "lake.webp", lossless=True)
        given, upload = sending().given("image", tmp_path / "lake.webp", Accepts(kinds=("image/png",)))
        assert given.kind == "image/png"
        assert (decoded(upload.path) == noise(200, 400)).all()

    @pytest.mark.parametrize(
        ("accepts", "why"),
        [
            (Accepts(max_bytes=9000), r"0\.\d MB.*up to 0\.0 MB; --fit sends it smaller"),
            (Accepts(max_side=300), "sides up to 300 pixels; --fit sends 300x150"),
            (Accepts(min_side=300), "sides from 300 pixels; --fit sends 600x300"),
            (Accepts(max_aspect=1.5), "longer than acme/1 takes, which is 1.5 to 1"),
        ],
    )
    def test_what_is_not_taken_is_refused(self, sending, lake, accepts, why):
        with pytest.raises(InputError, match=why):
            sending().given("image", lake, accepts)

    def test_with_fit_it_is_scaled(self, sending, lake):
        ready = sending(fit=True)
        given, upload = ready.given("image", lake, Accepts(max_side=300))
        with Image.open(upload.path) as image:
            assert image.size == (given.width, given.height) == (300, 150)
        assert ready.notes == ["image: sent in 300x150"]

    def test_with_fit_it_is_brought_below_the_limit(self, sending, lake):
        _, upload = sending(fit=True).given("image", lake, Accepts(max_bytes=20_000))
        assert upload.size <= 20_000
        assert upload.kind == "image/jpeg"
        with Image.open(upload.path) as image:
            assert image.width >= 100, "no smaller than it must be"

    def test_what_cannot_be_brought_below_it_is_told(self, sending, lake):
        with pytest.raises(InputError, match="cannot be brought below"):
            sending(fit=True).given("image", lake, Accepts(max_bytes=10))

    def test_a_missing_file_is_told(self, sending):
        with pytest.raises(InputError, match=r"nowhere\.png"):
            sending().given("image", Path("nowhere.png"), Accepts())

    def test_only_checking_writes_nothing(self, sending, tmp_path):
        given, upload = sending(folder=None).given("image", noise(20, 30), Accepts())
        assert (given.width, given.height, upload) == (30, 20, None)
        assert not (tmp_path / "made").exists()

    def test_nor_reads_all_of_a_file(self, sending, lake, monkeypatch):
        monkeypatch.setattr("moviola.roads.sending.sha256_of", None)
        given, upload = sending(folder=None).given("image", lake, Accepts())
        assert (given.size, given.width, upload) == (lake.stat().st_size, 400, None)


class TestVideos:
    def test_what_is_taken_is_sent_as_it_is(self, sending, film):
        given, upload = sending().given("video", film, Accepts(max_seconds=4))
        assert Path(upload.path) == film
        assert (given.width, given.height, given.seconds) == (96, 64, pytest.approx(4))

    def test_another_kind_becomes_an_mp4(self, sending, film, tmp_path):
        Clip(film).save(tmp_path / "film.mkv")
        ready = sending()
        given, upload = ready.given("video", tmp_path / "film.mkv", Accepts())
        assert (given.kind, Path(upload.path).suffix) == ("video/mp4", ".mp4")
        assert ready.notes == ["video: written anew as MP4, which acme/1 takes"]
        assert len(Clip(upload.path).timeline()) == 40

    def test_a_stretch_of_it_is_cut_out(self, sending, film):
        given, upload = sending().given("video", film, Accepts(), Clip(film, span=(1, 2)))
        assert given.seconds == pytest.approx(1)
        assert len(Clip(upload.path).timeline()) == 10

    def test_a_stretch_of_what_only_the_provider_fetches_cannot_be_sent(self, sending, film):
        with pytest.raises(RequestError, match="only all of https"):
            sending().given("video", "https://a.example/film.mp4", Accepts(), Clip(film, span=(1, 2)))

    @pytest.mark.parametrize(
        ("accepts", "why"),
        [
            (Accepts(max_seconds=3), r"4 s are too long, acme/1 takes up to 3 s; say which with --range"),
            (Accepts(min_seconds=5), "4 s are too short"),
            (Accepts(max_bytes=1000), "--fit sends it smaller"),
            (Accepts(max_side=90), "--fit sends 90x60"),
        ],
    )
    def test_what_is_not_taken_is_refused(self, sending, film, accepts, why):
        with pytest.raises(InputError, match=why):
            sending().given("video", film, accepts)

    def test_with_fit_it_is_cut_and_scaled(self, sending, film):
        ready = sending(fit=True)
        given, upload = ready.given("video", film, Accepts(max_seconds=3, max_side=48))
        made = Clip(upload.path)
        assert (made.width, made.height) == (given.width, given.height) == (48, 32)
        assert len(made.timeline()) == 30
        assert given.seconds == 3
        assert ready.notes == ["video: sent in 48x32", "video: the first 3 s are sent"]

    def test_with_fit_it_is_brought_below_the_limit(self, sending, film):
        most = film.stat().st_size // 3
        ready = sending(fit=True)
        _, upload = ready.given("video", film, Accepts(max_bytes=most))
        assert upload.size <= most
        assert ready.notes[-1].startswith("video: sent smaller")

    def test_odd_sizes_are_evened_for_players(self, sending, tmp_path):
        odd = tmp_path / "odd.mkv"
        Clip(np.stack([noise(33, 47)] * 5), rate=10).save(odd, codec="ffv1")
        given, upload = sending().given("video", odd, Accepts())
        made = Clip(upload.path)
        assert (made.width, made.height) == (given.width, given.height)
        assert made.width % 2 == made.height % 2 == 0
