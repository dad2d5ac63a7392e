import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeInt4, dequantizeCheckpoint, encodeInt4 } from "@vlmopt/quant";
import {
  openCheckpoint,
  readTensor,
  type TensorLiteral,
  toFloat32,
  writeCheckpoint,
} from "@vlmopt/tensor-io";
import { afterAll, describe, expect, it } from "vitest";
import { bell } from "../test-support/inputs.ts";
import { formatNamed } from "./formats.ts";
import type { Scheme } from "./scheme.ts";

const folder = mkdtempSync(join(tmpdir(), "vlmopt-gptq-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const [outputs, inputs] = [24, 64];
const tensor = { name: "a.weight", dtype: "F32", shape: [outputs, inputs] } as const;

/** The tensors that take the place of a weight [24, 64]. */
function quantized(weights: Float32Array, scheme: Scheme): TensorLiteral[] {
  const format = formatNamed(scheme.format);
  const stage = format.encode(tensor, scheme, { measure: () => {} });
  const bytes = new Uint8Array(weights.buffer);
  const half = bytes.length / 2;
  stage.push(bytes.subarray(0, half), 0);
  stage.push(bytes.subarray(half), outputs / 2);
  const parts = stage.finish?.() ?? [];
  return format.outputs(tensor, scheme).map(({ name, dtype, shape, bytes }, i) => ({
    name,
    dtype,
    shape,
    bytes: bytes ?? (parts[i] as Uint8Array),
  }));
}

async function dequantized(
  tensors: readonly TensorLiteral[],
  config: object,
  name: string,
): Promise<Float32Array> {
  const place = join(folder, name);
  await writeCheckpoint(tensors, place, { files: { "config.json": JSON.stringify(config) } });
  await using checkpoint = await openCheckpoint(place);
  await dequantizeCheckpoint(checkpoint, `${place}-dequantized`, { dtype: "F32" });
  await using back = await openCheckpoint(`${place}-dequantized`);
  return toFloat32(await readTensor(back, "a.weight"), "F32");
}

function part(tensors: readonly TensorLiteral[], name: string): TensorLiteral {
  return tensors.find((found) => found.name === name) as TensorLiteral;
}

describe("a weight in the layout of", () => {
  it.each(["gptq", "awq"] as const)("%s is the one that was encoded", async (format) => {
    const weights = bell(outputs * inputs, 1);
    const tensors = quantized(weights, {
      format,
      bits: 4,
      zeroPoints: true,
      groupSize: 16,
      scales: "search",
    });
    const encoded = encodeInt4(weights, {
      groupSize: 16,
      zeroPoints: "whole",
      scales: "search",
      scaleDtype: "F16",
    });
    expect(await dequantized(tensors, {}, `same-${format}`)).toEqual(
      toFloat32(decodeInt4(encoded, "F32"), "F32"),
    );
  });

  it.each(["compressed-tensors", "search", "hqq"] as const)(
    "gptq has no zero point of 0, which its first format cannot store, by %s",
    async (scales) => {
      const weights = bell(outputs * inputs, 2).map(Math.abs);
      const options = { groupSize: 16, zeroPoints: "whole", scales, scaleDtype: "F16" } as const;
      const zeroPoints = (lowestZeroPoint: 0 | 1) =>
        encodeInt4(weights, { ...options, lowestZeroPoint }).zeroPoints as Uint8Array;
      expect(Math.min(...zeroPoints(0))).toBe(0);
      expect(Math.min(...zeroPoints(1))).toBe(1);
      const decoded = await dequantized(
        quantized(weights, { format: "gptq", bits: 4, zeroPoints: true, groupSize: 16, scales }),
        {},
        `positive-${scales}`,
      );
      const square = (sum: number, value: number) => sum + value ** 2;
      const error = weights.map((weight, i) => weight - (decoded[i] as number)).reduce(square, 0);
      expect(error / weights.reduce(square, 0)).toBeLessThan(0.01);
    },
  );

  it("gptq may have its input features reordered, and zero points as they are", async () => {
    const weights = bell(outputs * inputs, 3);
    const tensors = quantized(weights, {
      format: "gptq",
      bits: 4,
      zeroPoints: true,
      groupSize: 16,
      scales: "search",
    });
    const plain = await dequantized(tensors, {}, "ordered");

    // Input features 8j…8j+7, one word, belong to group j mod 4; the columns of the weight go with them.
    const words = inputs / 8;
    const order = Array.from({ length: words }, (_, j) => (j % 4) * 2 + Math.floor(j / 4));
    const qweight = part(tensors, "a.qweight");
    const rowBytes = outputs * 4;
    const reordered = order.map((j) => qweight.bytes.subarray(j * rowBytes, (j + 1) * rowBytes));
    const groupIndices = Int32Array.from({ length: inputs }, (_, i) => (order[i >> 3] as number) >> 1);
    const qzeros = part(tensors, "a.qzeros");
    const stored = new Uint32Array(qzeros.bytes.slice().buffer).map((word) => word + 0x11111111);
    const changed: TensorLiteral[] = [
      { ...qweight, bytes: new Uint8Array(Buffer.concat(reordered)) },
      { ...qzeros, bytes: new Uint8Array(stored.buffer) },
      part(tensors, "a.scales"),
      { ...part(tensors, "a.g_idx"), bytes: new Uint8Array(groupIndices.buffer) },
    ];
    const config = { quantization_config: { quant_method: "gptq", checkpoint_format: "gptq_v2" } };
    const found = await dequantized(changed, config, "reordered");
    const expected = plain.map((_, i) => {
      const [output, input] = [Math.floor(i / inputs), i % inputs];
      return plain[output * inputs + (order[input >> 3] as number) * 8 + (input & 7)] as number;
    });
    expect(found).toEqual(expected);
  });

  it("gptq of other widths is refused", async () => {
    const tensors = quantized(bell(outputs * inputs, 4), {
      format: "gptq",
      bits: 4,
      groupSize: 16,
      scales: "search",
    });
    const qweight = part(tensors, "a.qweight");
    const eightBits = { ...qweight, shape: [outputs, inputs / 8] };
    const others = tensors.filter(({ name }) => name !== "a.qweight");
    await expect(dequantized([eightBits, ...others], {}, "wide")).rejects.toThrow(
      /a\.qweight of shape \[24,8\] does not hold numbers of 4 bits for 24 output features/,
    );
  });
});
