"""prune takes layers out of models that write: the right ones, of every family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from edgekit.checkpoint import layers, models
from edgekit.checkpoint.describe import describe
from edgekit.checkpoint.seq2seq import SEQ2SEQ
from edgekit.data.rows import Row
from edgekit.errors import RecipeError
from edgekit.job.cost import Rates
from edgekit.job.job import Job, Planned, Tokens
from edgekit.recipe import dataset as data
from edgekit.recipe import recipe
from edgekit.steps.prune.encoder import depth
from edgekit.steps.prune.seq2seq import plan as prune_writer
from edgekit.steps.prune.seq2seq import run as pruning_writer
from edgekit.steps.prune.seq2seq.plan import PruneSettings
from edgekit.steps.prune.seq2seq.run import run as run_prune
from edgekit.training import seq2seq as writing
from tests.tiny import seq2seq as tiny_seq2seq
from tests.tiny.job import make_job

FAMILIES = sorted(SEQ2SEQ)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A T5 of four layers in each half that knows nothing, and pairs."""
    folder = tmp_path_factory.mktemp("four")
    checkpoint = tiny_seq2seq.make_model(folder / "t5", trained=False, layers=4)
    return tiny_seq2seq.make_project(folder / "project", checkpoint).parent


def job_of(project: Path, checkpoint: Path, out: Path) -> Job:
    out.mkdir()
    return make_job(project, checkpoint, out)


def states(model: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Of a text: those of the encoder, and of the decoder's first pieces."""
    text, written = torch.tensor([[6, 7, 8, 2]]), torch.tensor([[1, 9, 6]])
    with torch.inference_mode():
        read = model.get_encoder()(input_ids=text).last_hidden_state
        wrote = model.get_decoder()(input_ids=written, encoder_hidden_states=read)
    return read, wrote.last_hidden_state


@pytest.mark.parametrize("family", FAMILIES)
def test_what_stays_of_a_family_is_what_it_was(family: str, project: Path, tmp_path: Path) -> None:
    """Against the whole model with its other layers left out by hand."""
    checkpoint = tiny_seq2seq.make_model(tmp_path / "made", family=family, trained=False, layers=4)
    job = job_of(project, checkpoint, tmp_path / "out")
    done = run_prune(PruneSettings(decoder_layers=2, encoder_layers=[0, 2]), job)
    assert done["after"] == {"encoder_layers": [0, 2], "decoder_layers": [0, 3]}
    found = describe(job.out)
    assert (found.layers, found.decoder_layers) == (2, 2)
    whole: Any = models.load_seq2seq(checkpoint)
    for half, kept in ((SEQ2SEQ[family].encoder, (0, 2)), (SEQ2SEQ[family].decoder, (0, 3))):
        stack = whole.get_submodule(half.layers)
        for number in reversed(range(4)):
            if number not in kept:
                del stack[number]
    wanted, given = states(whole), states(models.load_seq2seq(job.out))
    assert all(torch.equal(one, other) for one, other in zip(wanted, given, strict=True))


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_whole_halves_stay_whole_and_the_first_may_go(
    family: str, project: Path, tmp_path: Path
) -> None:
    """Of T5 the first layer has what all need, also where another one becomes the first."""
    checkpoint = tiny_seq2seq.make_model(tmp_path / "made", family=family, trained=False, layers=3)
    kept = layers.keep_seq2seq_layers(checkpoint, encoder=range(3), decoder=range(3))
    wanted = models.load_seq2seq(checkpoint).state_dict()
    assert all(torch.equal(one, wanted[name]) for name, one in kept.state_dict().items())
    last = layers.keep_seq2seq_layers(checkpoint, encoder=range(3), decoder=[2])
    place = SEQ2SEQ[family].decoder.layers
    own = {name: one for name, one in last.state_dict().items() if name.startswith(place)}
    assert own
    for name, one in own.items():
        first = "relative_attention_bias" in name
        assert torch.equal(one, wanted[name if first else name.replace(".0.", ".2.", 1)])


def test_a_layer_is_measured_as_it_will_be_left(
    project: Path, tiny_writers: tiny_seq2seq.Writers
) -> None:
    """Of a T5, with the biases that its first layer had for all."""
    rows = writing.given(make_job(project, tiny_writers["t5"], project), validation(project))
    whole: Any = models.load_seq2seq(tiny_writers["t5"])
    stack = whole.decoder.block
    pruning_writer._lend_distances(stack)
    with depth.only(stack, [1]):
        measured = writing.likelihood(whole, rows.examples)
    left = layers.keep_seq2seq_layers(tiny_writers["t5"], encoder=[0, 1], decoder=[1])
    assert measured == pytest.approx(writing.likelihood(left, rows.examples))
    assert len(stack) == 2


def validation(project: Path) -> Sequence[Row]:
    return data.read(recipe.read(project / "recipe.yaml"), labels=None).validation


@pytest.mark.parametrize("family", tiny_seq2seq.FAMILIES)
def test_measured_it_keeps_the_layer_that_the_summaries_need(
    family: str, project: Path, tiny_writers: tiny_seq2seq.Writers, tmp_path: Path
) -> None:
    """The first layer of a trained decoder was overwritten, and only disturbs."""
    model = models.load_seq2seq(tiny_writers[family])
    first: Any = model.get_submodule(f"{SEQ2SEQ[family].decoder.layers}.0")
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, weights in first.named_parameters():
            if weights.dim() == 2 and "relative_attention_bias" not in name:
                weights.copy_(torch.randn(weights.shape, generator=generator))
    disturbed = tmp_path / "disturbed"
    models.save(model, disturbed, source=tiny_writers[family])
    job = job_of(project, disturbed, tmp_path / "out")
    settings = PruneSettings(decoder_layers=1, method="measured", texts=20)
    done = run_prune(settings, job)
    assert done["after"] == {"encoder_layers": [0, 1], "decoder_layers": [1]}
    likelihood = done["proof"]["likelihood"]
    assert set(likelihood["before"]) == {"ar", "en", "fr"}
    assert all(likelihood["after"][name] > likelihood["before"][name] for name in ("en", "fr"))
    even = run_prune(PruneSettings(decoder_layers=1), job)
    assert even["after"]["decoder_layers"] == [0]


def planned(project: Path) -> Planned:
    bound = recipe.read(project / "recipe.yaml")
    return Planned(
        place="recipe.yaml: step 1",
        recipe=bound.recipe,
        description=describe(project / "model"),
        dataset=data.read(bound, labels=None),
        tokens=Tokens(100, 100, 100, 10),
        rates=Rates(1.0, 1.0, 1.0, 1.0, 0),
        resolve=bound.resolve,
    )


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"decoder_layers": 4}, "nothing out of the decoder, which has 4 layers"),
        ({"decoder_layers": 2, "encoder_layers": [0, 1, 2, 3]}, "nothing out of the encoder"),
        ({"encoder_layers": [1, 4]}, "layer 4 of the encoder, which has the layers 0 to 3"),
    ],
)
def test_what_would_do_nothing_is_refused(project: Path, given: dict[str, Any], why: str) -> None:
    with pytest.raises(RecipeError, match=why):
        prune_writer.check(PruneSettings(**given), planned(project))


def test_what_cannot_be_done_is_refused(project: Path) -> None:
    given = planned(project)
    measured = PruneSettings(decoder_layers=2, method="measured")
    with pytest.raises(RecipeError, match="add data"):
        prune_writer.check(measured, replace(given, dataset=replace(given.dataset, validation=())))
    prune_writer.check(measured, given)


def test_it_is_known_what_will_be_left(project: Path) -> None:
    given = planned(project)
    found = prune_writer.after(PruneSettings(decoder_layers=1, encoder_layers=[0, 2, 3]), given)
    left = layers.keep_seq2seq_layers(project / "model", encoder=[0, 2, 3], decoder=[0])
    wanted = sum(one.numel() for one in left.parameters())
    assert (found.description.layers, found.description.decoder_layers) == (3, 1)
    assert found.description.parameters == pytest.approx(wanted, rel=0.02)
    assert found.rates.train_seconds_per_token < 0.6


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "decoder_layers.*missing"),
        ({"layers": 2}, "one half"),
        ({"ffn": 0.5}, "for classifiers"),
        ({"decoder_layers": 0}, "decoder_layers.*1 or more"),
        ({"decoder_layers": [1, 0]}, "decoder_layers.*rising"),
        ({"decoder_layers": [0], "method": "measured"}, "where numbers are given"),
        ({"decoder_layers": 1, "texts": 20}, "measured"),
    ],
)
def test_settings_of_no_use_are_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        PruneSettings.model_validate(given)
