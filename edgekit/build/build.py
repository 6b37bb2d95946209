"""Executes a plan: steps in order, each stored safely, then the outputs and their proof."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit import tables
from edgekit.build import assemble, importing, outcome
from edgekit.build.naming import own_words
from edgekit.build.outcome import Built, BuiltArtifact, StepTaken
from edgekit.build.plan import artifact_names
from edgekit.checkpoint import frames
from edgekit.checkpoint.describe import Description, describe
from edgekit.data.rows import Row
from edgekit.data.spread import spread
from edgekit.job.events import Event, OnEvent, State, StepProgress
from edgekit.job.job import Job, Make, OnProgress, OutputJob
from edgekit.job.plan import Plan
from edgekit.recipe.recipe import Entry
from edgekit.store.seal import DONE
from edgekit.store.store import Finished, Store
from edgekit.system import devices, machine, packages, paths
from edgekit.system.digest import sha256_file, sha256_folder, sha256_json
from edgekit.system.disk import replacing
from edgekit.tables import SHARED, format_module, step_plan, step_run, task_part

if TYPE_CHECKING:
    from edgekit.training.crew import Processes


HELD_ROWS = 64
"""Rows that transformers reads, too, to see that both read them alike."""


@dataclass(frozen=True, slots=True)
class Link:
    """One checkpoint of the chain, and how it was made."""

    folder: Path
    digest: str
    """Digest over all its files."""
    description: Description
    taken: Mapping[str, Any] | None = None
    again: Mapping[str, Any] | None = None
    """The settings with which the step that made it asks to be run instead."""


class Build:
    """One run of a plan. Finished work is found in the step store, so a rerun resumes."""

    def __init__(
        self, plan: Plan, store: Store, on_event: OnEvent, *, crew: Processes | None = None
    ) -> None:
        self.plan, self.store, self.on_event, self.crew = plan, store, on_event, crew
        self.recipe = plan.bound.recipe
        self.task = task_part(self.recipe.task, "proof.judge")
        self.packages = {
            name: packages.required(name, of) for name, of in self.task.PACKAGES.items()
        }
        self.taken: list[StepTaken] = []
        self.counted: set[str] = set()
        self.names: dict[Path, str | Path] = {}
        """What the folders of the store are to the user, for messages."""

    def run(self) -> Built:
        """Runs everything; returns what is in the output folder. Raises EdgekitError."""
        began = time.monotonic()
        chain = self._chain()
        teacher = chain[min(self.plan.teacher_before, len(chain) - 1)]
        answers = self.task.teacher(
            self.plan, self._output_job(teacher, of=len(self.plan.bound.steps) + 1)
        )
        self._place_teacher(teacher)
        artifacts = [
            self._output(entry, name, chain, teacher, answers, of=number)
            for number, (entry, name) in enumerate(
                zip(self.plan.bound.outputs, artifact_names(self.plan.bound), strict=True),
                start=len(chain) + 1,
            )
        ]
        built = Built(
            name=self.recipe.name,
            out=self.plan.out,
            teacher=self.plan.out / "teacher",
            artifacts=tuple(artifacts),
            steps=tuple(self.taken),
            estimates=self.plan.as_json()["steps"],
            seconds=time.monotonic() - began,
            peak_rss_bytes=max(machine.peak_rss_bytes(), *(step.peak_bytes for step in self.taken)),
            smoke=self.plan.smoke,
        )
        outcome.write(built)
        return built

    def _chain(self) -> list[Link]:
        """The checkpoint as it enters the first step, and as each step leaves it."""
        plan = self.plan
        inputs = {
            "model": sha256_folder(plan.model),
            "adapter": plan.adapter and sha256_folder(plan.adapter),
            "labels": self.recipe.model.labels,
            "layers": plan.layers,
            "version": importing.VERSION,
            "packages": self.packages,
        }
        first = self._run(
            "checkpoint",
            inputs,
            lambda out, _: importing.import_checkpoint(
                plan.model,
                out,
                adapter=plan.adapter,
                labels=self.recipe.model.labels,
                layers=plan.layers,
            ),
            of=0,
        )
        chain = [Link(first.folder, first.digest, describe(first.folder))]
        self._hold(chain[0])
        for entry in plan.bound.steps:
            chain.append(self._step(entry, chain))
        return chain

    def _hold(self, link: Link) -> None:
        """Compares what edgekit and transformers read in the checkpoint, once; CheckpointError."""
        dataset = self.plan.dataset
        rows = dataset.validation or dataset.train or dataset.test
        texts = [row.input for row in spread(rows, HELD_ROWS, total=True)]
        texts += dataset.unlabeled[: HELD_ROWS - len(texts)]
        common = {**self._common(link), "version": importing.VERSION, "texts": sha256_json(texts)}
        self._run(
            "checkpoint-parity",
            common,
            lambda _, __: importing.hold(
                link.folder, texts, prefix=self.recipe.prefix, max_tokens=self.plan.max_tokens
            ),
            of=0,
        )

    def _step(self, entry: Entry, chain: list[Link]) -> Link:
        """Runs a step, and again with other settings where its record asks for that."""
        links = [self._try(entry, chain)]
        while (again := links[-1].again) is not None:
            settings = type(entry.settings).model_validate(again)
            links.append(self._try(replace(entry, settings=settings), chain))
        notes = [note for link in links for note in (link.taken or {}).get("notes", ())]
        return replace(links[-1], taken={**(links[-1].taken or {}), **_given("notes", notes)})

    def _try(self, entry: Entry, chain: list[Link]) -> Link:
        before, number = chain[-1], len(chain)
        teacher = chain[min(self.plan.teacher_before, number - 1)]
        family = before.description.family
        module = step_plan(entry.name, family)
        settings = entry.settings.model_dump(mode="json")
        dataset = self.plan.dataset.without_test()
        common = {
            **self._common(before),
            "device": self._device(entry.name),
            "labels": dataset.labels,
            "languages": self.recipe.languages,
            "data": dataset.digests,
            "seed": self.recipe.seed,
        }
        inputs = {
            **common,
            "settings": settings,
            "version": module.VERSION,
            "teacher": teacher.digest,
            "files": self._digests(entry.settings.files),
        }

        def make(out: Path, on_progress: OnProgress) -> Mapping[str, Any]:
            job = Job(
                checkpoint=before.folder,
                description=before.description,
                teacher=teacher.folder,
                teacher_digest=teacher.digest,
                out=out,
                recipe=self.recipe,
                dataset=dataset,
                max_tokens=self.plan.max_tokens,
                device=self.plan.device,
                common=self._common(teacher),
                resolve=self.plan.bound.resolve,
                run_stored=partial(self._run, of=number),
                on_progress=on_progress,
            )
            if self.crew is not None and entry.name in SHARED:
                job = self.crew.lead_step(entry.name, entry.settings, job)
            return step_run(entry.name, family).run(entry.settings, job)

        done = self._run(entry.name, inputs, make, of=number)
        description = describe(done.folder)
        return Link(
            done.folder,
            done.digest,
            description,
            taken={
                "step": entry.name,
                "settings": settings,
                "before": _size(before.description),
                "after": {**_size(description), **done.record.get("after", {})},
                **_given("proof", done.record.get("proof")),
                **_given("notes", done.record.get("notes")),
            },
            again=done.record.get("again"),
        )

    def _place_teacher(self, teacher: Link) -> None:
        """Copies the teacher's folder to the output, unless it is there; an earlier one is removed
        once this one is complete."""
        if self.plan.teacher_stands:
            return
        with replacing(self.plan.out / "teacher") as partial:
            for path in teacher.folder.iterdir():
                if path.is_file() and path.name != DONE:
                    shutil.copyfile(path, partial / path.name)

    def _output(
        self, entry: Entry, name: str, chain: list[Link], teacher: Link, answers: Any, *, of: int
    ) -> BuiltArtifact:
        """`answers` are the teacher's, obtained by the task's module."""
        last = chain[-1]
        job = self._output_job(last, of=of)
        exported = format_module(entry.name).run(entry.settings, job)
        judged = self.task.judge(self.plan, job, exported, answers)
        lock = {
            "packages": self.packages,
            "data": dict(self.plan.dataset.digests),
            "teacher": teacher.digest,
            "seed": self.recipe.seed,
        }
        made = assemble.Made(
            checkpoint=last.folder,
            exported=exported,
            steps=[link.taken for link in chain if link.taken is not None],
            lock=lock,
        )
        artifact = assemble.artifact(self.plan, entry, made, judged, folder=self.plan.out / name)
        return outcome.judge(self.plan, artifact, judged)

    def _output_job(self, link: Link, *, of: int) -> OutputJob:
        dataset = self.plan.dataset
        only = self.recipe.languages[0] if len(self.recipe.languages) == 1 else None
        unlabeled = tuple(Row.of(one, language=only) for one in dataset.unlabeled)
        rows = dataset.validation or dataset.train or unlabeled or dataset.test
        calibration = (*dataset.train, *unlabeled)
        return OutputJob(
            checkpoint=link.folder,
            checkpoint_digest=link.digest,
            rows=rows,
            rows_digest=sha256_json([row.input for row in rows]),
            prefix=self.recipe.prefix,
            max_tokens=self.plan.max_tokens,
            packages=self.packages,
            run=partial(self._run, of=of),
            head=tables.task(self.recipe.task).heads[link.description.family],
            calibration=calibration,
            calibration_digest=sha256_json(
                [[row.input, row.language, list(row.messages)] for row in calibration]
            ),
            languages=self.recipe.languages,
            seed=self.recipe.seed,
            frames=frames.of(link.folder, self.recipe.directions),
        )

    def _digests(self, names: Sequence[str]) -> dict[str, str]:
        """Digests of the files and folders that a step's settings name."""
        found = {name: self.plan.bound.resolve(name) for name in names}
        return {
            name: sha256_folder(path) if path.is_dir() else sha256_file(path)
            for name, path in found.items()
        }

    def _device(self, step: str) -> str:
        """What decides a step's rounding: device, precision, and who shares its batches."""
        name = devices.compute_here(self.plan.device).as_text()
        if self.crew is not None and step in SHARED:
            name += f", {self.crew.processes} processes"
        return name

    def _common(self, link: Link) -> dict[str, Any]:
        return {
            "checkpoint": link.digest,
            "prefix": self.recipe.prefix,
            "max_tokens": self.plan.max_tokens,
            "packages": self.packages,
        }

    def _run(self, name: str, inputs: Mapping[str, Any], make: Make, *, of: int) -> Finished:
        """Finds or makes one entry of the store, as part of the piece of work plan.steps[of]."""
        progress, earlier = StepProgress(name, self.on_event), len(self.taken)

        named = self.plan.model if name == "checkpoint" else f"what '{name}' left"

        def begin(out: Path) -> Mapping[str, Any]:
            self.names[out] = named
            self.on_event(Event(name, "start", 0.0))
            return make(out, progress)

        done = self.store.run(name, inputs, begin)
        self.names[done.folder] = named
        state: State = "reused" if done.reused else "done"
        notes = [*([done.damage] if done.damage else []), *done.record.get("notes", ())]
        self.on_event(Event(name, state, 1.0, 0.0, note="; ".join(notes) or None))
        if done.key in self.counted:
            return done  # shared by two parts of the work, and made once
        self.counted.add(done.key)
        peak = max(done.peak_bytes, done.record.get("peak_bytes", 0))
        # The time of what was made inside this is counted there, not here.
        inside = sum(one.seconds for one in self.taken[earlier:] if not one.reused)
        self.taken.append(StepTaken(of, done.seconds - inside, peak, reused=done.reused))
        return done


def compress(
    plan: Plan,
    *,
    on_event: OnEvent = lambda event: None,
    on_commit: Callable[[str], None] | None = None,
    crew: Processes | None = None,
) -> Built:
    """Runs a plan and leaves artifacts, teacher, report and measured.json in its output folder.

    `on_commit` is called at every commit point of the step store (see store.COMMIT_POINTS). `crew`
    are the processes that share the training, led by this one. Raises OutOfDisk or
    OutOfMemoryBudget before any work if this machine does not have enough.
    """
    if (lack := plan.why_not()) is not None:
        raise lack
    plan.out.mkdir(parents=True, exist_ok=True)
    with Store(paths.store_dir(), on_commit=on_commit) as store:
        build = Build(plan, store, on_event, crew=crew)
        with own_words(build.names):
            return build.run()


def _size(description: Description) -> dict[str, Any]:
    return {
        "parameters": description.parameters,
        "layers": description.layers,
        "vocabulary": description.vocabulary,
    }


def _given(key: str, value: Any) -> dict[str, Any]:
    return {key: value} if value else {}
