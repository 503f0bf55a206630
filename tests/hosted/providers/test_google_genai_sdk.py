"""Google's own client as the judge: of the bodies that are sent, and of the fakes that answer them."""

import gzip
import json
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest

genai = pytest.importorskip("google.genai")

from google.genai import errors, interactions, types  # noqa: E402
from google.oauth2.credentials import Credentials  # noqa: E402
from pydantic import BaseModel  # noqa: E402

from fake_gemini_omni import FakeGeminiOmni, refused  # noqa: E402
from fake_vertex import FakeVertex  # noqa: E402
from moviola import registry  # noqa: E402
from moviola.hosted.service import Given  # noqa: E402
from moviola.hosted.shaping import settle  # noqa: E402
from moviola.tasks import Edit, Generate, request  # noqa: E402

OMNI = ("gemini-omni/1.1-flash", "gemini-omni/1.2-flash")


def literals(annotation):
    if get_origin(annotation) is Literal:
        return set(get_args(annotation))
    return set().union(*map(literals, get_args(annotation)))


def check_known(said, parsed, annotation=None):
    """That every name, and every word of a fixed set, is one that the client knows."""
    if isinstance(said, dict):
        assert isinstance(parsed, BaseModel), f"{said} was taken for nothing that is known"
        fields = type(parsed).model_fields
        for name, value in said.items():
            assert name in fields, f"{name} in {type(parsed).__name__}"
            check_known(value, getattr(parsed, name), fields[name].annotation)
    elif isinstance(said, list):
        for one, of in zip(said, parsed, strict=True):
            check_known(one, of)
    elif isinstance(said, str) and (words := literals(annotation)):
        assert said in words


def order(model, verb, files, fields, options):
    family, card = registry.find(model, task=verb.verb)
    wanted = {"prompt": "a lake", "model": card.id} | fields
    if verb is Edit:
        wanted["video"] = "in.mp4"
    settled, _ = settle(request(verb, wanted), card)
    return family.order(settled, card, family.Options.model_validate(options), files)


def omni_orders():
    kinds = ("image/png", "image/jpeg", "image/webp")
    for model in OMNI:
        _, card = registry.find(model)
        for size in card.limits.sizes:
            yield order(model, Generate, {}, {"size": size, "seed": 1}, {})
            yield order(model, Edit, {"video": Given("x", "video/mp4")}, {"size": size}, {})
        for seconds in card.limits.durations:
            yield order(model, Generate, {}, {"seconds": seconds}, {"delivery": "inline"})
        for kind in kinds:
            yield order(model, Generate, {"image": Given("x", kind)}, {"image": "a"}, {})
            yield order(model, Generate, {"reference": Given("x", kind)}, {"reference": "a"}, {})
        for kind in card.limits.files["video"].kinds:
            yield order(model, Edit, {"video": Given("x", kind)}, {}, {"task": "extend", "seconds": 3})
        yield order(model, Edit, {"video": Given("https://x/y")}, {}, {"task": "upscale"})
        yield order(model, Generate, {}, {}, {"previous": "v1_x"})
        yield order(model, Generate, {}, {}, {"task": "text_to_video"})


def test_every_body_for_omni_is_one_that_the_client_knows():
    orders = list(omni_orders())
    assert len(orders) > 60
    for made in orders:
        check_known(dict(made.body), interactions.CreateModelInteraction.model_validate(made.body))


@pytest.mark.parametrize(
    "wrong",
    [
        {"x": 1},
        {"model": "gemini-omni-9"},
        {"response_format": {"type": "video", "size": "720p"}},
        {"response_format": {"type": "video", "resolution": "480p"}},
        {"generation_config": {"video_config": {"task": "dance"}}},
        {"input": [{"type": "film", "uri": "x"}]},
    ],
)
def test_the_judge_is_strict(wrong):
    body = dict(next(omni_orders()).body) | wrong
    with pytest.raises((AssertionError, AttributeError)):
        check_known(body, interactions.CreateModelInteraction.model_validate(body))


class TestTheFakeOfOmni:
    @pytest.fixture
    def gemini(self):
        with FakeGeminiOmni() as there:
            yield there

    @pytest.fixture
    def client(self, gemini):
        options = {"base_url": gemini.url, "api_version": "v1beta", "retry_options": {"attempts": 1}}
        return genai.Client(api_key=gemini.key, vertexai=False, http_options=options)

    def made(self, client, delivery):
        body = dict(order(OMNI[0], Generate, {}, {}, {"delivery": delivery}).body)
        interaction = client.interactions.create(**body)
        seen = []
        while interaction.status not in ("completed", "failed"):
            interaction = client.interactions.get(interaction.id)
            seen.append(interaction.status)
        assert seen == ["queued", "in_progress", "completed"]
        return interaction

    def test_the_client_makes_looks_and_parses(self, gemini, client):
        interaction = self.made(client, "inline")
        assert interaction.output_video.data == "YSBmaWxt"
        assert interaction.usage.output_tokens_by_modality[0].tokens == 17376
        assert interaction.model == "gemini-omni-1.1-flash"

    def test_the_client_finds_the_file(self, gemini, client):
        interaction = self.made(client, "uri")
        name = interaction.output_video.uri.partition("v1beta/")[2].partition(":")[0]
        assert client.files.get(name=name).state == "ACTIVE"
        assert client.files.download(file=name) == b"a film"

    def test_the_client_brings_a_file(self, gemini, client, tmp_path):
        (tmp_path / "a.mp4").write_bytes(b"clip")
        brought = client.files.upload(file=str(tmp_path / "a.mp4"))
        assert (brought.mime_type, brought.state) == ("video/mp4", "PROCESSING")
        assert gemini.files.held[brought.name].content == b"clip"
        assert client.files.get(name=brought.name).state == "ACTIVE"

    def test_the_client_cancels(self, gemini, client):
        body = dict(order(OMNI[0], Generate, {}, {}, {}).body)
        interaction = client.interactions.create(**body)
        assert client.interactions.cancel(interaction.id).status == "cancelled"

    def test_the_client_understands_refusals(self, gemini, client):
        gemini.trouble(*gemini.create, refused(400, "bad", status="INVALID_ARGUMENT"))
        with pytest.raises(Exception, match="bad"):
            client.interactions.create(model="gemini-omni-1.1-flash", input="a", background=True)
        with pytest.raises(errors.ClientError, match="permission"):
            client.files.get(name="files/none")


SPEC = Path(__file__).parents[4] / "shared/reference/specs/vertex-aiplatform-v1beta1-discovery.json.gz"

VISION = "CloudAiLargeModelsVisionGenerateVideo"


@pytest.fixture(scope="module")
def schemas():
    if not SPEC.exists():
        pytest.skip("Google's discovery document is not here")
    return json.loads(gzip.decompress(SPEC.read_bytes()))["schemas"]


PICTURE = {"bytesBase64Encoded": "YQ==", "mimeType": "image/png"}


def veo_orders():
    """As they are sent, with what the client is asked for to send the same."""
    png, given = Given("asset:1", "image/png"), types.Image(image_bytes=b"a", mime_type="image/png")
    for model in ("veo/3.1", "veo/3.1-fast", "veo/3.1-lite"):
        _, card = registry.find(model)
        for size in card.limits.sizes:
            for seconds in card.limits.durations:
                yield order(model, Generate, {}, {"size": size, "seconds": seconds}, {}), {}
        fields, options = {"image": "a", "audio": False, "seed": 7}, {"resize": "crop"}
        yield order(model, Generate, {"image": png}, fields, options), {"image": given}
        options = {
            "person_generation": "allow_all",
            "compression": "lossless",
            "storage_uri": "gs://bucket/x",
        }
        yield order(model, Generate, {}, {"negative_prompt": "rain"}, options), {}
        if "reference" in card.takes:
            both, fields = {"image": png, "last_image": png}, {"image": "a", "last_image": "b"}
            yield order(model, Generate, both, fields, {}), {"image": given, "last_frame": given}
            asset = types.VideoGenerationReferenceImage(image=given, reference_type="asset")
            made = order(model, Generate, {"reference": png}, {"reference": "a", "seconds": 8}, {})
            yield made, {"reference_images": [asset]}


class TestVeo:
    @pytest.fixture
    def vertex(self):
        with FakeVertex() as there:
            there.runs = 0
            yield there

    @pytest.fixture
    def client(self, vertex):
        return genai.Client(
            vertexai=True,
            project="a-project",
            location="us-central1",
            credentials=Credentials(token=vertex.token),
            http_options={"base_url": vertex.url, "api_version": "v1", "retry_options": {"attempts": 1}},
        )

    def asked(self, client, made, pictures):
        said = made.body["parameters"]
        config = types.GenerateVideosConfig(
            number_of_videos=said["sampleCount"],
            duration_seconds=said["durationSeconds"],
            aspect_ratio=said["aspectRatio"],
            resolution=said["resolution"],
            generate_audio=said["generateAudio"],
            negative_prompt=said.get("negativePrompt"),
            seed=said.get("seed"),
            person_generation=said.get("personGeneration"),
            compression_quality=said.get("compressionQuality"),
            resize_mode=said.get("resizeMode"),
            output_gcs_uri=said.get("storageUri"),
            **{name: value for name, value in pictures.items() if name != "image"},
        )
        source = types.GenerateVideosSource(
            prompt=made.body["instances"][0]["prompt"], image=pictures.get("image")
        )
        return client.models.generate_videos(model=made.model, source=source, config=config)

    def test_every_body_is_what_the_client_sends(self, vertex, client):
        orders = list(veo_orders())
        assert len(orders) > 40
        for made, pictures in orders:
            self.asked(client, made, pictures)
            theirs = vertex.asked[-1]
            ours = json.dumps(made.body).replace("asset:1", PICTURE["bytesBase64Encoded"])
            assert lowered(theirs.json) == lowered(json.loads(ours))
            assert theirs.place.endswith(f"/publishers/google/models/{made.model}:predictLongRunning")

    @pytest.mark.parametrize("options", [{}, {"storage_uri": "gs://bucket/x"}])
    def test_the_client_makes_looks_and_parses(self, vertex, client, options):
        operation = self.asked(client, order("veo/3.1", Generate, {}, {}, options), {})
        assert operation.name in vertex.jobs
        operation = client.operations.get(operation)
        (made,) = operation.response.generated_videos
        assert made.video.video_bytes == (None if options else b"a film")
        assert made.video.uri == ("gs://bucket/x/1/sample_0.mp4" if options else None)

    def test_the_client_sees_what_was_kept_back(self, vertex, client):
        vertex.ending = {"response": {"raiMediaFilteredCount": 1, "raiMediaFilteredReasons": ["no"]}}
        operation = self.asked(client, order("veo/3.1", Generate, {}, {}, {}), {})
        response = client.operations.get(operation).response
        assert (response.rai_media_filtered_count, response.rai_media_filtered_reasons) == (1, ["no"])

    def test_googles_discovery_document_knows_what_is_sent(self, schemas):
        request = schemas["GoogleCloudAiplatformV1beta1PredictLongRunningRequest"]["properties"]
        picture = schemas[f"{VISION}RequestImage"]["properties"]
        for made, _ in veo_orders():
            assert made.body.keys() <= request.keys()
            (instance,) = made.body["instances"]
            references = [one["image"] for one in instance.get("referenceImages", ())]
            for image in [instance.get("image"), instance.get("lastFrame"), *references]:
                assert image is None or image.keys() <= picture.keys()

    def test_and_what_the_fake_answers(self, vertex, client, schemas):
        made = order("veo/3.1", Generate, {}, {}, {})
        name = self.asked(client, made, {}).name
        said = vertex._said(name, vertex.jobs[name])
        assert said.keys() <= schemas["GoogleLongrunningOperation"]["properties"].keys()
        known = schemas[f"{VISION}Response"]["properties"].keys()
        assert said["response"].keys() - {"@type"} <= known
        (video,) = said["response"]["videos"]
        assert video.keys() <= schemas[f"{VISION}ResponseVideo"]["properties"].keys()


def lowered(value):
    """Without the case of words: the client takes those of fixed sets in any."""
    match value:
        case dict():
            return {name: lowered(inner) for name, inner in value.items()}
        case list():
            return [lowered(inner) for inner in value]
        case str() if value.isupper():
            return value.lower()
    return value
