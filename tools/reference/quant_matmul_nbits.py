"""The ONNX model that @vlmopt/quant's test of MatMulNBits runs: one product, whose matrix and scales are inputs.

    python3 tools/reference/quant_matmul_nbits.py        (needs onnx; writes packages/quant/goldens/matmul-nbits.onnx)

Y [rows, 24] = A [rows, 96] · ((B − 8) · scales)ᵀ in groups of 32, with B uint8 [24, 3, 16] as ONNX Runtime's contrib operator has it.
"""

from pathlib import Path

from onnx import TensorProto, helper

N, K, GROUP = 24, 96, 32


def main() -> None:
    node = helper.make_node(
        "MatMulNBits", ["A", "B", "scales"], ["Y"], domain="com.microsoft", N=N, K=K, bits=4, block_size=GROUP
    )
    inputs = [
        helper.make_tensor_value_info("A", TensorProto.FLOAT, ["rows", K]),
        helper.make_tensor_value_info("B", TensorProto.UINT8, [N, K // GROUP, GROUP // 2]),
        helper.make_tensor_value_info("scales", TensorProto.FLOAT, [N, K // GROUP]),
    ]
    output = helper.make_tensor_value_info("Y", TensorProto.FLOAT, ["rows", N])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    graph = helper.make_graph([node], "matmul-nbits", inputs, [output])
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="")
    path = Path(__file__).parents[2] / "packages/quant/goldens/matmul-nbits.onnx"
    path.write_bytes(model.SerializeToString())
    print(f"{path}: {path.stat().st_size} bytes")


main()
