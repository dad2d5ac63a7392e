import { fileURLToPath } from "node:url";
import { decodeInt4, encodeInt4, schemeNamed } from "@vlmopt/quant";
import { toFloat32 } from "@vlmopt/tensor-io";
import { describe, expect, it } from "vitest";
import { bell } from "../test-support/inputs.ts";
import { type PackQuantized, packQuantized } from "./pack-quantized.ts";

// Read when the runtime is loaded, so it is not imported above.
process.env.ORT_DISABLE_TELEMETRY = "1";
const { InferenceSession, Tensor } = await import("onnxruntime-node");

/** By tools/reference/quant_matmul_nbits.py: a product with a matrix [24, 96] in groups of 32. */
const model = fileURLToPath(new URL("../../goldens/matmul-nbits.onnx", import.meta.url));
const [rows, columns, groupSize] = [24, 96, 32];

describe("ONNX Runtime's MatMulNBits", () => {
  it.each(["fast", "best"] as const)(
    "takes weight_packed as it is and gives the product with the decoded matrix (%s)",
    async (preset) => {
      const weights = bell(rows * columns, 7);
      const scheme = schemeNamed("int4-g32", preset) as PackQuantized;
      const tensor = { name: "linear.weight", dtype: "F32", shape: [rows, columns] } as const;
      const stage = packQuantized.encode(tensor, scheme, { measure: () => {} });
      stage.push(new Uint8Array(weights.buffer), 0);
      const [packed, scales] = stage.finish?.() ?? [];
      expect(packQuantized.outputs(tensor, scheme)[0]?.name).toBe("linear.weight_packed");

      const inputs = bell(5 * columns, 8);
      const session = await InferenceSession.create(model);
      const { Y } = await session.run({
        A: new Tensor("float32", inputs, [5, columns]),
        B: new Tensor("uint8", packed as Uint8Array, [rows, columns / groupSize, groupSize / 2]),
        scales: new Tensor("float32", toFloat32(scales as Uint8Array, "F32"), [rows, columns / groupSize]),
      });

      const encoded = encodeInt4(weights, {
        groupSize,
        scales: preset === "best" ? "search" : "compressed-tensors",
      });
      const matrix = toFloat32(decodeInt4(encoded, "F32"), "F32");
      const products = Y?.data as Float32Array;
      expect(products).toHaveLength(5 * rows);
      for (const [i, product] of products.entries()) {
        const input = inputs.subarray(Math.floor(i / rows) * columns).subarray(0, columns);
        const row = matrix.subarray((i % rows) * columns).subarray(0, columns);
        expect(Math.abs(product - dot(input, row))).toBeLessThan(1e-5);
      }
    },
  );
});

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);
}
