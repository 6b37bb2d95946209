"""Runs two processes on gloo that share a training, as a launcher would start them.

Importing torch takes longer than all of this. So it is imported once, before any thread has
started, and both processes are forks of this one.

    python -m tests.training.forked_crew SCRATCH

runs every scenario, and writes what came of it into SCRATCH.
"""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import PreTrainedModel

from edgekit import cli
from edgekit.checkpoint import models
from edgekit.errors import EdgekitError
from edgekit.training import crew as distributed
from edgekit.training import loop as training
from edgekit.training.batches import Example
from edgekit.training.crew import Processes, TrainingEnded
from edgekit.training.loop import Training
from tests.tiny import encoder as tiny
from tests.tiny import training as tiny_training
from tests.tiny.training import PowerCut

# 41 rows in batches of 8: the last batch has one, which leaves nothing to the second process.
EXAMPLES = [
    Example(ids=(0, 5 + i % 3, 9, 2) + (7,) * (i % 5), target=(i % 3,), row=i) for i in range(41)
]
SCHEDULE = dataclasses.replace(tiny_training.SCHEDULE, epochs=2, weight_decay=0.1)
LONGEST_SECONDS = 240

Loss = Callable[[PreTrainedModel, Mapping[str, Any], Sequence[Example]], torch.Tensor]


def entropy(
    model: PreTrainedModel, inputs: Mapping[str, Any], part: Sequence[Example]
) -> torch.Tensor:
    labels = torch.tensor([example.target[0] for example in part])
    return nn.functional.cross_entropy(model(**inputs).logits, labels)


def holds(rows: int, *, index: int, crew: Processes | None) -> Loss:
    """A GPU whose memory holds so many rows, in the process `index`."""

    def loss(
        model: PreTrainedModel, inputs: Mapping[str, Any], part: Sequence[Example]
    ) -> torch.Tensor:
        if crew is not None and crew.index == index and len(part) > rows:
            raise torch.cuda.OutOfMemoryError
        return entropy(model, inputs, part)

    return loss


def leaves(how: Callable[[], object], *, crew: Processes | None) -> Loss:
    """The second process goes in its fourth update."""
    seen = 0

    def loss(
        model: PreTrainedModel, inputs: Mapping[str, Any], part: Sequence[Example]
    ) -> torch.Tensor:
        nonlocal seen
        seen += 1
        if crew is not None and crew.index == 1 and seen > 3:
            how()
        return entropy(model, inputs, part)

    return loss


def train(
    scratch: Path,
    name: str,
    crew: Processes | None,
    *,
    loss: Loss = entropy,
    cut_after: int | None = None,
) -> None:
    """Trains and, where this process leads, writes the weights as `name`."""
    if crew is not None and crew.index == 1:
        torch.manual_seed(1)  # what is new in a model is new in another way here
    model = models.load_classifier(scratch / "encoder", labels=tiny.LABELS)
    model.idle = nn.Parameter(torch.ones(3, 3))  # decay would shrink it
    updates = 0

    def on_progress(fraction: float) -> None:
        nonlocal updates
        updates += 1
        if updates == cut_after:
            raise PowerCut

    trained = Training(
        model,
        EXAMPLES,
        schedule=SCHEDULE,
        loss=loss,
        score=lambda: float(model.classifier.weight.detach().abs().mean()),
        folder=scratch / f"{name}-progress",
        crew=crew,
    ).run(on_progress)
    save_file(
        {key: weight.detach().contiguous().clone() for key, weight in model.named_parameters()},
        scratch / f"{name}.safetensors",
    )
    (scratch / f"{name}.json").write_text(
        json.dumps({"iterations": trained.iterations, "notes": trained.notes})
    )


def compress(scratch: Path, name: str) -> None:
    """The command itself, on the tiny project."""
    words = ["compress", str(scratch / "recipe.yaml"), "--device", "cpu", "--json"]
    code = cli.main([*words, "--out", str(scratch / name)])
    if code != cli.DONE:
        raise EdgekitError(f"compress ended with {code}")


def scenarios(scratch: Path) -> None:
    """One after the other; each in processes of its own."""

    def alone(name: str, work: Callable[[], object]) -> None:
        run(scratch, name, [work])

    def both(name: str, work: Callable[[Processes], object], **settings: Any) -> None:
        def member() -> None:
            work(distributed.join("cpu", **settings))

        run(scratch, name, [member, member])

    alone("alone", lambda: train(scratch, "alone", None))
    both("shared", lambda crew: train(scratch, "shared", crew))
    both("cut", lambda crew: train(scratch, "cut", crew, cut_after=5))
    both("resumed", lambda crew: train(scratch, "cut", crew))
    both("memory", lambda crew: train(scratch, "memory", crew, loss=holds(1, index=0, crew=crew)))
    both("no-memory", lambda crew: train(scratch, "none", crew, loss=holds(0, index=1, crew=crew)))
    gone, stuck = lambda: os._exit(9), lambda: time.sleep(LONGEST_SECONDS)
    both("gone", lambda crew: train(scratch, "gone", crew, loss=leaves(gone, crew=crew)))
    both(
        "stuck",
        lambda crew: train(scratch, "stuck", crew, loss=leaves(stuck, crew=crew)),
        answers_within=timedelta(seconds=2),
    )
    alone("compress-alone", lambda: compress(scratch, "out-alone"))
    run(scratch, "compress-shared", [lambda: compress(scratch, "out-shared")] * 2)


def run(scratch: Path, name: str, members: Sequence[Callable[[], object]]) -> None:
    """Runs each member in a fork; writes how each ended as `name`.ended.json.

    Once the leader has ended the others are ended, as a launcher does.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    began = time.monotonic()
    children = [
        _fork(scratch / f"{name}.{index}", work, index=index, count=len(members), port=port)
        for index, work in enumerate(members)
    ]
    _, status = os.waitpid(children[0], 0)
    codes = [os.waitstatus_to_exitcode(status)]
    for child in children[1:]:
        if codes[0] != 0:
            os.kill(child, 9)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    said = [(scratch / f"{name}.{index}").read_text() for index in range(len(members))]
    ended = {"codes": codes, "said": said, "seconds": time.monotonic() - began}
    (scratch / f"{name}.ended.json").write_text(json.dumps(ended))


def _fork(stderr: Path, work: Callable[[], object], *, index: int, count: int, port: int) -> int:
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        for number, path in ((1, Path(os.devnull)), (2, stderr)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
        if count > 1:
            os.environ |= {
                "RANK": str(index),
                "LOCAL_RANK": str(index),
                "WORLD_SIZE": str(count),
                "LOCAL_WORLD_SIZE": str(count),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
            }
        training.SAVE_EVERY_SECONDS = -1.0
        distributed.LAUNCHER_ENDS_WITHIN_S = 0.0
        work()
        code = 0
    except TrainingEnded:
        code = 0
    except (EdgekitError, PowerCut) as error:
        sys.stderr.write(str(error))
        code = 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def make_project(scratch: Path) -> None:
    """The tiny project without dropout, which processes draw differently."""
    tiny.make_project(scratch, recipe=tiny.RECIPE.replace("epochs: 8", "epochs: 1"))
    config = scratch / "encoder" / "config.json"
    without = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config.write_text(json.dumps({**json.loads(config.read_text()), **without}))


if __name__ == "__main__":
    made = Path(sys.argv[1])
    make_project(made)
    scenarios(made)
