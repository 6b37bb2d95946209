"""Trains a model on token windows; knows no recipe, no folder and no loss.

The same seed, data and machine give the same weights, even when training was interrupted anywhere:
every random choice is drawn from (seed, iteration), so the saved state is the weights, the
optimizer's moments and a few numbers.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import PreTrainedModel

from edgekit.errors import StepError
from edgekit.job.crew import Crew, Turn
from edgekit.store.progress import load_progress, save_progress
from edgekit.system import allocator, devices
from edgekit.system.devices import KEPT_BYTES, MICRO_BATCH_TOKENS
from edgekit.training.batches import Example, bucketed, collate

SAVE_EVERY_SECONDS = 120.0
# Parts of a model that are new when an encoder becomes a classifier.
HEADS = frozenset({"classifier", "pre_classifier", "pooler", "head", "score"})

NAMED_ROWS = 10

Weights = dict[str, torch.Tensor]
Model = PreTrainedModel | PeftModel
Loss = Callable[[Model, Mapping[str, Any], Sequence[Example]], torch.Tensor]
"""Mean loss of a micro-batch, from the model, its inputs, and its examples."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long, how fast and from which seed: the settings of the optimiser."""

    epochs: int
    batch_size: int
    accumulate: int
    learning_rate: float
    head_learning_rate: float
    warmup: float
    weight_decay: float
    patience: int
    max_seconds: float | None
    seed: int
    autocast: torch.dtype | None
    """Half precision for the forward pass; None is fp32 throughout."""


@dataclass(frozen=True, slots=True)
class Trained:
    """How a training went; the model holds the best weights when this is returned."""

    iterations: int
    epochs: float
    best_score: float
    best_epoch: int
    stopped: str
    batch_size: int
    """Rows per micro-batch at the end: halved each time the GPU's memory ran out."""
    notes: tuple[str, ...] = ()
    """What went differently from what was asked."""


@dataclass(slots=True)
class _State:
    """What changes while training; all of it is saved."""

    iteration: int = 0
    best_score: float = -1.0
    best_epoch: int = -1
    waited: int = 0
    spent_seconds: float = 0.0
    micro_batch: int = 1
    stopped: str = ""
    fault: str = ""


class Training:
    """One run of training on a loss, with early stopping on `score` (higher is better)."""

    def __init__(
        self,
        model: Model,
        examples: Sequence[Example],
        *,
        schedule: Schedule,
        loss: Loss,
        score: Callable[[], float],
        folder: Path,
        crew: Crew | None = None,
    ) -> None:
        """`crew` are the processes that share every batch; None where this is the only one."""
        self.crew = crew
        self.model, self.examples, self.schedule = model, examples, schedule
        self.loss, self.score, self.folder = loss, score, folder
        self.autocast = schedule.autocast
        self.device = next(model.parameters()).device
        self.state = _State(micro_batch=schedule.batch_size)
        self.trainable = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.best: Weights = {}
        self.pad = int(model.config.pad_token_id or 0)
        self.shape = _shape(model)
        self.shuffled: tuple[int, list[list[int]]] = (-1, [])
        rows = schedule.batch_size * schedule.accumulate
        self.per_epoch = math.ceil(len(examples) / rows)
        self.total = self.per_epoch * schedule.epochs
        self.optimizer = torch.optim.AdamW(self._groups(), fused=True)
        # fp16 gradients underflow without a scale; bf16 and fp32 have enough range.
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.autocast is torch.float16)

    def run(self, on_progress: Callable[[float], None]) -> Trained:
        """Trains until done, early stopping, the time limit or NaN.

        Raises StepError where NaN comes before there are weights to keep, or where one row does not
        fit the GPU's memory.
        """
        if self.crew is not None and not self.crew.leads:
            self._follow(self.crew)
        allocator.give_back(least_bytes=KEPT_BYTES)
        self._restore()
        began, saved = time.monotonic() - self.state.spent_seconds, time.monotonic()
        while self.state.iteration < self.total and not self.state.stopped:
            self._iterate()
            if self.state.stopped:
                break
            self.state.iteration += 1
            self.state.spent_seconds = time.monotonic() - began
            if self.state.iteration % self.per_epoch == 0:
                self._judge()
            self._stop_in_time()
            if time.monotonic() - saved > SAVE_EVERY_SECONDS:
                self._save()
                saved = time.monotonic()
            on_progress(self._fraction())
        if self.crew is not None:
            self.crew.end_training()
        if self.best:
            self.model.load_state_dict(self.best, strict=False)
        return Trained(
            iterations=self.state.iteration,
            epochs=round(self.state.iteration / self.per_epoch, 3),
            best_score=self.state.best_score,
            best_epoch=self.state.best_epoch,
            stopped=self.state.stopped or "finished",
            batch_size=self.state.micro_batch,
            notes=self._notes(),
        )

    def _notes(self) -> tuple[str, ...]:
        asked, held = self.schedule.batch_size, self.state.micro_batch
        notes = [self.state.fault] if self.state.fault else []
        if held < asked:
            notes.append(
                f"the GPU's memory held {held} rows at once instead of {asked}; every update still "
                f"took {asked * self.schedule.accumulate}"
            )
        return tuple(notes)

    def _groups(self) -> list[dict[str, Any]]:
        """Weights with and without decay, body and head separate."""
        groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
        for name, parameter in self.trainable.items():
            decays = parameter.ndim >= 2
            fresh = not HEADS.isdisjoint(name.split("."))
            groups.setdefault((decays, fresh), []).append(parameter)
        return [
            {
                "params": parameters,
                "weight_decay": self.schedule.weight_decay if decays else 0.0,
                "lr": 0.0,
                "peak": self.schedule.head_learning_rate if fresh else self.schedule.learning_rate,
            }
            for (decays, fresh), parameters in groups.items()
        ]

    def _rate(self) -> float:
        """Linear warm-up, then linear decay to zero; a share of the peak rate."""
        warm = max(1, round(self.total * self.schedule.warmup))
        done = self.state.iteration + 1
        return min(done / warm, max(0.0, (self.total - done + 1) / max(1, self.total - warm)))

    def _iterate(self) -> None:
        """One optimiser update over `batch_size × accumulate` rows."""
        epoch, within = divmod(self.state.iteration, self.per_epoch)
        rows = self._batches(epoch)[within]
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * self._rate()
        self.model.train()
        loss = self._gradients(rows)
        norm = math.nan
        if math.isfinite(loss):
            self.scaler.unscale_(self.optimizer)
            norm = float(nn.utils.clip_grad_norm_(list(self.trainable.values()), 1.0))
        # The scaler itself skips updates whose gradients are too large for fp16.
        if not math.isfinite(loss) or not (math.isfinite(norm) or self.scaler.is_enabled()):
            finite = math.isfinite(loss)
            self._stop_at_fault(
                rows, f"gradient became {norm}" if finite else f"loss became {loss}"
            )
            return
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def _stop_at_fault(self, rows: Sequence[int], what: str) -> None:
        """Keeps the best weights so far; raises StepError where there are none."""
        epoch, within = divmod(self.state.iteration, self.per_epoch)
        held = sorted({self.examples[row].row for row in rows})
        named = ", ".join(map(str, held[:NAMED_ROWS])) + (" …" if len(held) > NAMED_ROWS else "")
        fault = (
            f"the {what} in epoch {epoch + 1}, batch {within + 1} of "
            f"{self.per_epoch} (rows {named} of those that train, from 0)"
        )
        if not self.best:
            raise StepError(f"{fault}; lower learning_rate, or look at these rows.")
        self.state.stopped = "no number"
        self.state.fault = f"{fault}; the best weights before it were kept"

    def _gradients(self, rows: Sequence[int]) -> float:
        """The mean loss over `rows` and its gradients, summed over all processes if several."""
        if self.crew is None:
            return self._fitting(rows)
        return self.crew.lead_update(
            self.trainable,
            lambda: self._fitting(rows),
            iteration=self.state.iteration,
            scaler=self.scaler.state_dict(),
        )

    def _follow(self, crew: Crew) -> NoReturn:
        """Computes this process's gradients, update by update, until the leader has enough."""

        def backward(turn: Turn) -> float:
            self.state.iteration = turn.iteration
            epoch, within = divmod(turn.iteration, self.per_epoch)
            if self.scaler.is_enabled():
                self.scaler.load_state_dict(dict(turn.scaler))
            return self._fitting(self._batches(epoch)[within])

        self.model.train()
        crew.follow_training(self.trainable, backward)

    def _fitting(self, rows: Sequence[int]) -> float:
        """Like `_backward`, in micro-batches that fit the GPU's memory."""
        while True:
            try:
                return self._backward(rows)
            except torch.cuda.OutOfMemoryError:
                self.state.micro_batch = devices.halved(self.state.micro_batch)
            # Their memory can be freed only here, where the error no longer holds the tensors.
            torch.cuda.empty_cache()

    def _batches(self, epoch: int) -> list[list[int]]:
        if epoch != self.shuffled[0]:
            rows, seed = self.schedule.batch_size * self.schedule.accumulate, self.schedule.seed
            self.shuffled = (epoch, bucketed(self.examples, size=rows, seed=(seed, epoch)))
        return self.shuffled[1]

    def _backward(self, rows: Sequence[int]) -> float:
        """Accumulates gradients of the mean loss over `rows`, micro-batch by micro-batch.

        With several processes each takes its share; the losses and gradients of all add up.
        """
        index, own = 0, rows
        if self.crew is not None:
            index, own = self.crew.index, self.crew.share(rows)
        # Dropout must not depend on what ran before a resume.
        torch.manual_seed(self.schedule.seed * 1_000_003 + self.state.iteration + index * 7_919**3)
        self.optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for part in self._micro_batches(own):
            inputs = collate(part, pad=self.pad, device=self.device, config=self.model.config)
            with torch.autocast(
                self.device.type, dtype=self.autocast, enabled=self.autocast is not None
            ):
                loss = self.loss(self.model, inputs, part) * (len(part) / len(rows))
            self.scaler.scale(loss).backward()
            total += float(loss.detach())
        return total

    def _micro_batches(self, rows: Sequence[int]) -> Iterator[list[Example]]:
        """Parts that fit in memory: limited in rows, and in tokens including padding."""
        part: list[Example] = []
        for row in rows:
            longest = max(len(one.ids) for one in (*part, self.examples[row]))
            tokens = longest * (len(part) + 1)
            if part and (len(part) == self.state.micro_batch or tokens > self._most(longest)):
                yield part
                part = []
            part.append(self.examples[row])
        if part:
            yield part

    def _most(self, longest: int) -> int:
        """Tokens of a micro-batch whose longest window has this length."""
        if self.device.type != "cpu":
            return MICRO_BATCH_TOKENS  # and fewer where a GPU's memory runs out
        return min(MICRO_BATCH_TOKENS, devices.micro_batch_tokens(longest, **self.shape))

    def _judge(self) -> None:
        """Scores the epoch that just ended and keeps the weights if they are the best so far."""
        self.model.eval()
        score = self.score()
        epoch = self.state.iteration // self.per_epoch
        if score > self.state.best_score:
            self.state.best_score, self.state.best_epoch, self.state.waited = score, epoch, 0
            self.best = {n: p.detach().cpu().clone() for n, p in self.trainable.items()}
        else:
            self.state.waited += 1
            if self.state.waited >= self.schedule.patience:
                self.state.stopped = f"no better for {self.state.waited} epochs"

    def _stop_in_time(self) -> None:
        limit = self.schedule.max_seconds
        if limit is not None and self.state.spent_seconds > limit and not self.state.stopped:
            if self.state.iteration % self.per_epoch:
                self._judge()
            self.state.stopped = f"time limit of {limit / 60:g} minutes"
            # The clock decided: it must not decide again in a resumed run.
            self._save()

    def _fraction(self) -> float:
        done = self.state.iteration / self.total
        if self.schedule.max_seconds is None:
            return done
        return max(done, min(1.0, self.state.spent_seconds / self.schedule.max_seconds))

    def _save(self) -> None:
        """Saves everything that the rest of the training depends on."""

        def write(folder: Path) -> None:
            save_file(_numbered(self._moments()), folder / "moments.safetensors")
            save_file(_contiguous(dict(self.trainable)), folder / "weights.safetensors")
            if self.best:
                save_file(_contiguous(self.best), folder / "best.safetensors")

        state = {**asdict(self.state), "scaler": self.scaler.state_dict()}
        save_progress(self.folder, write, state=state)

    def _moments(self) -> dict[int, dict[str, torch.Tensor]]:
        return self.optimizer.state_dict()["state"]

    def _restore(self) -> None:
        found = load_progress(self.folder)
        if found is None:
            return
        folder, state = found.folder, dict(found.state)
        scaler = state.pop("scaler")
        self.state = _State(**state)
        weights = load_file(folder / "weights.safetensors")
        self.model.load_state_dict(weights, strict=False)
        if (folder / "best.safetensors").is_file():
            self.best = load_file(folder / "best.safetensors")
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in load_file(folder / "moments.safetensors").items():
            number, key = name.split(".", 1)
            moments.setdefault(int(number), {})[key] = tensor
        settings = self.optimizer.state_dict()
        self.optimizer.load_state_dict({**settings, "state": moments})
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(scaler)


def _shape(model: Model) -> dict[str, int]:
    """What decides how much a token keeps for the backward pass."""
    config = model.config
    further = getattr(config, "decoder_layers", getattr(config, "num_decoder_layers", None))
    return {
        "layers": int(getattr(config, "num_hidden_layers", 1)) + int(further or 0),
        "hidden": int(config.hidden_size),
        "heads": int(getattr(config, "num_attention_heads", 1)),
    }


def _numbered(moments: dict[int, dict[str, torch.Tensor]]) -> Weights:
    return {
        f"{number}.{key}": tensor.detach().cpu().contiguous().clone()
        for number, entry in moments.items()
        for key, tensor in entry.items()
    }


def _contiguous(weights: dict[str, Any]) -> Weights:
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in weights.items()}
