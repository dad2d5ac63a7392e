import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileSource, memorySink, openCheckpoint, readTensor, toFloat32 } from "@vlmopt/tensor-io";
import { afterAll, describe, expect, it } from "vitest";
import { golden } from "../test-support/inputs.ts";
import { interleaveHeads } from "./encoded-rows.ts";
import { quantizeToGguf } from "./quantize-to-gguf.ts";
import { type GgufHeader, readGguf, readGgufTensor } from "./read-gguf.ts";
import { llavaConfig, writeModel } from "./test-support/write-model.ts";

const root = mkdtempSync(join(tmpdir(), "vlmopt-gguf-model-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** llama.cpp's names by transformers' ones: tools/reference/quant_gguf.py. */
const { names } = golden<{ readonly names: Readonly<Record<string, string>> }>("gguf");

async function headerOf(...path: string[]): Promise<GgufHeader> {
  const source = await fileSource(join(root, ...path));
  try {
    return await readGguf(source);
  } finally {
    await source.close();
  }
}

function values(header: GgufHeader, prefix: string): Record<string, unknown> {
  return Object.fromEntries(
    [...header.metadata]
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, value]) => [key.slice(prefix.length), value.type === "array" ? value.values : value.value]),
  );
}

describe("a LLaVA checkpoint as GGUF", () => {
  it("is two files, with sizes, scales and names as llama.cpp knows them", async () => {
    await using checkpoint = await openCheckpoint(await writeModel(join(root, "llava"), llavaConfig()));
    const { files, matrices } = await quantizeToGguf(checkpoint, join(root, "q4"), {
      type: "q4_k",
      tokenizer: "none",
    });
    expect(readdirSync(join(root, "q4")).sort()).toEqual([
      ".vlmopt.json",
      "llava-Q4_K_M.gguf",
      "mmproj-llava-F16.gguf",
    ]);
    expect(files.map(({ name }) => name)).toEqual(["llava-Q4_K_M.gguf", "mmproj-llava-F16.gguf"]);
    // The output layer, and values and down projection of the last layer, are Q6_K; 3 · 64 columns of the attention's output fill no block of 256.
    expect([...matrices].sort()).toEqual([
      ["Q4_K", 11],
      ["Q5_0", 2],
      ["Q6_K", 3],
    ]);

    const text = await headerOf("q4", "llava-Q4_K_M.gguf");
    expect(values(text, "llama.")).toEqual({
      vocab_size: 64,
      context_length: 512,
      embedding_length: 256,
      block_count: 2,
      feed_forward_length: 512,
      "attention.head_count": 3,
      "attention.head_count_kv": 3,
      // 3 heads of 64 are what pruning leaves of 4: the size of a head is not 256 / 3.
      "attention.key_length": 64,
      "attention.value_length": 64,
      "attention.layer_norm_rms_epsilon": Math.fround(1e-5),
      "rope.dimension_count": 64,
      "rope.freq_base": 50_000,
    });
    expect(values(text, "general.")).toMatchObject({ architecture: "llama", type: "model", file_type: 15 });

    const vision = await headerOf("q4", "mmproj-llava-F16.gguf");
    expect(values(vision, "clip.")).toEqual({
      has_vision_encoder: true,
      has_llava_projector: true,
      projector_type: "mlp",
      use_gelu: false,
      "vision.image_size": 28,
      "vision.patch_size": 14,
      "vision.embedding_length": 32,
      "vision.feed_forward_length": 64,
      "vision.projection_dim": 256,
      // Of three layers, features of the last but one: the third stays out.
      "vision.block_count": 2,
      "vision.feature_layer": [2],
      "vision.attention.head_count": 4,
      "vision.attention.layer_norm_epsilon": Math.fround(1e-5),
      "vision.image_mean": [0.48145466, 0.4578275, 0.40821073].map(Math.fround),
      "vision.image_std": [0.26862954, 0.26130258, 0.27577711].map(Math.fround),
    });
    const stems = new Set([...text.tensors.keys(), ...vision.tensors.keys()].map(stemOf));
    for (const name of Object.values(names)) expect(stems).toContain(name);
    const layers = (name: string) => name.replace(/blk\.\d+/, "blk.1");
    const known = new Set([...Object.values(names), "mm.0", "mm.2"]);
    expect([...stems].filter((name) => !known.has(layers(name)))).toEqual([]);
  });

  it("has the weights of the checkpoint, queries and keys interleaved", async () => {
    await using checkpoint = await openCheckpoint(await writeModel(join(root, "exact"), llavaConfig()));
    const options = { type: "f32", vision: "f32", tokenizer: "none", name: "m" } as const;
    await quantizeToGguf(checkpoint, join(root, "f32"), options);
    const compared: [file: string, name: string, source: string, heads?: boolean][] = [
      ["m-F32.gguf", "token_embd.weight", "model.language_model.embed_tokens.weight"],
      ["m-F32.gguf", "output.weight", "lm_head.weight"],
      ["m-F32.gguf", "blk.1.attn_q.weight", "model.language_model.layers.1.self_attn.q_proj.weight", true],
      ["m-F32.gguf", "blk.1.attn_k.weight", "model.language_model.layers.1.self_attn.k_proj.weight", true],
      ["m-F32.gguf", "blk.0.attn_v.weight", "model.language_model.layers.0.self_attn.v_proj.weight"],
      ["mmproj-m-F32.gguf", "v.class_embd", "model.vision_tower.embeddings.class_embedding"],
      ["mmproj-m-F32.gguf", "v.blk.1.ffn_up.weight", "model.vision_tower.encoder.layers.1.mlp.fc1.weight"],
      ["mmproj-m-F32.gguf", "mm.2.weight", "model.multi_modal_projector.linear_2.weight"],
    ];
    for (const [file, name, source, heads] of compared) {
      const found = [...checkpoint.tensors.values()].find((tensor) => endsAlike(tensor.name, source));
      if (found === undefined) throw new Error(`the model has no ${source}`);
      const weights = toFloat32(await readTensor(checkpoint, found.name), found.dtype);
      const bytes = await fileSource(join(root, "f32", file));
      const tensor = (await readGguf(bytes)).tensors.get(name);
      if (tensor === undefined) throw new Error(`the file has no ${name}`);
      const expected = heads ? interleaveHeads(weights, 64, 256) : weights;
      expect([name, await readGgufTensor(bytes, tensor)]).toEqual([name, expected]);
      await bytes.close();
    }
  });

  it("interleaves the halves of each head", () => {
    const rows = Float32Array.from({ length: 16 }, (_, i) => i);
    const expected = [0, 4, 1, 5, 2, 6, 3, 7].flatMap((row) => [2 * row, 2 * row + 1]);
    expect([...interleaveHeads(rows, 8, 2)]).toEqual(expected);
    expect([...interleaveHeads(rows.subarray(0, 8), 4, 1)]).toEqual([0, 2, 1, 3, 4, 6, 5, 7]);
  });

  it("keeps in 32 layers the tensors in Q6_K that llama.cpp's quantizer keeps, and a tied embedding once", async () => {
    const config = { ...llamaConfig, num_hidden_layers: 32, tie_word_embeddings: true };
    await using checkpoint = await openCheckpoint(await writeModel(join(root, "deep"), config));
    await quantizeToGguf(checkpoint, join(root, "deep.gguf"), { type: "q4_k", tokenizer: "none" });
    const { tensors } = await headerOf("deep.gguf");
    const better = [...tensors.values()].filter(({ type }) => type === "Q6_K").map(({ name }) => name);
    // What llama.cpp's llama_model_quantize makes of such a model as Q4_K_M.
    const layers = [0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31];
    expect(better).toEqual([
      "token_embd.weight",
      ...layers.flatMap((layer) => [`blk.${layer}.attn_v.weight`, `blk.${layer}.ffn_down.weight`]),
    ]);
    expect(tensors.has("output.weight")).toBe(false);
  });

  it("is refused, with nothing left behind, where GGUF or llama.cpp has no words for it", async () => {
    const refused = async (name: string, config: object, message: string, options = {}, weight?: number) => {
      await using checkpoint = await openCheckpoint(await writeModel(join(root, name), config, weight));
      const out = join(root, `${name}-out`);
      const asked = { type: "q8_0", tokenizer: "none", ...options } as const;
      await expect(quantizeToGguf(checkpoint, out, asked)).rejects.toThrow(message);
      expect(readdirSync(root).filter((entry) => entry.includes(`${name}-out`))).toEqual([]);
    };
    const llava = llavaConfig();
    const text = llava.text_config;
    await refused("opt", { ...llamaConfig, model_type: "opt" }, "and this is opt");
    await refused("gelu", { ...llamaConfig, hidden_act: "gelu" }, 'hidden_act is "gelu"');
    const yarn = { rope_type: "yarn", rope_theta: 1e4, factor: 4 };
    await refused("yarn", { ...llava, text_config: { ...text, rope_parameters: yarn } }, 'scaled by "yarn"');
    await refused("full", { ...llava, vision_feature_select_strategy: "full" }, 'is "full"');
    await refused("no-tokenizer", llava, "there is no tokenizer.model", { tokenizer: undefined });
    await refused("infinite", llamaConfig, "weight [0, 3] is Infinity", {}, Number.POSITIVE_INFINITY);
    await refused(
      "wide",
      llamaConfig,
      "weight [0, 3] is 100000, past the range of F16",
      { type: "f16" },
      1e5,
    );
    await using checkpoint = await openCheckpoint(join(root, "full"));
    const both = quantizeToGguf(checkpoint, memorySink(), { type: "q8_0", vision: "f16" });
    await expect(both).rejects.toThrow("there is room for one file");
  });
});

const llamaConfig = {
  model_type: "llama",
  vocab_size: 64,
  hidden_size: 256,
  intermediate_size: 256,
  num_hidden_layers: 1,
  num_attention_heads: 4,
};

function stemOf(name: string): string {
  return name.replace(/\.(weight|bias)$/, "");
}

/** Savers of different years prefix names differently. */
function endsAlike(name: string, other: string): boolean {
  const places = (path: string) => path.replace(/^.*?(embed_tokens|lm_head|layers|embeddings|linear)/, "$1");
  const towers = [name, other].map((path) => path.includes("vision_tower"));
  return towers[0] === towers[1] && places(name) === places(other);
}
