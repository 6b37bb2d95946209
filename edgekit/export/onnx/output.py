"""The `onnx` output: its settings in a recipe, and who exports what. Light until it runs."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from edgekit.export.onnx.calibration import TOKENS
from edgekit.export.onnx.candidates import Candidate
from edgekit.export.onnx.classifier import SELECTION_ROWS
from edgekit.export.onnx.covariances import HELD_BYTES
from edgekit.job.cost import Cost
from edgekit.job.job import Exported, OutputJob, Planned
from edgekit.recipe.settings import Settings, fault
from edgekit.tables import head_module

# Each answers alike on every CPU; which of them loses least depends on the model. Fastest first:
# smoothing takes 0 to 4 % of the time of long texts, and u8 1.2 to 1.3 times that of s8 without
# VNNI, 1.6 times with it.
CANDIDATES = {
    "none": (),
    "int8": (Candidate("s8"), Candidate("s8", smooth=True), Candidate("u8", smooth=True)),
    "int4": (Candidate("int4"),),
}


class OnnxSettings(Settings):
    """One ONNX file that onnxruntime runs on any CPU."""

    quantize: Literal["none", "int8", "int4"] = "int8"
    """Bits of the weights: int8 is the fastest, int4 smaller and slower, none is fp32."""
    embeddings: Literal["int8", "int4"] = "int8"
    """Bits of the word embeddings, used for lookup: int4 takes 0.56 bytes per weight, not 1."""

    @model_validator(mode="after")
    def _embeddings_need_a_scheme(self) -> Self:
        if self.quantize == "none" and self.embeddings != "int8":
            raise fault(
                "embeddings", "says how to quantize, but 'quantize' is none; remove one of the two"
            )
        return self


SETTINGS = OnnxSettings


def cost(settings: OnnxSettings, planned: Planned) -> Cost:
    """Tracing and writing fp32, quantizing each candidate, and answering validation rows."""
    rates, fp32 = planned.rates, planned.description.fp32_bytes
    embeddings = 4 * planned.description.embedding_parameters
    candidates = len(CANDIDATES[settings.quantize])
    rows = min(SELECTION_ROWS, max(1, len(planned.dataset.validation)))
    tokens = planned.tokens.validation * rows / max(1, len(planned.dataset.validation))
    compensated, held = _compensation(settings, planned)
    return Cost(
        seconds=4 * fp32 * rates.write_seconds_per_byte
        + candidates * 3 * fp32 * rates.write_seconds_per_byte
        + ((1 + candidates) * tokens + compensated) * rates.forward_seconds_per_token,
        # Tracing holds three more copies of all but the embeddings; the engine holds two of all.
        peak_bytes=rates.torch_bytes + max(fp32 + 3 * (fp32 - embeddings), 2 * fp32 + held),
        disk_bytes=fp32 + candidates * fp32 // 3 + held,
    )


def _compensation(settings: OnnxSettings, planned: Planned) -> tuple[int, int]:
    """The tokens that an encoder would read in the time that covariances take, and their bytes."""
    said = planned.description
    if settings.quantize != "int8" or said.decoder_layers:
        return 0, 0
    # Most of them belong to the feed-forward networks, four times as wide as the model.
    held = min(HELD_BYTES, 4 * (3 + 16) * said.layers * said.hidden**2)
    # To invert one takes as long as reading some tokens for each channel.
    inverted = sum(one.smooth for one in CANDIDATES["int8"]) * 16 * said.hidden
    return (TOKENS + inverted if held else 0), held


def run(settings: OnnxSettings, job: OutputJob) -> Exported:
    """Exports and quantizes what the task needs from the checkpoint; raises ExportError."""
    exported: Exported = head_module(job.head).run(
        CANDIDATES[settings.quantize], settings.quantize, job, embeddings=settings.embeddings
    )
    return exported
