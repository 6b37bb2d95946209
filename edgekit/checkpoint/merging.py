"""Plans what a base becomes with an adapter merged, and writes it, one weight in memory at a time.

The plan reads names and shapes, and of the adapter as much as tells whether it changes anything:
what cannot be merged is refused before any weight of the base is read.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from edgekit.checkpoint import adapter, describe, heads, narrowing, tensors, vocabulary, weights
from edgekit.checkpoint.adapter import Adapter, Update
from edgekit.checkpoint.describe import Description
from edgekit.checkpoint.merged import Merged
from edgekit.checkpoint.tensors import Tensor
from edgekit.errors import CheckpointError
from edgekit.tables import Family

_TASKS = {
    Family.ENCODER: ("SEQ_CLS", "FEATURE_EXTRACTION", None),
    Family.DECODER: ("CAUSAL_LM", None),
    Family.SEQ2SEQ: ("SEQ_2_SEQ_LM", None),
}
# Their linear layers are stored as (inputs, outputs).
_TRANSPOSED = ("gpt2", "openai-gpt", "imagegpt")
_SLOW_TOKENIZER = ("tokenizer_config.json", "added_tokens.json", "vocab.txt", "tokenizer.model")


@dataclass(frozen=True, slots=True)
class Merge:
    """A base with an adapter, not yet written."""

    base: Path
    adapter: Adapter
    weights: Mapping[str, Merged]
    config: Mapping[str, Any]
    description: Description

    def write(
        self, out: Path, *, on_progress: Callable[[float], None] = lambda fraction: None
    ) -> None:
        """An ordinary checkpoint with the adapter's tokenizer, if it has one of its own."""
        describe.write_json(out / "config.json", self.config)
        describe.carry(self.base, out)
        if self.adapter.has_tokenizer:
            names = (*describe.CARRIED, "chat_template.jinja", "chat_template.json")
            for name in names:
                (out / name).unlink(missing_ok=True)
                if (self.adapter.folder / name).is_file():
                    shutil.copyfile(self.adapter.folder / name, out / name)
        narrowing.write(out / weights.WHOLE, self.weights, on_progress=on_progress)


def plan(base: Path, folder: Path, *, labels: Sequence[str] | None = None) -> Merge:
    """Holds an adapter against its base; `labels` names those of a head that it brings along.

    Raises CheckpointError for the first thing that does not fit.
    """
    description, config = describe.describe(base), describe.read_config(base)
    if "quantization_config" in config:
        raise CheckpointError(
            f"{base}: its weights are quantized already; give the base as it was before, an "
            "adapter fits it as well."
        )
    found = adapter.read(folder)
    task = found.task
    if task not in _TASKS[description.family]:
        raise CheckpointError(
            f"{folder / adapter.CONFIG}: the adapter was trained for {task}, and the base is a "
            f"{description.model_type} model, for which edgekit merges "
            f"{', '.join(str(one) for one in _TASKS[description.family] if one)}; give another "
            "adapter, or the base that it was trained on."
        )
    tied = description.family is Family.DECODER and _is_tied(base, config)
    named, prefix = _names(found, _stored(base), tied=tied)
    found = _renamed(found, prefix)
    if description.family is Family.SEQ2SEQ:
        vocabulary.refuse_tables(found)
    head = heads.of(found) if description.family is Family.ENCODER else {}
    merged = {name: Merged(name, tensor) for name, tensor in named.items()}
    if tied:
        merged.pop(vocabulary.HEAD, None)  # transformers reads the embeddings instead
    _update(found, merged, transposed=config["model_type"] in _TRANSPOSED, tied=tied)
    _replace(found, merged, head=head, tied=tied)
    if description.family is Family.DECODER:
        config = vocabulary.settle_output(found, merged, config, tied=tied)
    config = vocabulary.settle_rows(found, merged, config)
    config, final = heads.settle(found, merged, config, base=base, head=head, labels=labels)
    _check_modules(found, final)
    _check_tokenizer(base, found, rows=int(config["vocab_size"]))
    if not any(one.changes() for one in final.values()):
        raise CheckpointError(
            f"{folder}: the adapter changes nothing: merged, every weight is the base's, as before "
            "training; name the adapter that was trained."
        )
    size = sum(math.prod(one.shape) * one.item_bytes for one in final.values())
    shapes = {name: one.shape for name, one in final.items()}
    described = describe.from_shapes(base, config, shapes, weights_bytes=size)
    return Merge(base, found, final, config, described)


def _stored(base: Path) -> dict[str, Tensor]:
    """Without the buffers of whole numbers (positions) that old releases stored."""
    places = weights.places(base)
    return {
        name: tensors.of(name, place)
        for name, place in places.items()
        if not place.kind.startswith("I")
    }


def _is_tied(base: Path, config: Mapping[str, Any]) -> bool:
    said = config.get("tie_word_embeddings")
    return bool(vocabulary.HEAD not in weights.places(base) if said is None else said)


def _names(
    found: Adapter, stored: Mapping[str, Tensor], *, tied: bool
) -> tuple[dict[str, Tensor], str]:
    """The base's weights by the names that they will have, and what the adapter's names lack.

    A base without a head lacks the prefix that an adapter for a head has, and the other way round.
    """
    modules = [name for name in found.updates if not (tied and name == "lm_head")]
    if not modules:
        return dict(stored), ""
    first = modules[0].split(".")[0] + "."
    choices = [(dict(stored), "")]
    if all(module.startswith(first) for module in modules):
        choices.append(({first + name: one for name, one in stored.items()}, ""))
    choices += [
        (dict(stored), part + ".") for part in sorted({name.split(".")[0] for name in stored})
    ]
    unmatched = [
        [module for module in modules if f"{prefix}{module}.weight" not in names]
        for names, prefix in choices
    ]
    best = min(range(len(choices)), key=lambda number: len(unmatched[number]))
    if unmatched[best]:
        raise CheckpointError(
            f"{found.folder}: the adapter changes '{unmatched[best][0]}', which the base does not "
            f"have; it was trained on another model (by its own account {found.said_base}), give "
            "that as base."
        )
    return choices[best]


def _renamed(found: Adapter, prefix: str) -> Adapter:
    if not prefix:
        return found
    return replace(
        found,
        updates={prefix + name: one for name, one in found.updates.items()},
        replaced={prefix + name: one for name, one in found.replaced.items()},
        tokens={prefix + name: one for name, one in found.tokens.items()},
    )


def _update(found: Adapter, merged: dict[str, Merged], *, transposed: bool, tied: bool) -> None:
    for module, update in found.updates.items():
        name = f"{module}.weight"
        if tied and name == vocabulary.HEAD:
            continue  # see vocabulary.settle_output
        matrix = merged[name]
        turned = transposed and not update.table
        shape = update.shape[::-1] if turned else update.shape
        if shape != matrix.shape and not _grows(found, name, shape, matrix.shape):
            raise CheckpointError(
                f"{found.folder}: the adapter's '{module}' is for weights of the shape {shape}, "
                f"and the base's are {matrix.shape}; it was trained on another model (by its own "
                f"account {found.said_base}), give that as base."
            )
        merged[name] = replace(matrix, update=update, transposed=turned)
        if update.bias is not None:
            _add_bias(found, merged, module, update)


def _grows(found: Adapter, name: str, shape: tuple[int, ...], before: tuple[int, ...]) -> bool:
    """A table with further rows: the adapter holds the whole of it, too."""
    return name in found.replaced and vocabulary.is_table(name) and shape[1:] == before[1:]


def _add_bias(found: Adapter, merged: dict[str, Merged], module: str, update: Update) -> None:
    name = f"{module}.bias"
    if name not in merged or update.magnitude is not None:
        raise CheckpointError(
            f"{found.folder}: the adapter adds a bias to '{module}', which has none in the base or "
            "is trained by DoRA, and peft cannot merge that either; train it without lora_bias."
        )
    merged[name] = replace(merged[name], bias=update)


def _replace(
    found: Adapter, merged: dict[str, Merged], *, head: Mapping[str, Tensor], tied: bool
) -> None:
    for name, tensor in found.replaced.items():
        if name in head or (tied and name == vocabulary.HEAD):
            continue
        if name not in merged:
            raise CheckpointError(
                f"{found.folder}: the adapter holds '{name}', which the base does not have; it was "
                f"trained on another model (by its own account {found.said_base}), give that as "
                "base."
            )
        before = merged[name].shape
        if tensor.shape != before and not (
            vocabulary.is_table(name) and tensor.shape[1:] == before[1:]
        ):
            raise CheckpointError(
                f"{found.folder}: the adapter's '{name}' has the shape {tensor.shape}, and the "
                f"base's {before}; it was trained on another model (by its own account "
                f"{found.said_base}), give that as base."
            )
        merged[name] = replace(merged[name], replaced=tensor)
    for table, tensor in found.tokens.items():
        name, rows = f"{table}.weight", found.token_rows(table)
        known = merged.get(name)
        if (
            known is None
            or (len(rows), *known.shape[1:]) != tensor.shape
            or not (min(rows, default=-1) >= 0 and max(rows) < known.shape[0])
        ):
            raise CheckpointError(
                f"{found.folder}: the rows that the adapter trained of '{table}' do not fit the "
                "base or its 'trainable_token_indices'; give the base that it was trained on."
            )
        merged[name] = replace(known, tokens=tensor, rows=rows)


def _check_modules(found: Adapter, final: Mapping[str, Merged]) -> None:
    """peft names modules that many models do not have; those that there are must be saved."""
    for module in found.saved_modules:
        held = any(module in name.split(".") for name in found.replaced)
        known = any(module in name.split(".") for name in final)
        if known and not held and not (module == "score" or module == "classifier"):
            raise CheckpointError(
                f"{found.folder}: 'modules_to_save' names '{module}', and {adapter.WEIGHTS} holds "
                "no weights of it; save the adapter again with peft: model.save_pretrained(folder)."
            )


def _check_tokenizer(base: Path, found: Adapter, *, rows: int) -> None:
    folder = found.folder if found.has_tokenizer else base
    slow = [name for name in _SLOW_TOKENIZER if (found.folder / name).is_file()]
    if slow and not found.has_tokenizer:
        raise CheckpointError(
            f"{found.folder}: the adapter has a tokenizer of its own ({slow[0]}) without "
            "tokenizer.json; save the fast one into it with transformers: "
            "AutoTokenizer.from_pretrained(folder).save_pretrained(folder)."
        )
    try:
        ids = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab().values()
    except Exception as error:  # the library raises nothing narrower
        raise CheckpointError(
            f"{folder / 'tokenizer.json'}: the tokenizers library cannot read it ({error}); copy "
            "it again."
        ) from error
    beyond = max(ids, default=0)
    if beyond >= rows:
        raise CheckpointError(
            f"{folder / 'tokenizer.json'}: it has tokens up to number {beyond}, and the merged "
            f"embeddings have {rows:,} rows; resize the base for this tokenizer "
            "(resize_token_embeddings) before training, and save the adapter with "
            "save_embedding_layers=True."
        )
