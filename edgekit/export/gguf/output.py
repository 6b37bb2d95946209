"""The `gguf` output: converts a decoder, proves the file, quantizes it. Light until it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from edgekit.errors import DataError, RecipeError
from edgekit.export.gguf import budget, budgeting, calibration, importance, quantizing, rounding
from edgekit.export.gguf.budget import Room
from edgekit.export.gguf.budgeting import FILE
from edgekit.export.gguf.types import FAST, MIXES, NEED_IMPORTANCE, TYPES
from edgekit.job.cost import Cost
from edgekit.job.job import Exported, OnProgress, OutputJob, Planned
from edgekit.recipe.settings import Bytes, Settings, fault
from edgekit.store.store import PROGRESS, Finished
from edgekit.system import machine
from edgekit.wording.suggestions import did_you_mean
from edgekit.wording.units import human_bytes

VERSION = 2
IMPORTANCE = "importance.npz"
# llama.cpp's k-quants, single-threaded.
QUANTIZE_SECONDS_PER_WEIGHT = 1e-7
_NO_TEXTS = (
    "texts say which weights matter, and data has neither 'train' nor 'unlabeled'; add one of "
    "them, or set calibration_tokens to 0."
)
# Tokens read to find sensitive parts, about 28 in a model, and to compare; see budgeting.py.
BUDGET_TOKENS = 42_000

Mix = Literal[
    "none", "q8_0", "q6_k", "q5_k_m", "q5_k_s", "q5_1", "q5_0", "q4_k_m", "q4_k_s", "q4_1", "q4_0",
    "iq4_nl", "iq4_xs", "q3_k_l", "q3_k_m", "q3_k_s", "iq3_m", "iq3_s", "iq3_xxs", "q2_k", "iq2_m",
]  # fmt: skip
Embeddings = Literal[
    "f16", "q8_0", "q6_k", "q5_k", "q5_1", "q5_0", "q4_k", "q4_1", "q4_0", "iq4_nl"
]


class Budget(Settings):
    """A type is chosen for each tensor so that the file is no larger, and loses least."""

    size: Bytes | None = None
    """Size of the file, such as 90MB."""
    bits: Annotated[float, Field(ge=1, le=16)] | None = None
    """Bits per weight, over the whole file."""

    def __str__(self) -> str:
        """The budget as part of a folder's name."""
        return f"{self.bits:g}bits" if self.size is None else f"{self.size / 1e6:g}mb"


def _read(value: object) -> object:
    """A mix's name, or a Budget by its keys; each reports its own faults."""
    if isinstance(value, str) and value not in MIXES:
        raise fault("quantize", f"cannot be '{value}'; {_choices(value, list(MIXES))}")
    if not isinstance(value, dict):
        return value
    for key in value:
        if key not in Budget.model_fields:
            raise fault("quantize", f"has no '{key}'; {_choices(key, list(Budget.model_fields))}")
    if len(value) != 1:
        raise fault("quantize", "has either 'size' or 'bits', such as {size: 90MB}; give one")
    [(key, asked)] = value.items()
    try:
        return Budget.model_validate(value)
    except ValidationError as error:
        why = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ").rstrip(".")
        raise fault(f"quantize.{key}", f"cannot be {asked!r}: {why}") from None


def _choices(given: str, known: list[str]) -> str:
    told = did_you_mean(given, known).strip().rstrip("?.")
    return told[:1].lower() + told[1:]


class GgufSettings(Settings):
    """One GGUF file that llama.cpp runs on any CPU."""

    quantize: Annotated[Mix | Budget, BeforeValidator(_read)] = "q4_k_m"
    """One of llama.cpp's mixes of types; or `{size: 90MB}` or `{bits: 4.5}`, where a type is chosen
    for each tensor. none is f16."""
    embeddings: Embeddings | None = None
    """Type of the embedding table; what the mix gives it unless set here."""
    calibration_tokens: Annotated[int, Field(ge=0, le=10_000_000)] = 16_384
    """Tokens of training rows and unlabeled texts that show which columns matter; 0 for none."""
    rounding: Literal["nearest", "gptq"] | None = None
    """How weights are rounded to their types: nearest is llama.cpp's way, each by itself; with gptq
    each compensates for those before it, and the texts are read once more per gigabyte of
    statistics that this needs. Unless set, gptq for a budget and nearest for a mix."""

    @model_validator(mode="after")
    def _all_of_it_means_something(self) -> GgufSettings:
        if self.quantize == "none" and self.embeddings is not None:
            raise fault(
                "embeddings", "says how to quantize, but 'quantize' is none; remove one of the two"
            )
        if self.quantize == "none" and self.rounding is not None:
            raise fault(
                "rounding", "says how to quantize, but 'quantize' is none; remove one of the two"
            )
        if self.rounding == "gptq" and not self.calibration_tokens:
            raise fault(
                "calibration_tokens",
                "cannot be 0 where 'rounding' is gptq, which learns from texts "
                "how weights make up for one another; leave it out",
            )
        if isinstance(self.quantize, Budget) and not self.calibration_tokens:
            raise fault(
                "calibration_tokens",
                "cannot be 0 where 'quantize' is a budget: types are chosen by "
                "what they lose on texts; leave it out",
            )
        if self.quantize in NEED_IMPORTANCE and not self.calibration_tokens:
            raise fault(
                "calibration_tokens",
                f"cannot be 0 where 'quantize' is {self.quantize}: types this "
                "small need to know which weights matter; leave it out",
            )
        return self

    @property
    def is_by_gptq(self) -> bool:
        told = self.rounding or ("gptq" if isinstance(self.quantize, Budget) else "nearest")
        return told == "gptq"

    @property
    def reads_texts(self) -> bool:
        return self.quantize != "none" and self.calibration_tokens > 0

    @property
    def reads_unlabeled(self) -> bool:
        return self.reads_texts


SETTINGS = GgufSettings


def cost(settings: GgufSettings, planned: Planned) -> Cost:
    """Writing f16, proving it, reading the calibration texts, quantizing.

    Raises DataError where there are no such texts, and RecipeError for a budget that no model of
    this size can meet.
    """
    rates, description = planned.rates, planned.description
    if settings.reads_texts and not (planned.dataset.train or planned.dataset.unlabeled):
        raise DataError(f"{planned.place}: {_NO_TEXTS}")
    half_bytes = 2 * description.parameters
    tokens = settings.calibration_tokens if settings.reads_texts else 0
    if isinstance(settings.quantize, Budget):
        _refuse_impossible(settings.quantize, planned)
        tokens += BUDGET_TOKENS
    # The proof holds one layer in fp32 at a time, and the weights as they are in the file.
    peak_bytes = rates.torch_bytes + half_bytes + 4 * description.embedding_parameters
    if settings.is_by_gptq:
        layer_bytes = 4 * (6 * description.hidden**2 + description.ffn**2)
        passes, rounding_bytes = rounding.cost(layer_bytes * description.layers, description.ffn)
        tokens += passes * settings.calibration_tokens
        peak_bytes = max(peak_bytes, half_bytes + rounding_bytes)
    return Cost(
        seconds=6 * half_bytes * rates.write_seconds_per_byte
        + tokens * rates.forward_seconds_per_token
        + QUANTIZE_SECONDS_PER_WEIGHT * description.parameters / machine.cores(),
        peak_bytes=peak_bytes,
        disk_bytes=half_bytes + half_bytes // 2,
    )


def _refuse_impossible(asked: Budget, planned: Planned) -> None:
    """What rows and embeddings require is only known once the file is there: see budget.room."""
    parameters = planned.description.parameters
    least_bits = min(TYPES[name].bits for name in FAST)
    given = asked.size if asked.size is not None else (asked.bits or 0) * parameters / 8
    if given < parameters * least_bits / 8:
        raise RecipeError(
            f"{planned.place}: {human_bytes(given)} are too few for {parameters / 1e6:.1f} million "
            f"parameters, which take {human_bytes(parameters * least_bits / 8)} at least "
            f"({least_bits:.2f} bits each); give more, or make the model smaller first, with steps."
        )


def half(job: OutputJob) -> Finished:
    """The checkpoint as an f16 GGUF, proven to read and to predict as it does.

    The file is one piece of work, whatever the rows, and the proof on these rows another.
    """
    inputs = _inputs(job)
    of_file = {name: value for name, value in inputs.items() if name != "rows"}
    converted = job.run("gguf-convert", of_file, partial(_convert, job))
    inputs["half"] = converted.digest
    proven = job.run("gguf-parity", inputs, partial(_prove, job, converted.folder / FILE))
    return replace(converted, record={**converted.record, "parity": _without_peak(proven.record)})


def run(settings: GgufSettings, job: OutputJob) -> Exported:
    """Converts, measures importance and quantizes through the step store; raises ExportError."""
    converted = half(job)
    source = converted.folder / FILE
    record = dict(converted.record)
    if settings.quantize == "none":
        return Exported(source, "none", record)
    # A budget that is too small is refused before anything is measured.
    space = _room(settings, source)
    texts = partial(_calibrate, settings, job, source)
    measured = _importance(settings, job, converted, texts)
    inputs = {**_inputs(job), "half": converted.digest, "embeddings": settings.embeddings}
    matrix = None
    if measured is not None:
        matrix = measured.folder / IMPORTANCE
        inputs["importance"] = measured.digest
        record["importance"] = _without_peak(measured.record)
        record["notes"] = [*record.get("notes", ()), *record["importance"].pop("notes")]
    if space is not None and matrix is not None:
        ground = budgeting.Ground(
            source=source,
            importance=matrix,
            rows=job.rows,
            calibrate=texts if settings.is_by_gptq else None,
            languages=job.languages,
            embeddings=settings.embeddings,
            seed=job.seed,
            threads=machine.cores(),
            inputs=inputs,
        )
        done = budgeting.make(ground, space, job.run)
    else:
        if settings.is_by_gptq:
            inputs["rounding"] = "gptq"
        make = partial(_quantize, settings, source, matrix, texts)
        done = job.run("gguf-quantize", {**inputs, "mix": settings.quantize}, make)
    # Its notes put into sentences what `substituted` says.
    record.update(
        {key: value for key, value in _without_peak(done.record).items() if key != "notes"}
    )
    return Exported(done.folder / FILE, str(settings.quantize), record)


def _room(settings: GgufSettings, source: Path) -> Room | None:
    if not isinstance(settings.quantize, Budget):
        return None
    return budget.room(
        source,
        size_bytes=settings.quantize.size,
        bits=settings.quantize.bits,
        embeddings=settings.embeddings,
    )


def _inputs(job: OutputJob) -> dict[str, Any]:
    return {
        "checkpoint": job.checkpoint_digest,
        "version": VERSION,
        "packages": job.packages,
        "rows": job.rows_digest,
        "languages": list(job.languages),
    }


def _convert(job: OutputJob, out: Path, on_progress: OnProgress) -> dict[str, Any]:
    # gguf and tokenizers are imported only when something is exported.
    from edgekit.export.gguf import convert

    return convert.convert(
        job.checkpoint, out / FILE, languages=job.languages, on_progress=on_progress
    )


def _prove(job: OutputJob, model: Path, out: Path, on_progress: OnProgress) -> dict[str, Any]:
    from edgekit.export.gguf import parity  # see _convert

    texts = [row.text for row in job.rows]
    return parity.prove(job.checkpoint, model, texts=texts, threads=machine.cores())


def _calibrate(settings: GgufSettings, job: OutputJob, source: Path) -> calibration.Chosen:
    return calibration.choose(
        source,
        job.calibration,
        languages=job.languages,
        tokens=settings.calibration_tokens,
        seed=job.seed,
    )


def _importance(
    settings: GgufSettings,
    job: OutputJob,
    converted: Finished,
    texts: Callable[[], calibration.Chosen],
) -> Finished | None:
    """Measured on training rows and unlabeled texts, equally many tokens of each language."""
    if not settings.calibration_tokens:
        return None
    if not job.calibration:
        raise DataError(f"gguf: {_NO_TEXTS}")
    inputs = {
        **_inputs(job),
        "half": converted.digest,
        "calibration": job.calibration_digest,
        "tokens": settings.calibration_tokens,
        "seed": job.seed,
    }
    make = partial(_measure, converted.folder / FILE, job.languages, texts)
    return job.run("gguf-importance", inputs, make)


def _measure(
    model: Path,
    languages: Sequence[str],
    texts: Callable[[], calibration.Chosen],
    out: Path,
    on_progress: OnProgress,
) -> dict[str, Any]:
    chosen = texts()
    record = importance.measure(
        model,
        chosen.tokens,
        out / IMPORTANCE,
        threads=machine.cores(),
        on_progress=on_progress,
        progress=out / PROGRESS,
    )
    missing = [language for language in languages if language not in chosen.by_language]
    return {
        **record,
        "by_language": dict(chosen.by_language),
        "notes": [f"no calibration text is in {', '.join(missing)}"] if missing else [],
    }


def _quantize(
    settings: GgufSettings,
    source: Path,
    matrix: Path | None,
    texts: Callable[[], calibration.Chosen],
    out: Path,
    on_progress: OnProgress,
) -> dict[str, Any]:
    quantize = partial(
        quantizing.quantize,
        mix=str(settings.quantize),
        embeddings=settings.embeddings,
        importance=matrix,
        threads=machine.cores(),
    )
    if not settings.is_by_gptq:
        return quantize(source, out / FILE)
    return rounding.quantize(
        quantize,
        source,
        out / FILE,
        texts().tokens,
        threads=machine.cores(),
        on_progress=on_progress,
        progress=out / PROGRESS,
    )


def _without_peak(record: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != "peak_bytes"}
