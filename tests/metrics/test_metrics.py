"""Every metric is found from its file and states what it is."""

from typing import get_args

import pytest

from moviola import metrics, registry
from moviola.errors import InputError, RequestError


def test_the_folder_is_the_list() -> None:
    assert {"flicker", "lpips", "psnr", "ssim", "warping"} <= set(metrics.names())
    assert not any(name.startswith("_") for name in metrics.names())


@pytest.mark.parametrize("name", metrics.names())
def test_a_metric_states_what_it_is(name: str) -> None:
    metric = metrics.find(name)
    assert name == metric.NAME
    assert isinstance(metric.UNIT, str)
    assert isinstance(metric.HIGHER_IS_BETTER, bool)
    assert metric.REFERENCE in get_args(metrics.Reference)
    assert isinstance(metric.NEEDS_MODEL, bool)
    assert metric.MODELS or not metric.NEEDS_MODEL
    assert metric.SUMMARY.endswith(".")
    assert "\n" not in metric.SUMMARY
    for option in metric.Options.model_fields.values():
        assert option.description
        assert not option.is_required()


@pytest.mark.parametrize("name", metrics.names())
def test_a_metric_looks_with_models_that_there_are(name: str) -> None:
    for model in metrics.find(name).MODELS:
        _, card = registry.find(model, task="measure")
        assert card.id == model


@pytest.mark.parametrize("name", metrics.names())
def test_a_metric_that_saw_nothing_says_so_in_one_line(name: str) -> None:
    metric = metrics.find(name)
    model = [lambda *_: 0.0] if metric.NEEDS_MODEL else []
    with pytest.raises(InputError, match=name) as caught:
        metric.start(metric.Options(), *model).compute()
    assert "\n" not in str(caught.value)


def test_an_unknown_metric_is_refused_with_those_there_are() -> None:
    with pytest.raises(RequestError, match=r"'vmof'.*psnr, ssim"):
        metrics.find("vmof")


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(RequestError, match="flicker: option window"):
        metrics.validated(metrics.find("flicker"), {"window": 3})
