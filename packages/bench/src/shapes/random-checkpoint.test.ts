import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { BenchError, randomCheckpoint, readModelConfig } from "@vlmopt/bench";
import { loadModel, loadModelWith, ortExecutor, plainExecutor } from "@vlmopt/engine";
import { describeModel } from "@vlmopt/models";
import { dequantizeCheckpoint, planQuantization, quantizeCheckpoint, schemeNamed } from "@vlmopt/quant";
import {
  type Checkpoint,
  elementCount,
  openCheckpoint,
  readRows,
  readTensor,
  rewriteCheckpoint,
  toFloat32,
} from "@vlmopt/tensor-io";
import { afterAll, describe, expect, test } from "vitest";
import { bytesPerToken } from "./bytes-per-token.ts";
import { samplePicture, sampleTokens } from "./sample-prompt.ts";

const root = resolve(import.meta.dirname, "../../../..");
const folder = mkdtempSync(join(tmpdir(), "vlmopt-random-"));
afterAll(() => rmSync(folder, { recursive: true }));

const published = (name: string) => readModelConfig(join(root, "benchmarks/configs", `${name}.json`));
const fixture = (name: string): unknown =>
  JSON.parse(readFileSync(join(root, "fixtures/checkpoints", name, "config.json"), "utf8"));

/** Wide enough for groups of 128, deep enough for numbers to grow; the output layer is the embedding. */
const deep = {
  model_type: "llama",
  hidden_size: 256,
  intermediate_size: 640,
  num_hidden_layers: 32,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 512,
  tie_word_embeddings: true,
};

const specsOf = ({ tensors }: Checkpoint) =>
  new Map([...tensors.values()].map(({ name, dtype, shape }) => [name, { name, dtype, shape }]));

describe("a checkpoint of random weights", () => {
  // Parameters as the hub counts them, in billions; LLaVA's to the last.
  test.each([
    ["llava-1.5-7b", 7.06, 7_063_427_072],
    ["blip2-opt-2.7b", 3.74, undefined],
    ["qwen2-vl-2b", 2.21, undefined],
    ["paligemma-3b", 2.92, undefined],
  ])("of %s has its %d billion parameters", async (name, billions, exactly) => {
    const { tensors } = randomCheckpoint(await published(name), "bf16");
    const parameters = [...tensors.values()].reduce((sum, { shape }) => sum + elementCount(shape), 0);
    expect((parameters / 1e9).toFixed(2)).toBe(billions.toFixed(2));
    if (exactly !== undefined) expect(parameters).toBe(exactly);
    const bytes = [...tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
    expect(bytes).toBe(2 * parameters);
  });

  test.each([
    ...["int4-g128", "int4-g32", "int4-row", "int4-g64-zero", "int3-g128", "int2-g64", "int2-g64-zero"],
    ...["int8-g128", "int8", "nf4", "fp4"],
  ])("as %s has the tensors that vlmopt quantize writes, of about the same weights", async (scheme) => {
    const config = { ...deep, num_hidden_layers: 2 };
    const dense = randomCheckpoint(config, "bf16");
    const specs = specsOf(dense);
    const plan = planQuantization(describeModel(config, specs), specs, { scheme: schemeNamed(scheme) });
    const written = join(folder, `${scheme}-written`);
    await quantizeCheckpoint(dense, plan, written, { workers: 0 });
    const made = randomCheckpoint(config, scheme);
    await using expected = await openCheckpoint(written);
    expect(specsOf(made)).toEqual(new Map([...specsOf(expected)].sort(byPlaceIn(made))));
    const json = async (checkpoint: Checkpoint) =>
      JSON.parse(new TextDecoder().decode(await checkpoint.readSibling("config.json")));
    const { quantization_config } = await json(expected);
    expect(await json(made)).toEqual({ ...config, quantization_config });

    const decoded = join(folder, `${scheme}-decoded`);
    await dequantizeCheckpoint(made, decoded, { workers: 0 });
    await using weights = await openCheckpoint(decoded);
    const name = "model.layers.1.mlp.down_proj.weight";
    const numbers = toFloat32(await readTensor(weights, name), "BF16");
    const deviation = Math.sqrt(numbers.reduce((sum, x) => sum + x * x, 0) / numbers.length);
    expect(deviation).toBeGreaterThan(0.019);
    expect(deviation).toBeLessThan(0.021);
  });

  test("leaves linears dense that groups do not divide", () => {
    const { tensors } = randomCheckpoint(
      { ...deep, intermediate_size: 648, num_hidden_layers: 1 },
      "int4-g128",
    );
    const at = "model.layers.0.mlp";
    expect(tensors.get(`${at}.up_proj.weight_packed`)).toMatchObject({ dtype: "I32", shape: [648, 32] });
    expect(tensors.get(`${at}.down_proj.weight`)).toMatchObject({ dtype: "BF16", shape: [256, 648] });
  });

  test("is the same each time, in whatever pieces it is read", async () => {
    const [first, second] = [randomCheckpoint(deep, "f32"), randomCheckpoint(deep, "f32")];
    const name = "model.layers.3.mlp.gate_proj.weight";
    const whole = await readTensor(first, name);
    expect(await readTensor(second, name)).toEqual(whole);
    expect(await readRows(second, name, 100, 103)).toEqual(whole.subarray(100 * 1024, 103 * 1024));
    expect(await readTensor(first, name.replace("3", "4"))).not.toEqual(whole);
    await expect(first.sources.get(name)?.read(whole.length - 1, 2)).rejects.toThrow(name);
  });

  test("is Gaussian, and norms are 1", async () => {
    const checkpoint = randomCheckpoint(deep, "f32");
    const numbers = toFloat32(await readTensor(checkpoint, "model.embed_tokens.weight"), "F32");
    const within = (deviations: number) =>
      numbers.filter((x) => Math.abs(x) < 0.02 * deviations).length / numbers.length;
    // The normal distribution's 68.27, 95.45 and 99.73 %.
    expect(within(1)).toBeCloseTo(0.6827, 2);
    expect(within(2)).toBeCloseTo(0.9545, 2);
    expect(within(3)).toBeCloseTo(0.9973, 2);
    const norm = toFloat32(await readTensor(checkpoint, "model.norm.weight"), "F32");
    expect(norm).toEqual(new Float32Array(256).fill(1));
  });

  test("goes into a file, and comes out of it as it was", async () => {
    const made = randomCheckpoint(deep, "nf4");
    await rewriteCheckpoint(made, undefined, join(folder, "copy.safetensors"), { workers: 2 });
    await using copy = await openCheckpoint(join(folder, "copy.safetensors"));
    for (const name of [
      "model.layers.31.self_attn.q_proj.weight",
      "model.layers.0.mlp.up_proj.weight.absmax",
    ])
      expect(await readTensor(copy, name)).toEqual(await readTensor(made, name));
  });

  test.each(["f16", "int4-g128", "nf4", "int8"])("has finite logits behind 32 layers: %s", async (scheme) => {
    const model = await loadModel(randomCheckpoint(deep, scheme), ortExecutor({ threads: 1 }));
    const ids = sampleTokens({ vocabSize: 512, imageToken: undefined }, 0, 20);
    const logits = await model.decode({
      cache: model.createCache(1, 20),
      sequences: [{ ids, positions: model.forward.promptPositions(ids, []).axes, past: 0 }],
      wanted: [19],
    });
    await model.release();
    expect(logits.every(Number.isFinite)).toBe(true);
    // The last norm leaves 256 numbers of about 1, times weights of 0.02.
    const deviation = Math.sqrt(logits.reduce((sum, x) => sum + x * x, 0) / logits.length);
    expect(deviation).toBeCloseTo(0.02 * Math.sqrt(256), 1);
  });

  test("cannot be of every scheme", () => {
    for (const scheme of [
      "awq",
      "int4",
      "int4-g0",
      "int3-g64-zero",
      "int5-g64",
      "nf4-dq",
      "F16",
      "toString",
    ]) {
      expect(() => randomCheckpoint(deep, scheme)).toThrow(BenchError);
    }
    expect(() => randomCheckpoint(deep, "awq")).toThrow(
      'random weights are not made as "awq": there are f32, f16, bf16, int4-g32,',
    );
  });

  test("has no tensors that nobody could read", () => {
    expect(() => randomCheckpoint({ ...deep, hidden_size: 1e9 }, "f32")).toThrow(
      "the configuration asks for model.embed_tokens.weight of shape [512, 1000000000], whose 2048000000000 bytes are more",
    );
  });

  test("says how many bytes a token reads", async () => {
    const of = async (config: object, scheme: string) => {
      const checkpoint = randomCheckpoint(config, scheme);
      return bytesPerToken(checkpoint, describeModel(config, specsOf(randomCheckpoint(config, "bf16"))));
    };
    const layer = 256 * (256 + 128 + 128 + 256) + 3 * 256 * 640;
    const norms = 2 * 256 * (2 * 32 + 1);
    expect(await of(deep, "f16")).toBe(2 * (32 * layer + 512 * 256) + norms);
    // 4 bits and a scale for each 128; seven shapes a layer.
    const int4 = 32 * (layer * (1 / 2 + 2 / 128) + 7 * 16);
    expect(await of(deep, "int4-g128")).toBe(int4 + 2 * 512 * 256 + norms);
    // An output layer of its own is read, the embedding no more.
    expect(await of({ ...deep, tie_word_embeddings: false }, "int4-g128")).toBe(int4 + 2 * 512 * 256 + norms);
  });
});

describe("a prompt for random weights", () => {
  // Patches that the picture has, less what the family makes of them: two by two become one; queries; a newline behind a tile.
  test.each([
    ["llava", 4],
    ["llava-next", 4 + 1],
    ["blip-2", 4],
    ["qwen2-vl", 16 * 16],
    ["qwen2_5-vl", 16 * 16],
    ["qwen3-vl", 16 * 16],
    ["paligemma", 4],
    ["smolvlm", 4],
  ])("holds the tokens of a picture that %s takes", async (name, imageTokens) => {
    const model = await loadModelWith(randomCheckpoint(fixture(name), "f32"), { executor: plainExecutor() });
    const { forward } = model;
    const picture = samplePicture(forward) as NonNullable<ReturnType<typeof samplePicture>>;
    const { rows } = await model.see(picture);
    expect(rows).toBe(imageTokens);
    const { vocabSize } = model.description.languageModel;
    const ids = sampleTokens({ vocabSize, imageToken: forward.imageToken }, rows, imageTokens + 20);
    expect(ids).toHaveLength(imageTokens + 20);
    expect(ids.filter((id) => id === forward.imageToken)).toHaveLength(imageTokens);
    expect(Math.max(...ids)).toBeLessThan(Math.max(vocabSize, 1 + (forward.imageToken ?? 0)));
    await model.release();
  });

  test("of text alone is as long as it should be, and a picture leaves room for text", () => {
    const vocabulary = { vocabSize: 100, imageToken: 19 };
    expect(sampleTokens(vocabulary, 0, 1)).toHaveLength(1);
    expect(sampleTokens(vocabulary, 0, 650)).toHaveLength(650);
    expect(sampleTokens(vocabulary, 0, 650)).not.toContain(19);
    expect(sampleTokens(vocabulary, 576, 100)).toHaveLength(4 + 576 + 4);
  });

  test("of text models has no picture", () => {
    expect(samplePicture({ imageEncoder: undefined })).toBeUndefined();
  });
});

function byPlaceIn({ tensors }: Checkpoint) {
  const places = new Map([...tensors.keys()].map((name, i) => [name, i]));
  return ([a]: [string, unknown], [b]: [string, unknown]) => (places.get(a) ?? 0) - (places.get(b) ?? 0);
}
