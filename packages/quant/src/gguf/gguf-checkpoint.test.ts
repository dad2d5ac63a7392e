import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describeModel } from "@vlmopt/models";
import {
  type Checkpoint,
  fromFloat32,
  memorySink,
  memorySource,
  openSources,
  readTensor,
  toFloat32,
} from "@vlmopt/tensor-io";
import { describe, expect, it } from "vitest";
import { dequantizeCheckpoint } from "../checkpoint/dequantize-checkpoint.ts";
import { quantizedWeights } from "../checkpoint/quantized-weights.ts";
import { weightCounts } from "../checkpoint/weight-counts.ts";
import { golden } from "../test-support/inputs.ts";
import { interleaveHeads } from "./encoded-rows.ts";
import { type EncodableType, encodeGgml } from "./ggml-type.ts";
import { ggufCheckpoint } from "./gguf-checkpoint.ts";
import { type MetadataValue, type Scalar, text, uint32 } from "./metadata.ts";
import { type GgufTensor, writeGguf } from "./write-gguf.ts";

/** What llama.cpp's own converter makes of the fixtures: tools/reference/quant_gguf_converted.py. */
interface Converted {
  readonly metadata: Readonly<Record<string, [type: string, value: unknown]>>;
  readonly tensors: Readonly<Record<string, [shape: number[], sha256: string]>>;
}

const converted = golden<Readonly<Record<string, Converted>>>("gguf-converted");

const fixtures = new URL("../../../../fixtures/checkpoints/", import.meta.url);

interface Fixture {
  readonly config: Readonly<Record<string, unknown>>;
  readonly weights: ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>;
}

async function fixture(name: string): Promise<Fixture> {
  const file = new Uint8Array(readFileSync(new URL(`${name}/model.safetensors`, fixtures)));
  await using checkpoint = await openSources([memorySource(file)]);
  const config = JSON.parse(readFileSync(new URL(`${name}/config.json`, fixtures), "utf8"));
  return { config, weights: await allWeights(checkpoint) };
}

async function allWeights(checkpoint: Checkpoint): Promise<Fixture["weights"]> {
  const weights = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const { name, dtype, shape } of checkpoint.tensors.values()) {
    weights.set(name, { shape, data: toFloat32(await readTensor(checkpoint, name), dtype) });
  }
  return weights;
}

function hashOf(weights: Float32Array): string {
  return createHash("sha256").update(fromFloat32(weights, "F32")).digest("hex");
}

/** The converter's file, its bytes found among what may have become of the fixture's weights. */
async function convertedFile(name: string, { config, weights }: Fixture, type: EncodableType = "F32") {
  const { metadata, tensors } = converted[name] as Converted;
  const heads = config.num_attention_heads as number;
  const headDim = (config.head_dim ?? (config.hidden_size as number) / heads) as number;
  const candidates = new Map<string, Float32Array>();
  for (const { shape, data } of weights.values()) {
    candidates.set(hashOf(data), data);
    const moved = data.map((value) => value + 1);
    candidates.set(hashOf(moved), moved);
    if ((shape[0] ?? 1) % headDim !== 0) continue;
    const turned = interleaveHeads(data, headDim, shape[1] ?? 1);
    candidates.set(hashOf(turned), turned);
  }
  const values = Object.entries(metadata).map(([key, [kind, value]]): [string, MetadataValue] => [
    key,
    { type: kind, value } as Scalar,
  ]);
  const list = Object.entries(tensors).map(([tensor, [shape, hash]]): GgufTensor => {
    const data = candidates.get(hash);
    if (data === undefined) throw new Error(`${tensor} of ${name} is no weight of the fixture`);
    const as = shape.length === 2 ? type : "F32";
    return { name: tensor, type: as, shape, bytes: () => [encodeGgml(as, data)] };
  });
  return ggufFile(new Map(values), list);
}

async function ggufFile(metadata: Map<string, MetadataValue>, tensors: GgufTensor[]): Promise<Uint8Array> {
  const sink = memorySink();
  await writeGguf({ metadata, tensors }, sink);
  return sink.files.get("model.gguf") as Uint8Array;
}

async function json(checkpoint: Checkpoint, name: string): Promise<Record<string, unknown>> {
  return JSON.parse(new TextDecoder().decode(await checkpoint.readSibling(name)));
}

/** Plain weights of it, under transformers' names. */
async function decoded(checkpoint: Checkpoint): Promise<Fixture["weights"]> {
  if ((await quantizedWeights(checkpoint)).size === 0) return allWeights(checkpoint);
  const sink = memorySink();
  await dequantizeCheckpoint(checkpoint, sink, { workers: 0 });
  const file = sink.files.get("model.safetensors") as Uint8Array;
  await using plain = await openSources([memorySource(file)]);
  return allWeights(plain);
}

describe.each(Object.keys(converted))("%s, as llama.cpp's converter writes it", (name) => {
  it("has transformers' weights and configuration again", async () => {
    const given = await fixture(name);
    await using checkpoint = await ggufCheckpoint([memorySource(await convertedFile(name, given))]);
    const weights = await decoded(checkpoint);
    expect([...weights.keys()].sort()).toEqual([...given.weights.keys()].sort());
    // 1 + w is rounded, and what is left of w when the 1 goes is as near as F32 has beside 1.
    const isNorm = (tensor: string) => name.startsWith("gemma") && tensor.endsWith("norm.weight");
    for (const [tensor, { shape, data }] of given.weights) {
      const found = weights.get(tensor);
      expect([tensor, found?.shape]).toEqual([tensor, shape]);
      const expected = isNorm(tensor) ? data.map((value) => Math.fround(value + 1) - 1) : data;
      expect([tensor, found && hashOf(found.data)]).toEqual([tensor, hashOf(expected)]);
    }
    const config = await json(checkpoint, "config.json");
    for (const key of comparedKeys) {
      if (given.config[key] === undefined || config[key] === undefined) continue;
      expect([key, config[key]]).toEqual([key, given.config[key]]);
    }
    const rope = given.config.rope_parameters as { rope_theta?: number } | undefined;
    expect(config.rope_theta).toBe(rope?.rope_theta ?? given.config.rope_theta);
    const specs = new Map(
      [...weights].map(([key, { shape }]) => [key, { name: key, dtype: "F32" as const, shape }]),
    );
    const model = describeModel(config, specs).languageModel;
    const original = describeModel(given.config, specs).languageModel;
    // Mistral is Llama's to llama.cpp.
    expect({ ...model, modelType: "" }).toEqual({ ...original, modelType: "" });
  });
});

const comparedKeys = [
  "hidden_size",
  "intermediate_size",
  "num_hidden_layers",
  "num_attention_heads",
  "num_key_value_heads",
  "vocab_size",
  "rms_norm_eps",
  "max_position_embeddings",
  "tie_word_embeddings",
  "attn_logit_softcapping",
  "final_logit_softcapping",
  "sliding_window",
  "hidden_activation",
];

describe("weights of GGUF", () => {
  it("in F16 and in another order of rows are counted, named and decoded", async () => {
    const given = await fixture("llama");
    await using checkpoint = await ggufCheckpoint([
      memorySource(await convertedFile("llama", given, "F16"), "model.gguf"),
    ]);
    const counts = await weightCounts(checkpoint);
    const total = [...given.weights.values()].reduce((sum, { data }) => sum + data.length, 0);
    expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBe(total);
    const weights = await decoded(checkpoint);
    const name = "model.layers.0.self_attn.q_proj.weight";
    const halves = toFloat32(fromFloat32(given.weights.get(name)?.data ?? new Float32Array(), "F16"), "F16");
    expect(hashOf(weights.get(name)?.data ?? new Float32Array())).toBe(hashOf(halves));
    expect((await json(checkpoint, "config.json")).quantization_config).toEqual({ quant_method: "gguf" });
  });

  it("are refused where the model is not known, not whole, or of another shape", async () => {
    const { metadata, tensors } = converted.llama as Converted;
    const small = Object.entries(tensors).map(
      ([name, [shape]]): GgufTensor => ({
        name,
        type: "F32",
        shape,
        bytes: () => [new Uint8Array(shape.reduce((product, size) => product * size, 4))],
      }),
    );
    const all = Object.entries(metadata).map(([key, [kind, value]]) => [key, { type: kind, value }]);
    const values = new Map(all as [string, MetadataValue][]);
    const refused = async (
      changed: [string, MetadataValue][],
      message: string,
      list: GgufTensor[] = small,
    ) => {
      const file = await ggufFile(new Map([...values, ...changed]), list);
      await expect(ggufCheckpoint([memorySource(file, "bad.gguf")])).rejects.toThrow(message);
    };
    await refused(
      [["general.architecture", text("mamba")]],
      "bad.gguf: is of the architecture mamba, and llama",
    );
    await refused(
      [["llama.block_count", text("two")]],
      "llama.block_count is of type string, and must be a number",
    );
    await refused([["llama.rope.dimension_count", uint32(2)]], "of which 2 turn");
    await refused(
      [
        ["llama.rope.scaling.type", text("yarn")],
        ["llama.rope.scaling.factor", uint32(4)],
      ],
      'scaled by "yarn"',
    );
    await refused(
      [["split.count", { type: "uint16", value: 3 }]],
      "is one of 3 parts of a model, and 1 are there",
    );
    const experts = { ...(small[0] as GgufTensor), name: "blk.0.ffn_gate_exps.weight" };
    await refused([], 'tensor "blk.0.ffn_gate_exps.weight" has no place in a llama', [...small, experts]);
    await refused(
      [],
      'has no tensor "token_embd.weight"',
      small.filter(({ name }) => name !== "token_embd.weight"),
    );
    const factors = {
      name: "rope_freqs.weight",
      type: "F32",
      shape: [4],
      bytes: () => [new Uint8Array(16)],
    } as const;
    await refused([], "are no Llama 3's", [...small, factors]);
  });

  it("stretch Llama 3's waves as its factors tell", async () => {
    const { metadata, tensors } = converted.llama as Converted;
    const headDim = (metadata["llama.rope.dimension_count"] as [string, number])[1];
    // As llama.cpp's converter computes them: conversion/llama.py, generate_extra_tensors.
    const theta = 500_000;
    const factors = Float32Array.from({ length: headDim / 2 }, (_, i) => {
      const wave = 2 * Math.PI * theta ** ((2 * i) / headDim);
      if (wave < 8192 / 4) return 1;
      if (wave > 8192) return 32;
      const smooth = (8192 / wave - 1) / (4 - 1);
      return 1 / ((1 - smooth) / 32 + smooth);
    });
    const all = Object.entries(metadata).map(([key, [kind, value]]) => [key, { type: kind, value }]);
    const values = new Map(all as [string, MetadataValue][]);
    values.set("llama.rope.freq_base", { type: "float32", value: theta });
    const list = Object.entries(tensors).map(
      ([name, [shape]]): GgufTensor => ({
        name,
        type: "F32",
        shape,
        bytes: () => [new Uint8Array(shape.reduce((product, size) => product * size, 4))],
      }),
    );
    const extra: GgufTensor = {
      name: "rope_freqs.weight",
      type: "F32",
      shape: [headDim / 2],
      bytes: () => [encodeGgml("F32", factors)],
    };
    await using checkpoint = await ggufCheckpoint([memorySource(await ggufFile(values, [...list, extra]))]);
    expect((await json(checkpoint, "config.json")).rope_scaling).toEqual({
      rope_type: "llama3",
      factor: 32,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    });
  });
});
