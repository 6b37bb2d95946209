"""Quantizes one ONNX file, matrix by matrix. Knows nothing of checkpoints, texts or recipes.

Activations are quantized at run time (one scale per tensor, or per row where that is far nearer),
weights here, with numpy alone, one scale per output column. Nothing of the machine that quantizes
enters the file: the schemes answer alike on every CPU.

    s8    8-bit signed weights, of which the two for inputs 2i and 2i + 1 add up to 128 at most: the
          u8×s8 product of AVX2 adds such neighbours in 16 bits, where 255·128 still fits and any
          two weights in 8 bits would saturate
    u8    8-bit unsigned weights around 128, for which AVX2 has an exact, slower product
    int4  4-bit weights in blocks of 32 along the input (MatMulNBits)

Tables used for lookup are stored in 8 bits with one scale per row; the largest, the word
embeddings, on request in 4 bits with a 16-bit scale per block of 32: rows are unpacked when they
are looked up, and nowhere else. A table that is also a head is stored once, in the u8 form: a row
that is looked up is a column that is multiplied.

The operators: onnx.ai/onnx/operators (DynamicQuantizeLinear, MatMulInteger) and onnxruntime's
contributed MatMulNBits and GatherBlockQuantized.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper

from edgekit.errors import ExportError
from edgekit.export.onnx.compensating import compensated_rows
from edgekit.export.onnx.covariances import Covariances
from edgekit.export.onnx.graph import Graph, is_linear, is_transposed
from edgekit.export.onnx.grids import BLOCK, pack_nibbles, quantize_blocks, quantize_rows
from edgekit.export.onnx.observing import Seen, read
from edgekit.export.onnx.row_scales import divided, peak_name
from edgekit.export.onnx.smoothing import smooth
from edgekit.export.onnx.weights import open_weights
from edgekit.system import machine
from edgekit.system.serving import Verb

SCHEMES = ("s8", "u8", "int4")


@dataclass(frozen=True, slots=True)
class Quantized:
    """What was done to a file."""

    scheme: str
    embeddings: str
    """Bits of the largest table; int8 where its rows are not whole blocks of 4 bits."""
    matrices: int
    tables: int
    kept_fp32: int
    """Number of matrices and tables that are too small or of another kind."""
    smoothed: int
    """Tensors whose channels a node of their own scales; others are scaled where they are made."""
    by_row: int
    """Tensors whose rows have a scale each."""
    size_bytes: int
    peak_bytes: int


def quantize(
    source: Path,
    out: Path,
    *,
    scheme: str,
    embeddings: str = "int8",
    seen: Mapping[str, Seen] | None = None,
    covariances: Covariances | None = None,
) -> Quantized:
    """Reads an fp32 ONNX file and writes a quantized one; neither has external data.

    With what was `seen` of the tensors that matrices read, their channels are smoothed first, and
    with their `covariances` the weights in 8 bits make up for each other's errors.
    The source's weights are read from disk as needed, never all at once. Raises ExportError where
    the file holds nothing that can be quantized.
    """
    model, weights = open_weights(source)
    graph = Graph(model, weights)
    if covariances is not None:
        graph.covariance_of = covariances.of
    smoothed = smooth(graph, seen) if seen and scheme != "int4" else 0
    words = _widest_table(graph) if embeddings == "int4" else None
    counts = Counter[str]()
    nodes: list[NodeProto] = []
    for node in model.graph.node:
        replaced = _replace(graph, node, scheme, words, counts)
        nodes += replaced if replaced is not None else [node]
    if not counts["matrices"]:
        raise ExportError(
            f"{source}: no matrix of this model could be quantized; use none instead."
        )
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    graph.drop_unused()
    if any(node.domain == "com.microsoft" for node in nodes):
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.checker.check_model(model)
    onnx.save(model, out)
    return Quantized(
        scheme=scheme,
        embeddings="int4" if counts["tables in 4 bits"] else "int8",
        matrices=counts["matrices"],
        tables=counts["tables"],
        kept_fp32=counts["kept"],
        smoothed=smoothed,
        by_row=len(graph.by_row),
        size_bytes=out.stat().st_size,
        peak_bytes=machine.peak_rss_bytes(),
    )


def _widest_table(graph: Graph) -> str | None:
    """The name of the largest lookup table: the word embeddings."""
    tables = {
        node.input[0]: table.size
        for node in graph.proto.node
        if node.op_type == "Gather" and (table := graph.matrix(node.input[0])) is not None
    }
    return max(tables, key=tables.__getitem__, default=None)


def _replace(
    graph: Graph, node: NodeProto, scheme: str, words: str | None, counts: Counter[str]
) -> list[NodeProto] | None:
    """The nodes that replace one node after quantizing, None where it stays as it is."""
    if node.output[0] in graph.heads:
        return []  # the integers are transposed instead
    if node.op_type == "Gather" and (table := graph.matrix(node.input[0])) is not None:
        counts["tables"] += 1
        if node.input[0] in graph.heads.values():
            return _shared_lookup(graph, node, table)
        # The operator takes only whole blocks.
        if node.input[0] == words and table.shape[1] % BLOCK == 0:
            counts["tables in 4 bits"] += 1
            return _blockwise_lookup(graph, node, table)
        return _lookup(graph, node, table)
    if node.op_type == "MatMul" and node.input[1] in graph.heads:
        counts["matrices"] += 1
        return _shared_product(graph, node)
    if node.op_type == "MatMul" and (weights := graph.matrix(node.input[1])) is not None:
        counts["matrices"] += 1
        return _product(graph, node, weights, scheme)
    if node.op_type == "Gemm" and is_linear(node):
        weights = graph.matrix(node.input[1])
        if weights is not None:
            counts["matrices"] += 1
            return _linear(graph, node, weights, scheme)
    counts["kept"] += node.op_type in {"MatMul", "Gemm"} and node.input[1] in graph.initializers
    return None


def _linear(graph: Graph, node: NodeProto, weights: np.ndarray, scheme: str) -> list[NodeProto]:
    product = helper.make_node("MatMul", node.input[:2], [f"{node.output[0]}/product"])
    nodes = _product(graph, product, weights.T if is_transposed(node) else weights, scheme)
    if len(node.input) < 3:
        return [*nodes, helper.make_node("Identity", [product.output[0]], node.output)]
    return [*nodes, helper.make_node("Add", [product.output[0], node.input[2]], node.output)]


def _product(graph: Graph, node: NodeProto, weights: np.ndarray, scheme: str) -> list[NodeProto]:
    """x·W for W of shape (inputs, outputs)."""
    if scheme == "int4":
        return _blockwise_product(graph, node, weights)
    return _integer_product(graph, node, weights, unsigned=scheme == "u8")


def _integer_product(
    graph: Graph, node: NodeProto, weights: np.ndarray, *, unsigned: bool
) -> list[NodeProto]:
    name = node.input[1]
    covariance = _covariance(graph, name)
    if covariance is None:
        weighed = graph.importance.get(name)
        integers, scales = quantize_rows(weights.T, limit=127, paired=not unsigned, weighed=weighed)
    else:
        integers, scales = compensated_rows(weights.T, covariance, limit=127, paired=not unsigned)
    if unsigned:
        columns = _raised(integers.T)
        zero = np.full(len(scales), 128, np.uint8)
    else:
        columns, zero = np.ascontiguousarray(integers.T), np.zeros(len(scales), np.int8)
    graph.add(f"{name}/scale", scales)
    graph.add(f"{name}/zero", zero)
    return _integer_nodes(graph, node, graph.add(f"{name}/q8", columns), name)


def _covariance(graph: Graph, name: str) -> np.ndarray | None:
    """Of what a matrix reads, as it is after smoothing."""
    found = [graph.covariance_of(one) for one in sorted(graph.reads[name])]
    known = [one for one in found if one is not None]
    if not known:
        return None
    divisors = graph.divisors.get(name, np.ones(len(known[0]), np.float32))
    return np.asarray(np.mean(known, axis=0) / np.outer(divisors, divisors))


def _integer_nodes(graph: Graph, node: NodeProto, columns: str, name: str) -> list[NodeProto]:
    """The product with quantized `columns`, whose zero point and scale belong to weight `name`."""
    data, out = node.input[0], node.output[0]
    quantized, scale, offset = f"{data}/u8", f"{data}/u8_scale", f"{data}/u8_zero"
    by_row = data in graph.by_row
    nodes = []
    if data not in graph.quantized_inputs:
        graph.quantized_inputs.add(data)
        read, nodes = divided(graph, data) if by_row else (data, [])
        nodes.append(helper.make_node("DynamicQuantizeLinear", [read], [quantized, scale, offset]))
    inputs = [quantized, columns, offset, f"{name}/zero"]
    product = f"{out}/of_unit" if by_row else out
    nodes += [
        helper.make_node("MatMulInteger", inputs, [f"{out}/int32"]),
        helper.make_node("Cast", [f"{out}/int32"], [f"{out}/float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [scale, f"{name}/scale"], [f"{out}/factor"]),
        helper.make_node("Mul", [f"{out}/float", f"{out}/factor"], [product]),
    ]
    if by_row:
        nodes.append(helper.make_node("Mul", [product, peak_name(data)], [out]))
    return nodes


def _raised(integers: np.ndarray) -> np.ndarray:
    return (integers.astype(np.int16) + 128).astype(np.uint8)


def _share(graph: Graph, name: str, table: np.ndarray) -> str:
    """The rows of a table in a form for both lookup and product; made once."""
    if f"{name}/q8" not in graph.initializers:
        integers, scales = quantize_rows(table, limit=127)
        graph.add(f"{name}/q8", _raised(integers))
        graph.add(f"{name}/scale", scales)
        graph.add(f"{name}/zero", np.full(len(scales), 128, np.uint8))
        graph.add(f"{name}/middle", np.array(128, np.float32))
    return f"{name}/q8"


def _shared_product(graph: Graph, node: NodeProto) -> list[NodeProto]:
    name = graph.heads[node.input[1]]
    table = graph.matrix(name)
    if table is None:
        raise ExportError(f"The table '{name}' is gone; export the model again.")
    columns = f"{name}/columns"
    turn = helper.make_node("Transpose", [_share(graph, name, table)], [columns], perm=[1, 0])
    return [turn, *_integer_nodes(graph, node, columns, name)]


def _shared_lookup(graph: Graph, node: NodeProto, table: np.ndarray) -> list[NodeProto]:
    name, rows, out = node.input[0], node.input[1], node.output[0]
    graph.add(f"{name}/last_axis", np.array([-1], np.int64))
    return [
        helper.make_node("Gather", [_share(graph, name, table), rows], [f"{out}/q8"], axis=0),
        helper.make_node("Gather", [f"{name}/scale", rows], [f"{out}/row"], axis=0),
        helper.make_node("Unsqueeze", [f"{out}/row", f"{name}/last_axis"], [f"{out}/row_scale"]),
        helper.make_node("Cast", [f"{out}/q8"], [f"{out}/raised"], to=TensorProto.FLOAT),
        helper.make_node("Sub", [f"{out}/raised", f"{name}/middle"], [f"{out}/float"]),
        helper.make_node("Mul", [f"{out}/float", f"{out}/row_scale"], [out]),
    ]


def _blockwise_product(graph: Graph, node: NodeProto, weights: np.ndarray) -> list[NodeProto]:
    inputs, outputs = weights.shape
    integers, scales = quantize_blocks(weights.T)
    packed = pack_nibbles(integers).reshape(outputs, -1, BLOCK // 2)
    name = node.input[1]
    return [
        helper.make_node(
            "MatMulNBits",
            [
                node.input[0],
                graph.add(f"{name}/q4", packed),
                graph.add(f"{name}/scale", scales.reshape(-1)),
            ],
            node.output,
            domain="com.microsoft",
            K=inputs,
            N=outputs,
            bits=4,
            block_size=BLOCK,
            accuracy_level=4,
        )
    ]


def _lookup(graph: Graph, node: NodeProto, table: np.ndarray) -> list[NodeProto]:
    """Rows of a table by number: 8-bit rows and their scales are looked up, then multiplied."""
    name, rows, out = node.input[0], node.input[1], node.output[0]
    integers, scales = quantize_rows(table, limit=127)
    return [
        helper.make_node(
            "Gather", [graph.add(f"{name}/q8", integers), rows], [f"{out}/q8"], axis=0
        ),
        helper.make_node(
            "Gather",
            [graph.add(f"{name}/scale", scales[:, None]), rows],
            [f"{out}/row_scale"],
            axis=0,
        ),
        helper.make_node("Cast", [f"{out}/q8"], [f"{out}/float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{out}/float", f"{out}/row_scale"], [out]),
    ]


def _blockwise_lookup(graph: Graph, node: NodeProto, table: np.ndarray) -> list[NodeProto]:
    """Rows of a table in 4 bits; 16-bit scales give 16-bit rows, which are cast."""
    name, rows, out = node.input[0], node.input[1], node.output[0]
    integers, scales = quantize_blocks(table)
    return [
        helper.make_node(
            "GatherBlockQuantized",
            [
                graph.add(f"{name}/q4", pack_nibbles(integers)),
                rows,
                graph.add(f"{name}/scale", scales.astype(np.float16)),
            ],
            [f"{out}/half"],
            domain="com.microsoft",
            bits=4,
            block_size=BLOCK,
            gather_axis=0,
            quantize_axis=1,
        ),
        helper.make_node("Cast", [f"{out}/half"], [out], to=TensorProto.FLOAT),
    ]


def _run(request: Mapping[str, Any]) -> dict[str, Any]:
    """Runs in the child."""
    source, out = Path(request["source"]), Path(request["out"])
    seen = read(Path(request["seen"])) if request["seen"] else None
    scheme, embeddings = request["scheme"], request["embeddings"]
    held = request.get("covariances")
    together = Covariances(Path(held)) if held else None
    done = quantize(
        source, out, scheme=scheme, embeddings=embeddings, seen=seen, covariances=together
    )
    return asdict(done)


VERBS: Mapping[str, Verb] = {"quantize": _run}
