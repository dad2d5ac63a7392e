import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  ConfigError,
  describeModel,
  editConfig,
  expectedTensors,
  flopsPerToken,
  kvCacheBytesPerToken,
  ModelMismatchError,
  modelTypes,
  parameterCounts,
  resizeConfig,
} from "@vlmopt/models";
import type { TensorSpec } from "@vlmopt/tensor-io";
import { describe, expect, it } from "vitest";

const fixtures = fileURLToPath(new URL("../../../fixtures/checkpoints/", import.meta.url));

/** Tensors of the fixture, read from its headers with nothing but JSON. */
function tensorsOf(name: string): Map<string, TensorSpec> {
  const folder = join(fixtures, name);
  const tensors = new Map<string, TensorSpec>();
  for (const file of readdirSync(folder).filter((entry) => entry.endsWith(".safetensors"))) {
    const bytes = readFileSync(join(folder, file));
    const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString());
    delete header.__metadata__;
    for (const [tensor, { dtype, shape }] of Object.entries(header as Record<string, TensorSpec>)) {
      tensors.set(tensor, { name: tensor, dtype, shape });
    }
  }
  return tensors;
}

const configOf = (name: string) => JSON.parse(readFileSync(join(fixtures, name, "config.json"), "utf8"));
const fixture = (name: string) => describeModel(configOf(name), tensorsOf(name));

describe.each(readdirSync(fixtures))("the checkpoint %s, saved by transformers", (name) => {
  it("has exactly the tensors that its configuration promises, each with one role", () => {
    const description = fixture(name);
    expect(description.unknown).toEqual([]);
    expect(description.weights.map((weight) => weight.name).sort()).toEqual(
      [...tensorsOf(name).keys()].sort(),
    );
  });

  it("has layers whose roles cover all their tensors but norms", () => {
    const { languageModel, visionTower, weights } = fixture(name);
    const roleOf = new Map(weights.map((weight) => [weight.name, weight.role]));
    for (const layer of [...languageModel.layers, ...(visionTower?.layers ?? [])]) {
      const linears = [...Object.values(layer.attention), ...Object.values(layer.mlp)].filter(
        (part) => typeof part === "object",
      );
      const named = linears.flatMap(({ weight, bias }) => (bias === undefined ? [weight] : [weight, bias]));
      expect(layer.weights.filter((weight) => roleOf.get(weight) !== "norm").sort()).toEqual(named.sort());
    }
  });
});

describe("a model at full size", () => {
  const goldens = JSON.parse(
    readFileSync(new URL("../goldens/full-size.json", import.meta.url), "utf8"),
  ) as Record<string, { config: unknown; tensors: number; parameters: number; shapes: string }>;

  it.each(Object.entries(goldens))("%s has transformers' tensors", (_, golden) => {
    const tensors = expectedTensors(golden.config);
    const shapes = tensors.map(({ shape }) => shape.join("x")).sort();
    expect(tensors.length).toBe(golden.tensors);
    expect(createHash("sha256").update(shapes.join("\n")).digest("hex")).toBe(golden.shapes);
  });

  it("LLaVA-1.5-7B has the published 7,063,427,072 parameters", () => {
    const config = goldens["llava-1.5-7b"]?.config;
    const tensors = new Map(expectedTensors(config).map((tensor) => [tensor.name, tensor]));
    const description = describeModel(config, tensors);
    const counts = parameterCounts(description);
    expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(7_063_427_072);
    expect(kvCacheBytesPerToken(description, 2)).toBe(2 * 32 * 4096 * 2);
    // 2 · (32 layers · (4·4096² + 3·4096·11008) + 32064·4096), and attention to 1000 tokens and itself.
    expect(flopsPerToken(description, 1000)).toBe(
      2 * (32 * (4 * 4096 ** 2 + 3 * 4096 * 11_008) + 32_064 * 4096) + 32 * 4 * 4096 * 1001,
    );
  });
});

describe("roles", () => {
  it("of grouped attention carry heads and biases", () => {
    const attention = fixture("qwen2-vl").languageModel.layers[1]?.attention;
    expect(attention).toMatchObject({ numHeads: 6, numKvHeads: 2, headDim: 8 });
    expect(attention?.kProj).toEqual({
      role: "kProj",
      weight: "model.layers.1.self_attn.k_proj.weight",
      bias: "model.layers.1.self_attn.k_proj.bias",
      inFeatures: 48,
      outFeatures: 16,
    });
    expect(attention?.oProj.bias).toBeUndefined();
  });

  it("tell components apart", () => {
    const counts = parameterCounts(fixture("blip-2"));
    expect(Object.keys(counts).sort()).toEqual(["languageModel", "projector", "qFormer", "visionTower"]);
    expect(counts.projector).toBe(48 * 32 + 48);
  });

  it("know tied output layers", () => {
    expect(fixture("qwen2-vl").languageModel.lmHead).toBeUndefined();
    expect(fixture("qwen2_5-vl").languageModel.lmHead?.weight).toBe("lm_head.weight");
  });

  it("tolerate buffers and list them", () => {
    const tensors = tensorsOf("llama");
    tensors.set("model.rotary_emb.inv_freq", { name: "model.rotary_emb.inv_freq", dtype: "F32", shape: [4] });
    expect(describeModel(configOf("llama"), tensors).unknown).toEqual(["model.rotary_emb.inv_freq"]);
  });
});

describe("a mistake", () => {
  it("in many tensors is one error that shows the first few", () => {
    const tensors = tensorsOf("llava");
    tensors.delete("language_model.model.norm.weight");
    const config = configOf("llava");
    config.text_config.intermediate_size = 96;
    const message = (() => {
      try {
        describeModel(config, tensors);
      } catch (error) {
        expect(error).toBeInstanceOf(ModelMismatchError);
        return (error as Error).message;
      }
    })();
    expect(message).toBe(
      "the weights are not those of the llava in config.json: " +
        "language_model.model.layers.0.mlp.gate_proj.weight has shape [80, 48] instead of [96, 48]; " +
        "language_model.model.layers.0.mlp.up_proj.weight has shape [80, 48] instead of [96, 48]; " +
        "language_model.model.layers.0.mlp.down_proj.weight has shape [48, 80] instead of [48, 96]; " +
        "language_model.model.layers.1.mlp.gate_proj.weight has shape [80, 48] instead of [96, 48]; " +
        "language_model.model.layers.1.mlp.up_proj.weight has shape [80, 48] instead of [96, 48]; and 5 more",
    );
  });

  it.each([
    [null, "config.json is not an object"],
    [[], "config.json is not an object"],
    [{}, "model_type of config.json is missing; it must be a text"],
    [
      { model_type: "llama", hidden_size: 0 },
      "hidden_size of config.json is 0; it must be a whole number of at least 1",
    ],
    [
      { model_type: "llava", text_config: { hidden_size: "48" } },
      'text_config.hidden_size of config.json is "48"',
    ],
    [{ model_type: "llava", text_config: 3 }, "text_config is not an object"],
    [{ model_type: "llama", tie_word_embeddings: "no" }, "it must be true or false"],
  ])("in the configuration names the field: %j", (config, message) => {
    expect(() => describeModel(config, new Map())).toThrow(ConfigError);
    expect(() => describeModel(config, new Map())).toThrow(message);
  });

  it("in model_type lists the known ones", () => {
    expect(modelTypes).toContain("qwen3_vl");
    expect(() => describeModel({ model_type: "bert" }, new Map())).toThrow(
      `model_type "bert" is not known; known are ${modelTypes.join(", ")}`,
    );
    expect(() =>
      describeModel({ model_type: "llava", text_config: { model_type: "mamba" } }, new Map()),
    ).toThrow('text_config.model_type "mamba" is not known; known are gemma, gemma2, llama');
  });
});

describe("more layers in the weights than in the configuration", () => {
  it.each([
    [
      "llava",
      ["text_config", "num_hidden_layers"],
      2,
      "3 layers language_model.model.layers.*, and the configuration 2",
    ],
    ["llava", ["vision_config", "num_hidden_layers"], 1, "2 layers vision_tower.encoder.layers.*"],
    ["blip-2", ["qformer_config", "num_hidden_layers"], 1, "2 layers qformer.encoder.layer.*"],
    ["qwen2_5-vl", ["vision_config", "depth"], 1, "2 layers visual.blocks.*"],
    ["gemma2", ["num_hidden_layers"], 2, "3 layers model.layers.*, and the configuration 2"],
  ])("of %s are refused: %j", (name, path, count, message) => {
    const config = configOf(name);
    const part = path.slice(0, -1).reduce((at, key) => at[key], config);
    part[path.at(-1) as string] = count;
    expect(() => describeModel(config, tensorsOf(name))).toThrow(ModelMismatchError);
    expect(() => describeModel(config, tensorsOf(name))).toThrow(message);
  });
});

describe("resizing a configuration", () => {
  const editsOf = (name: string, sizes: Parameters<typeof resizeConfig>[2]) =>
    Object.fromEntries(
      resizeConfig(configOf(name), fixture(name), sizes).map(({ path, value }) => [path.join("."), value]),
    );

  it("writes sizes where the family has them", () => {
    expect(editsOf("llava", { intermediateSize: 56 })).toEqual({ "text_config.intermediate_size": 56 });
    expect(editsOf("opt", { intermediateSize: 56 })).toEqual({ ffn_dim: 56 });
    expect(editsOf("gemma2", { keptLayers: [0, 2] })).toEqual({
      num_hidden_layers: 2,
      layer_types: ["sliding_attention", "sliding_attention"],
    });
    expect(editsOf("llava", { numHeads: 6, numKvHeads: 6 })).toEqual({});
  });

  /** Edits of a configuration that says other things of its layers than the fixture's. */
  const editsOfChanged = (name: string, changes: Record<string, unknown>, keptLayers: number[]) => {
    const config = { ...configOf(name), ...changes };
    return Object.fromEntries(
      resizeConfig(config, fixture(name), { keptLayers }).map(({ path, value }) => [path.join("."), value]),
    );
  };

  it("takes along what is told of layers by their index", () => {
    // transformers lets every second layer slide, from the first on.
    expect(editsOfChanged("gemma2", { layer_types: undefined }, [0, 2])).toEqual({
      num_hidden_layers: 2,
      layer_types: ["sliding_attention", "sliding_attention"],
    });
    const windows = { layer_types: undefined, use_sliding_window: true, sliding_window: 8 };
    expect(editsOfChanged("qwen2", { ...windows, max_window_layers: 2 }, [0, 2])).toEqual({
      num_hidden_layers: 2,
      max_window_layers: 1,
    });
    expect(editsOfChanged("qwen2", { ...windows, max_window_layers: 28 }, [0, 2])).toEqual({
      num_hidden_layers: 2,
    });
  });

  it("refuses to drop layers that take in features of pictures", () => {
    const { vision_config: vision } = configOf("qwen3-vl");
    const changes = { vision_config: { ...vision, deepstack_visual_indexes: [0, 1] } };
    expect(editsOfChanged("qwen3-vl", changes, [0, 1])).toEqual({ "text_config.num_hidden_layers": 2 });
    expect(() => editsOfChanged("qwen3-vl", changes, [0, 2])).toThrow(
      "layer 1 cannot go: the first 2 layers of qwen3_vl take in features of pictures one by one",
    );
  });

  it("keeps llama where its heads divide the hidden size, and calls it mistral where they do not", () => {
    expect(editsOf("llama", { numHeads: 4, numKvHeads: 4 })).toEqual({
      num_attention_heads: 4,
      num_key_value_heads: 4,
      head_dim: 8,
    });
    expect(editsOf("llama", { numHeads: 5, numKvHeads: 5 })).toEqual({
      num_attention_heads: 5,
      num_key_value_heads: 5,
      head_dim: 8,
      attention_bias: undefined,
      mlp_bias: undefined,
      pretraining_tp: undefined,
      model_type: "mistral",
      sliding_window: null,
      architectures: ["MistralForCausalLM"],
    });
  });

  it.each([
    ["opt", 4, 4, "heads of opt cannot be pruned"],
    ["qwen2-vl", 4, 2, "heads of qwen2_vl_text cannot be pruned"],
    [
      "gemma2",
      5,
      1,
      "5 heads of gemma2 do not load: transformers demands a count that divides hidden_size 48; the nearest below is 4",
    ],
    ["llama", 5, 2, "5 query heads cannot share 2 key-value heads evenly"],
  ])("refuses what %s cannot say", (name, numHeads, numKvHeads, message) => {
    expect(() => editsOf(name, { numHeads, numKvHeads })).toThrow(message);
  });

  it("leaves every number as it is written", () => {
    const text = '{"a": 30.0, "b": {"c": 1e-05, "d": 123456789012345678901}, "e": 1}\n';
    expect(editConfig(text, [{ path: ["b", "x"], value: 7 }, { path: ["e"] }])).toBe(
      '{\n  "a": 30.0,\n  "b": {\n    "c": 1e-05,\n    "d": 123456789012345678901,\n    "x": 7\n  }\n}\n',
    );
  });
});
