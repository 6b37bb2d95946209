"""Shares a training run between processes started by accelerate. Knows no recipe and no loss.

Process 0 leads: it alone plans, judges, keeps the optimiser's state and writes. The others follow:
they run each shared step as far as its training, and for every update they receive the weights
and send back the gradients of their share of the batch. Sums weigh every row alike, so an update
equals that of one process but for the order of additions. All of them must see the same files.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import torch
from accelerate import PartialState
from torch import distributed as group

from edgekit.errors import StepError
from edgekit.job.crew import Turn
from edgekit.job.job import Job, Make
from edgekit.recipe.settings import Settings
from edgekit.store.store import Finished
from edgekit.system.devices import Device
from edgekit.tables import step_run
from edgekit.wording.units import human_seconds

# Between two exchanges within an update lies one backward pass: one that takes longer is stuck.
ANSWERS_WITHIN = timedelta(minutes=10)
# A follower waits as long as the leader plans or judges; the leader's end closes the connection.
WAITS_FOR_WORK = timedelta(days=365)
# When one process ends, the launcher ends the others and says why: until then they keep silent.
LAUNCHER_ENDS_WITHIN_S = 3.0
BUCKET_BYTES = 32 * 2**20

Parameters = Mapping[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Task:
    """A step that all processes run."""

    step: str
    settings: Settings
    job: Job


@dataclass(frozen=True, slots=True)
class NoMore:
    """The training is done or, after the last step, all the work."""


class TrainingEnded(Exception):
    """Takes a follower out of a step: what comes after the training is the leader's work."""


def join(device: Device, *, answers_within: timedelta = ANSWERS_WITHIN) -> Processes:
    """Connects with the other processes that the launcher started."""
    return Processes(
        PartialState(cpu=device == "cpu", timeout=answers_within), answers_within=answers_within
    )


class Processes:
    """A job.crew.Crew on top of torch.distributed."""

    def __init__(self, state: PartialState, *, answers_within: timedelta) -> None:
        self.index, self.processes = state.process_index, state.num_processes
        self._device, self._answers_within = state.device, answers_within
        # Objects go through the CPU even where gradients go from GPU to GPU.
        self._talk = group.new_group(backend="gloo", timeout=WAITS_FOR_WORK)

    @property
    def leads(self) -> bool:
        return self.index == 0

    def share(self, rows: Sequence[int]) -> Sequence[int]:
        """This process's part of a batch. Neighbours are of similar length: all get equal work."""
        return rows[self.index :: self.processes]

    def lead_step(self, step: str, settings: Settings, job: Job) -> Job:
        """Makes the followers begin a step; returns the job with which the leader runs it."""
        # The leader's own functions stay with the leader.
        sent = replace(job, run_stored=_refuse, on_progress=_ignore, crew=None)
        self._tell(Task(step, settings, sent))

        def run_stored(name: str, inputs: Mapping[str, Any], make: Make) -> Finished:
            done = job.run_stored(name, inputs, make)
            self._tell(done)
            return done

        return replace(job, run_stored=run_stored, crew=self)

    def follow(self) -> None:
        """Takes part in every shared step until the leader has done its work."""
        while not isinstance(task := self._hear(Task, NoMore), NoMore):
            with tempfile.TemporaryDirectory(prefix="edgekit-") as scratch:
                job = replace(
                    task.job,
                    out=Path(scratch),
                    run_stored=lambda name, inputs, make: self._hear(Finished),
                    crew=self,
                )
                _check_seen(job.checkpoint, self.index)
                try:
                    step_run(task.step, job.description.family).run(task.settings, job)
                except TrainingEnded:
                    continue

    def dismiss(self) -> None:
        """Tells the followers that the work is done."""
        self._tell(NoMore())

    def lead_update(
        self,
        parameters: Parameters,
        backward: Callable[[], float],
        *,
        iteration: int,
        scaler: Mapping[str, Any],
    ) -> float:
        """Leaves the sum of all processes' gradients in `parameters`; returns the sum of losses."""
        self._tell(Turn(iteration, scaler))
        self._spread(parameters)
        return self._add_up(parameters, backward())

    def end_training(self) -> None:
        self._tell(NoMore())

    def follow_training(
        self, parameters: Parameters, backward: Callable[[Turn], float]
    ) -> NoReturn:
        """Sends the leader gradients until it ends the training; then raises TrainingEnded."""
        while not isinstance(turn := self._hear(Turn, NoMore), NoMore):
            self._spread(parameters)
            try:
                loss, failed = backward(turn), False
            except StepError:
                loss, failed = 0.0, True
            self._add_up(parameters, loss, failed=failed)
        raise TrainingEnded

    def _tell(self, message: object) -> None:
        with self._connected():
            group.broadcast_object_list([message], src=0, group=self._talk)

    def _hear(self, *kinds: type) -> Any:
        messages: list[Any] = [None]
        with self._connected():
            group.broadcast_object_list(messages, src=0, group=self._talk)
        if not isinstance(messages[0], kinds):
            raise StepError(
                f"process {self.index} was sent a {type(messages[0]).__name__} out of turn; a step "
                "that several processes share may train once."
            )
        return messages[0]

    def _spread(self, parameters: Parameters) -> None:
        """Gives every process the leader's weights."""
        with self._connected(), torch.no_grad():
            _in_buckets(list(parameters.values()), lambda flat: group.broadcast(flat, src=0))

    def _add_up(self, parameters: Parameters, loss: float, *, failed: bool = False) -> float:
        """Leaves the sum of the gradients with the leader; gives every process the sum of losses.

        A weight that no process used keeps no gradient: zeros would let it decay.
        """
        ours = [parameter.grad is not None for parameter in parameters.values()]
        facts = torch.tensor([loss, failed, *ours], dtype=torch.float64)
        facts = facts.to(self._device)
        with self._connected(), torch.no_grad():
            group.all_reduce(facts)
            total, failures, *used = facts.tolist()
            if failures and self.leads:
                raise StepError(
                    "the GPU's memory of another process does not hold one row of this batch; set "
                    "max_tokens lower or use --device cpu."
                )
            gradients = [
                _gradient(parameter)
                for parameter, times in zip(parameters.values(), used, strict=True)
                if times
            ]
            _in_buckets(gradients, lambda flat: group.reduce(flat, dst=0))
        return total

    @contextmanager
    def _connected(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:  # what gloo and NCCL raise
            time.sleep(LAUNCHER_ENDS_WITHIN_S)
            raise StepError(
                f"one of {self.processes} processes ended, or did not answer within "
                f"{human_seconds(self._answers_within.total_seconds())}; the same command goes on "
                "from the last save."
            ) from error


def _in_buckets(
    tensors: Sequence[torch.Tensor], exchange: Callable[[torch.Tensor], object]
) -> None:
    """Exchanges many tensors in a few messages of about BUCKET_BYTES each, in place."""
    bucket: list[torch.Tensor] = []
    for number, tensor in enumerate(tensors, start=1):
        bucket.append(tensor)
        full = sum(one.nbytes for one in bucket) >= BUCKET_BYTES
        if full or number == len(tensors):
            flat = torch.cat([one.reshape(-1) for one in bucket])
            exchange(flat)
            for one, part in zip(bucket, flat.split([one.numel() for one in bucket]), strict=True):
                one.copy_(part.view_as(one))
            bucket = []


def _gradient(parameter: torch.Tensor) -> torch.Tensor:
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    return parameter.grad


def _check_seen(folder: Path, index: int) -> None:
    if not folder.is_dir():
        raise StepError(
            f"process {index} does not see {folder}; the machines of one run need the recipe's "
            "folder and EDGEKIT_CACHE on a disk that they share, under the same paths."
        )


def _refuse(name: str, inputs: Mapping[str, Any], make: Make) -> Finished:
    """Takes the place of the leader's store in a job sent to a follower, which asks the leader."""
    raise StepError(f"{name}: only the leader of several processes stores work.")


def _ignore(fraction: float) -> None:
    """A follower reports no progress: the leader does."""
