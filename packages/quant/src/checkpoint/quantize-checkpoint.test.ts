import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeModel } from "@vlmopt/models";
import {
  dequantizeCheckpoint,
  joinedMagnitudes,
  nvfp4GlobalScale,
  planQuantization,
  type QuantizationRequest,
  quantization,
  quantizeCheckpoint,
  type Scheme,
  schemeNamed,
} from "@vlmopt/quant";
import {
  compose,
  memorySink,
  memorySource,
  openCheckpoint,
  openSources,
  readTensor,
  rename,
  rewriteCheckpoint,
  select,
  type TensorSpec,
  toFloat32,
} from "@vlmopt/tensor-io";
import { afterAll, describe, expect, it } from "vitest";
import { openFixture } from "../test-support/fixture.ts";
import { writeWideCheckpoint } from "../test-support/wide-checkpoint.ts";

const folder = mkdtempSync(join(tmpdir(), "vlmopt-quant-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Of scheme → tensor → dtype, shape, SHA-256; by tools/reference/quant_checkpoints.py. */
const golden = JSON.parse(
  readFileSync(new URL("../../goldens/checkpoints.json", import.meta.url), "utf8"),
) as Record<string, Record<string, [dtype: string, shape: number[], sha256: string]>>;

async function quantize(model: string, request: QuantizationRequest, place: string) {
  const { checkpoint, description } = await openFixture(model);
  const plan = planQuantization(description, checkpoint.tensors, request);
  const result = await quantizeCheckpoint(checkpoint, plan, place, { measure: true });
  return { plan, result };
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

const torchNames: Record<string, string> = {
  I32: "int32",
  I64: "int64",
  I8: "int8",
  U8: "uint8",
  F32: "float32",
  F16: "float16",
  F8_E4M3: "float8_e4m3fn",
};

describe("a quantized checkpoint", () => {
  it.each(Object.keys(golden))("holds the tensors of %s that its own library makes", async (name) => {
    const place = join(folder, `golden-${name}`);
    const { plan } = await quantize("llava", { scheme: schemeNamed(name, "fast") }, place);
    await using checkpoint = await openCheckpoint(place);
    for (const [tensor, [dtype, shape, hash]] of Object.entries(golden[name] ?? {})) {
      const found = checkpoint.tensors.get(tensor);
      expect([tensor, torchNames[found?.dtype ?? ""]]).toEqual([tensor, dtype]);
      // The text of quant_state has other spaces. The offset, and what is left of the scales without it, is of PyTorch's own rounding.
      if (tensor.includes("quant_state") || tensor.endsWith("nested_absmax")) continue;
      expect([tensor, found?.shape]).toEqual([tensor, shape]);
      expect([tensor, sha256(await readTensor(checkpoint, tensor))]).toEqual([tensor, hash]);
    }
    expect([...checkpoint.tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0)).toBe(
      plan.after.bytes,
    );
  });

  it("says what bitsandbytes needs to know of a weight, and nothing else, which it would refuse", async () => {
    const place = join(folder, "state");
    await quantize("llava-next", { scheme: schemeNamed("nf4-dq") }, place);
    await using checkpoint = await openCheckpoint(place);
    const name = [...checkpoint.tensors.keys()].find((key) => key.endsWith("quant_state.bitsandbytes__nf4"));
    const state = JSON.parse(new TextDecoder().decode(await readTensor(checkpoint, name ?? ""))) as object;
    expect(state).toEqual({
      quant_type: "nf4",
      blocksize: 64,
      dtype: "bfloat16",
      shape: expect.any(Array),
      nested_blocksize: 256,
      nested_dtype: "float32",
      nested_offset: expect.any(Number),
    });
  });

  const schemes: [string, Scheme][] = [
    "int4-g16",
    "int4-g16-zero",
    "int4-row",
    "int8",
    "nf4",
    "nf4-dq",
    "fp4",
    "int3-g16",
    "int2-g16-zero",
    "int8-g16-zero",
    "fp8",
    "gptq-g16",
    "gptq-g16-zero",
    "awq-row",
    "nvfp4",
  ].map((name) => [name, schemeNamed(name)]);

  it.each(schemes)(
    "of %s comes back with the error that was measured, its configuration as it was",
    async (name, scheme) => {
      for (const model of ["llava", "qwen2-vl", "blip-2", "llava-next"]) {
        const place = join(folder, `${model}-${name}`);
        const { result } = await quantize(model, { scheme }, place);
        const back = join(folder, `${model}-${name}-dequantized`);
        await using quantized = await openCheckpoint(place);
        await dequantizeCheckpoint(quantized, back, { dtype: "F32" });
        await using dequantized = await openCheckpoint(back);
        const { checkpoint } = await openFixture(model);
        expect([...dequantized.tensors.keys()].sort()).toEqual([...checkpoint.tensors.keys()].sort());
        for (const [tensor, { dtype, shape }] of checkpoint.tensors) {
          expect(dequantized.tensors.get(tensor)?.shape).toEqual(shape);
          const before = toFloat32(await readTensor(checkpoint, tensor), dtype);
          const after = toFloat32(await readTensor(dequantized, tensor), "F32");
          expect(squaredError(before, after)).toBeCloseTo(result.errors.get(tensor) ?? 0, 12);
        }
        const config = async (of: typeof checkpoint) =>
          JSON.parse(new TextDecoder().decode(await of.readSibling("config.json"))) as unknown;
        expect(await config(dequantized)).toEqual(await config(checkpoint));
      }
    },
  );

  it("of mxfp4 comes back with the error that was measured", async () => {
    const wide = join(folder, "wide");
    await writeWideCheckpoint("llava", wide);
    await using checkpoint = await openCheckpoint(wide);
    const config: unknown = JSON.parse(new TextDecoder().decode(await checkpoint.readSibling("config.json")));
    const plan = planQuantization(describeModel(config, checkpoint.tensors), checkpoint.tensors, {
      scheme: schemeNamed("mxfp4"),
    });
    expect(plan.after.bitsPerWeight).toBe(4.25);
    const { errors } = await quantizeCheckpoint(checkpoint, plan, `${wide}-mxfp4`, { measure: true });
    await using quantized = await openCheckpoint(`${wide}-mxfp4`);
    await dequantizeCheckpoint(quantized, `${wide}-mxfp4-dequantized`);
    await using dequantized = await openCheckpoint(`${wide}-mxfp4-dequantized`);
    expect(errors.size).toBe(21);
    for (const [tensor, error] of errors) {
      const before = toFloat32(await readTensor(checkpoint, tensor), "BF16");
      // A power of two times E2M1 is exact in BF16.
      expect(dequantized.tensors.get(tensor)?.dtype).toBe("BF16");
      expect(squaredError(before, toFloat32(await readTensor(dequantized, tensor), "BF16"))).toBeCloseTo(
        error,
        12,
      );
      expect(error).toBeGreaterThan(0.005);
    }
  });

  it("of nvfp4 has one global scale for linears that executors join, also where another transform comes first", async () => {
    const { checkpoint, description } = await openFixture("llava");
    const plan = planQuantization(description, checkpoint.tensors, { scheme: schemeNamed("nvfp4") });
    expect(plan.joined).toHaveLength(2 * 3);
    const q = plan.joined[0]?.find((name) => name.includes("q_proj")) ?? "";
    const twice = (tensor: TensorSpec) => (tensor.name === q ? rename(tensor, tensor.name) : undefined);
    const magnitudes = await joinedMagnitudes(checkpoint, plan, twice);
    let largest = 0;
    for (const name of plan.joined[0] ?? [])
      for (const weight of toFloat32(await readTensor(checkpoint, name), "F32"))
        largest = Math.max(largest, Math.abs(weight));
    const place = join(folder, "nvfp4-composed");
    const { transform } = quantization(plan, { magnitudes });
    await rewriteCheckpoint(checkpoint, compose(twice, transform), place);
    await using quantized = await openCheckpoint(place);
    for (const name of plan.joined[0] ?? []) {
      const stored = toFloat32(await readTensor(quantized, `${name}_global_scale`), "F32");
      expect(stored).toEqual(Float32Array.of(nvfp4GlobalScale(largest)));
      expect(largest * (stored[0] as number)).toBeCloseTo(448 * 6, 2);
    }
    expect(() => quantization(plan)).toThrow(/largest magnitude is not given/);
  });

  it("tells of a weight that is not finite by its tensor and place, and leaves nothing behind", async () => {
    const { checkpoint, description } = await openFixture("llava");
    const plan = planQuantization(description, checkpoint.tensors, { scheme: schemeNamed("int4-g16") });
    const name = plan.groups[0]?.tensors[3] ?? "";
    const sink = memorySink();
    await rewriteCheckpoint(
      checkpoint,
      (tensor) =>
        tensor.name === name
          ? { stage: () => ({ push: (rows) => [withNaN(rows, 100)] }), outputs: [tensor] }
          : undefined,
      sink,
    );
    const broken = await openSources([...sink.files].map(([file, bytes]) => memorySource(bytes, file)));
    const place = join(folder, "broken");
    const columns = checkpoint.tensors.get(name)?.shape[1] ?? 1;
    await expect(quantizeCheckpoint(broken, plan, place)).rejects.toThrow(
      `tensor "${name}": weight [${Math.floor(100 / columns)}, ${100 % columns}] is NaN`,
    );
    await expect(openCheckpoint(place)).rejects.toThrow();
  });

  it("is made of a pruned one in the same pass", async () => {
    const { checkpoint, description } = await openFixture("llava");
    const down = description.languageModel.layers[0]?.mlp;
    const name = down?.kind === "gated" ? down.downProj.weight : "";
    const columns = Uint32Array.from({ length: 48 }, (_, i) => i + 16);
    const pruned = [...checkpoint.tensors.values()].map((tensor) =>
      tensor.name === name ? { ...tensor, shape: [tensor.shape[0] as number, 48] } : tensor,
    );
    const specs = new Map(pruned.map((tensor) => [tensor.name, tensor]));
    const weights = description.weights.map((weight) =>
      weight.name === name ? { ...weight, shape: specs.get(name)?.shape ?? [] } : weight,
    );
    const plan = planQuantization({ ...description, weights }, specs, { scheme: schemeNamed("int4-g16") });
    const place = join(folder, "pruned.safetensors");
    const prune = (tensor: (typeof pruned)[number]) =>
      tensor.name === name ? select(tensor, { columns }) : undefined;
    await rewriteCheckpoint(
      checkpoint,
      compose((tensor) => prune(tensor as (typeof pruned)[number]), quantization(plan).transform),
      place,
    );
    await using quantized = await openCheckpoint(place);
    const rows = checkpoint.tensors.get(name)?.shape[0];
    expect(quantized.tensors.get(`${name}_packed`)?.shape).toEqual([rows, 6]);
    expect(quantized.tensors.get(`${name}_scale`)?.shape).toEqual([rows, 3]);
  });
});

function squaredError(before: Float32Array, after: Float32Array): number {
  let error = 0;
  let energy = 0;
  for (const [i, weight] of before.entries()) {
    error += (weight - (after[i] as number)) ** 2;
    energy += weight ** 2;
  }
  return energy === 0 ? error : error / energy;
}

function withNaN(rows: Uint8Array, index: number): Uint8Array {
  const copy = rows.slice();
  new Float32Array(copy.buffer)[index] = Number.NaN;
  return copy;
}
