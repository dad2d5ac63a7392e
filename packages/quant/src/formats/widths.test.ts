import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import {
  fromFloat32,
  memorySink,
  memorySource,
  openSources,
  readTensor,
  toFloat32,
  writeCheckpoint,
} from "@vlmopt/tensor-io";
import { describe, expect, it } from "vitest";
import { quantizedWeights } from "../checkpoint/quantized-weights.ts";
import { bell } from "../test-support/inputs.ts";
import type { FloatDtype } from "../weights.ts";
import { dequantize } from "./dequantize.ts";
import { formatNamed, schemeNamed } from "./formats.ts";
import { readParts } from "./quantized-weight.ts";

/** By tools/reference/quant_widths.py. */
const cases = JSON.parse(
  readFileSync(new URL("../../goldens/widths.json", import.meta.url), "utf8"),
) as readonly {
  readonly scheme: string;
  readonly dtype: FloatDtype;
  readonly rows: number;
  readonly columns: number;
  readonly seed: number;
  readonly tensors: Readonly<
    Record<string, readonly [dtype: string, shape: readonly number[], sha256: string]>
  >;
}[];

const torchNames: Readonly<Record<string, string>> = {
  I32: "int32",
  I64: "int64",
  F16: "float16",
  BF16: "bfloat16",
  F32: "float32",
  F8_E4M3: "float8_e4m3fn",
};

/** The tensors of a weight `a.weight` that is rounded in two pieces. */
function stored({ scheme: name, dtype, rows, columns, seed }: (typeof cases)[number]) {
  const scheme = schemeNamed(name, "fast");
  const format = formatNamed(scheme.format);
  const tensor = { name: "a.weight", dtype, shape: [rows, columns] };
  const bytes = fromFloat32(bell(rows * columns, seed), dtype);
  const decoded: Float32Array[] = [];
  const stage = format.encode(tensor, scheme, {
    measure: (_, decode) => decoded.push(toFloat32(decode(), "F32")),
  });
  const half = (rows / 2) * (bytes.length / rows);
  const pieces = [stage.push(bytes.subarray(0, half), 0), stage.push(bytes.subarray(half), rows / 2)];
  const copies = pieces.map((parts) => parts.map((part) => part.slice()));
  const parts = [...copies, stage.finish?.() ?? []];
  const outputs = format.outputs(tensor, scheme);
  const rest = outputs.filter((output) => output.bytes === undefined);
  return {
    decoded: Float32Array.from(decoded.flatMap((piece) => [...piece])),
    tensors: outputs.map(({ name: output, dtype: kind, shape, bytes: constant }) => {
      const i = rest.findIndex((other) => other.name === output);
      const made = Buffer.concat(parts.map((piece) => piece[i] ?? new Uint8Array(0)));
      return { name: output, dtype: kind, shape, bytes: constant ?? new Uint8Array(made) };
    }),
  };
}

describe.each(cases)("$scheme of $dtype [$rows, $columns]", (golden) => {
  const { tensors, decoded } = stored(golden);

  it("has the tensors of its own library, bit for bit", () => {
    const found = tensors.map(({ name, dtype, shape, bytes }) => [
      name.replace("a.", ""),
      [torchNames[dtype], shape, createHash("sha256").update(bytes).digest("hex")],
    ]);
    expect(Object.fromEntries(found)).toEqual(golden.tensors);
  });

  it("is found again, as what was encoded", async () => {
    const sink = memorySink();
    await writeCheckpoint(tensors, sink);
    await using source = await openSources([memorySource(sink.files.get("model.safetensors") as Uint8Array)]);
    const [[numbers, found]] = [...(await quantizedWeights(source))] as [[string, never]];
    const { weight, name } = found as { weight: Parameters<typeof readParts>[1]; name: string };
    expect([name, weight.shape]).toEqual(["a.weight", [golden.rows, golden.columns]]);
    const bytes = dequantize(
      found,
      await readTensor(source, numbers),
      await readParts(source, weight),
      "F32",
    );
    expect(toFloat32(bytes, "F32")).toEqual(decoded);
  });
});
