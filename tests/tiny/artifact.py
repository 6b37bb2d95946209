"""A tiny real artifact without torch: a one-layer transformer in ONNX with weights by chance."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

import edgekit
from edgekit.artifact import folder as artifact
from edgekit.data.inputs import Input
from edgekit.runtime.onnx import OnnxClassifier
from edgekit.runtime.scoring import LabelSet, OneLabel, Scoring
from edgekit.runtime.tokens import TextTokenizer
from edgekit.tasks.classification.answer import answer

LABELS = ("heat", "light", "music")
TEXTS = (
    "turn up the heating in the kitchen",
    "éteins la lumière du salon",
    "شغل أغنية",
    "关灯",
    "lamp",
    "play a song, please",
)
PAIRS = ((TEXTS[0], TEXTS[1]), ("lamp", "关灯"), (TEXTS[5], TEXTS[2]))
_SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")


def make_tokenizer(*, pair: str | None = None) -> Tokenizer:
    """Unigram of the XLM-R kind: the words of TEXTS and every letter of them and of ASCII."""
    words = {f"▁{word}" for text in TEXTS for word in text.split()}
    letters = {chr(code) for code in range(33, 127)} | {c for text in TEXTS for c in text} | {"▁"}
    pieces = [*_SPECIALS, *sorted(letters - {" "}), *sorted(words)]
    scores = [0.0 if piece in _SPECIALS else -10.0 + len(piece) for piece in pieces]
    tokenizer = Tokenizer(models.Unigram(list(zip(pieces, scores, strict=True)), unk_id=3))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair=pair, special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(list(_SPECIALS))
    return tokenizer


def make_onnx(
    vocabulary: int, *, labels: int = len(LABELS), width: int = 32, int8: bool = True
) -> bytes:
    """Attention and a feed-forward layer, their weights fp32 or dynamic int8 as exporters do it."""
    graph = _Graph(np.random.default_rng(7), int8=int8)
    x = graph.add("Gather", graph.weight((vocabulary, width), 1.0), "input_ids")
    q, k, v = (graph.linear(x, width, width) for _ in range(3))
    scores = graph.add("MatMul", q, graph.add("Transpose", k, perm=[0, 2, 1]))
    scores = graph.add("Div", scores, graph.constant(np.float32(width**0.5)))
    x = graph.add("Add", x, graph.add("MatMul", graph.add("Softmax", scores, axis=-1), v))
    h = graph.linear(x, width, 4 * width)
    erf = graph.add("Erf", graph.add("Div", h, graph.constant(np.float32(2**0.5))))
    h = graph.add("Mul", h, graph.add("Add", erf, graph.constant(np.float32(1))))
    x = graph.add("Add", x, graph.linear(h, 4 * width, width))
    mask = graph.add("Cast", "attention_mask", to=TensorProto.FLOAT)
    x = graph.add("Mul", x, graph.add("Unsqueeze", mask, graph.constant(np.array([2]))))
    x = graph.add("ReduceMean", x, graph.constant(np.array([1])), keepdims=0)
    graph.add("MatMul", x, graph.weight((width, labels), 0.3), output="logits")
    return graph.model(labels)


class _Graph:
    def __init__(self, generator: np.random.Generator, *, int8: bool) -> None:
        self.generator, self.int8 = generator, int8
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        output = output or f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def constant(self, value: Any) -> str:
        self.weights.append(numpy_helper.from_array(np.asarray(value), f"w{len(self.weights)}"))
        return str(self.weights[-1].name)

    def weight(self, shape: tuple[int, ...], scale: float) -> str:
        return self.constant(self.generator.normal(0, scale, shape).astype(np.float32))

    def linear(self, x: str, inputs: int, outputs: int) -> str:
        weight = self.generator.normal(0, inputs**-0.5, (inputs, outputs)).astype(np.float32)
        if not self.int8:
            return self.add("MatMul", x, self.constant(weight))
        scale = np.abs(weight).max(axis=0) / 63
        quantized = self.constant(np.round(weight / scale).astype(np.int8))
        names = [f"q{len(self.nodes)}", f"s{len(self.nodes)}", f"z{len(self.nodes)}"]
        self.nodes.append(helper.make_node("DynamicQuantizeLinear", [x], names))
        product = self.add("MatMulInteger", names[0], quantized, names[2])
        product = self.add("Cast", product, to=TensorProto.FLOAT)
        return self.add(
            "Mul", product, self.add("Mul", names[1], self.constant(scale.astype(np.float32)))
        )

    def model(self, labels: int) -> bytes:
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT64, [1, "length"])
            for name in ("input_ids", "attention_mask")
        ]
        outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, labels])]
        graph = helper.make_graph(self.nodes, "tiny", inputs, outputs, self.weights)
        opsets = [helper.make_opsetid("", 18)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        return bytes(model.SerializeToString())


def fields(**changes: Any) -> dict[str, Any]:
    """What a build gives to `artifact.write`."""
    model = {
        "format": "onnx", "files": ["model.onnx"], "quantization": "int8", "parameters": 20_000,
        "max_tokens": 32, "prefix": "", "temperature": 1.5, "abstain_below": 0.0,
    }  # fmt: skip
    whole = {
        "name": "tiny-intents", "task": "classification", "languages": ["en", "fr", "ar", "zh"],
        "labels": list(LABELS), "model": model, "needs": {"ram_bytes": 120_000_000, "cpu": "any"},
        "quality": {}, "steps": [], "recipe": {"name": "tiny-intents"}, "lock": {"seed": 7},
        "licence": "CC0-1.0", "parents": [],
    }  # fmt: skip
    for name, value in changes.items():
        place = model if name in model else whole
        place[name] = value
    return whole


def make_artifact(
    folder: Path,
    *,
    width: int = 32,
    int8: bool = True,
    unused_pieces: int = 0,
    golden: Sequence[Input] = TEXTS,
    pair: str | None = None,
    **changes: Any,
) -> Path:
    """An artifact that `edgekit.load` takes; `changes` are fields of its manifest or model.

    `pair` is what the tokenizer sets around a pair; `unused_pieces` are rows of the embedding that
    no text uses; they make the model large.
    """
    folder.mkdir(parents=True)
    tokenizer = make_tokenizer(pair=pair)
    (folder / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
    data = make_onnx(tokenizer.get_vocab_size() + unused_pieces, width=width, int8=int8)
    (folder / "model.onnx").write_bytes(data)
    (folder / "LICENSE").write_text("Made in a test; anybody may do anything with it.\n")
    (folder / "MODEL_CARD.md").write_text("# tiny-intents\nWeights by chance.\n")
    manifest = fields(**changes)
    value = golden_answers(folder, manifest, golden)
    (folder / "golden.json").write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    artifact.write(folder, manifest)
    return folder


def text_of_each_label(folder: Path) -> dict[str, str]:
    """A text to which the artifact gives it, for each of its labels."""
    generator = random.Random(8)
    words = " ".join(TEXTS).split()
    texts = [" ".join(generator.choices(words, k=4)) for _ in range(300)]
    with edgekit.load(folder) as model:
        found = {
            str(one.label): text for text, one in zip(texts, model.classify(texts), strict=True)
        }
    assert set(found) == set(LABELS)
    return found


def make_set_artifact(folder: Path, *thresholds: float) -> Path:
    """An artifact whose texts may have several labels, each from one of the thresholds on."""
    spec = {"labels": list(thresholds), "teacher": list(thresholds), "rows": 0}
    return make_artifact(folder, model={**fields()["model"], "thresholds": spec})


def make_pair_artifact(folder: Path, **changes: Any) -> Path:
    """An artifact that takes pairs of texts."""
    spec = {**fields()["model"], "pairs": True}
    return make_artifact(
        folder, golden=PAIRS, pair="<s> $A </s> </s> $B </s>", model=spec, **changes
    )


def golden_answers(
    folder: Path, manifest: dict[str, Any], texts: Sequence[Input]
) -> dict[str, Any]:
    spec = manifest["model"]
    encoder = TextTokenizer(
        folder / "tokenizer.json", prefix=spec["prefix"], max_tokens=spec["max_tokens"]
    )
    scoring: Scoring = OneLabel(spec["temperature"])
    if "thresholds" in spec:
        scoring = LabelSet(tuple(spec["thresholds"]["labels"]))
    with OnnxClassifier((folder / "model.onnx").read_bytes, encoder, threads=1) as model:
        found = [
            answer(model.logits(text)[0], manifest["labels"], scoring=scoring) for text in texts
        ]
    answers = [{"label": entry.label, "scores": entry.scores} for entry in found]
    return {"inputs": list(texts), "answers": answers, "tolerance": 0.02}
