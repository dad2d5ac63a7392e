import type { Json } from "./config-values.ts";
import type { MetadataReader } from "./metadata-reader.ts";
import type { GgufHeader } from "./read-gguf.ts";

/** A kind of text model, as llama.cpp calls it. */
interface TextFamily {
  /** `model_type`, and the class of transformers. */
  readonly modelType: string;
  readonly className: string;
  /** Whether rows of queries and keys are reordered, since llama.cpp turns neighbours where transformers turns halves. */
  readonly reordersHeads: boolean;
  /** What is added to the weights of its norms when they are converted. */
  readonly normOffset: 0 | 1;
  /** Names of what differs from `layerNames`. */
  readonly names?: Readonly<Record<string, string>>;
  config(arch: MetadataReader, shape: TextShape): Json;
}

/** What shapes of tensors tell. */
interface TextShape {
  readonly layers: number;
  readonly hiddenSize: number;
  readonly numHeads: number;
  readonly headDim: number;
  has(name: string): boolean;
}

const silu = () => ({ hidden_act: "silu" });

const families: Readonly<Record<string, TextFamily>> = {
  // Mistral's is the same to llama.cpp, without its window.
  llama: {
    modelType: "llama",
    className: "LlamaForCausalLM",
    reordersHeads: true,
    normOffset: 0,
    config: (_, { has }) => ({
      hidden_act: "silu",
      attention_bias: has("blk.0.attn_q.bias"),
      mlp_bias: has("blk.0.ffn_up.bias"),
    }),
  },
  qwen2: {
    modelType: "qwen2",
    className: "Qwen2ForCausalLM",
    reordersHeads: false,
    normOffset: 0,
    config: silu,
  },
  qwen3: {
    modelType: "qwen3",
    className: "Qwen3ForCausalLM",
    reordersHeads: false,
    normOffset: 0,
    config: (_, { has }) => ({ hidden_act: "silu", attention_bias: has("blk.0.attn_q.bias") }),
  },
  gemma: {
    modelType: "gemma",
    className: "GemmaForCausalLM",
    reordersHeads: false,
    normOffset: 1,
    config: () => ({ hidden_act: "gelu_pytorch_tanh" }),
  },
  gemma2: {
    modelType: "gemma2",
    className: "Gemma2ForCausalLM",
    reordersHeads: false,
    normOffset: 1,
    names: {
      post_attention_norm: "post_attention_layernorm",
      ffn_norm: "pre_feedforward_layernorm",
      post_ffw_norm: "post_feedforward_layernorm",
    },
    config: (arch, { layers, hiddenSize, numHeads, headDim }) => ({
      hidden_activation: "gelu_pytorch_tanh",
      attn_logit_softcapping: arch.number("attn_logit_softcapping", 50),
      final_logit_softcapping: arch.number("final_logit_softcapping", 30),
      sliding_window: arch.number("attention.sliding_window", 4096),
      // GGUF has no key for it: llama.cpp knows the model of 27 billion weights by its 46 layers.
      query_pre_attn_scalar: layers === 46 ? hiddenSize / numHeads : headDim,
    }),
  },
};

/** What is known of a text model by its `model_type`, for writing it. */
export interface WrittenFamily {
  readonly architecture: string;
  readonly reordersHeads: boolean;
  readonly normOffset: 0 | 1;
  /** Norms of a layer: llama.cpp's names, and transformers'. */
  readonly norms: readonly (readonly [name: string, source: string])[];
}

/** @returns undefined for text models that llama.cpp has, as far as is known here, no architecture for */
export function writtenFamily(modelType: string): WrittenFamily | undefined {
  const name = modelType === "mistral" ? "llama" : modelType;
  const family = Object.hasOwn(families, name) ? families[name] : undefined;
  if (family === undefined) return undefined;
  const { reordersHeads, normOffset, names = {} } = family;
  const norms = Object.entries({ ...layerNames, ...names }).filter(
    ([norm]) => norm.endsWith("_norm") && (modelType === "qwen3" || !/_[qk]_norm$/.test(norm)),
  );
  return { architecture: name, reordersHeads, normOffset, norms };
}

/** `model_type` of text models that can be written. */
export const writtenTypes: readonly string[] = [...Object.keys(families), "mistral"];

const layerNames: Readonly<Record<string, string>> = {
  attn_norm: "input_layernorm",
  attn_q: "self_attn.q_proj",
  attn_k: "self_attn.k_proj",
  attn_v: "self_attn.v_proj",
  attn_output: "self_attn.o_proj",
  attn_q_norm: "self_attn.q_norm",
  attn_k_norm: "self_attn.k_norm",
  ffn_norm: "post_attention_layernorm",
  ffn_gate: "mlp.gate_proj",
  ffn_up: "mlp.up_proj",
  ffn_down: "mlp.down_proj",
};
const outerNames: Readonly<Record<string, string>> = {
  token_embd: "model.embed_tokens",
  output_norm: "model.norm",
  output: "lm_head",
};

/** A text model of a GGUF file, in transformers' terms. */
export interface TextModel {
  readonly config: Json;
  /** Of a tensor: its name in transformers, and what has to be undone; undefined for what only config.json tells. */
  place(name: string): TensorPlace | undefined;
}

export interface TensorPlace {
  readonly name: string;
  readonly headDim?: number;
  /** What is taken off its numbers. */
  readonly offset?: number;
}

/**
 * @throws {GgufError} for families that are not known, and what transformers' configurations have no words for
 */
export function textModel(
  { tensors }: GgufHeader,
  metadata: MetadataReader,
  frequencyFactors: Float32Array | undefined,
): TextModel {
  const architecture = metadata.text("general.architecture");
  const family = Object.hasOwn(families, architecture) ? families[architecture] : undefined;
  if (family === undefined) {
    throw metadata.error(
      `is of the architecture ${architecture}, and ${Object.keys(families).join(", ")} are read`,
    );
  }
  const arch = metadata.at(`${architecture}.`);
  const shapeOf = (name: string): readonly number[] => {
    const tensor = tensors.get(name);
    if (tensor === undefined)
      throw metadata.error(`has no tensor "${name}"`, "the file may be a part of a model");
    return tensor.shape;
  };
  const [vocabSize = 0, hiddenSize = 0] = shapeOf("token_embd.weight");
  const layers = arch.number("block_count");
  const numHeads = same(arch, "attention.head_count");
  const numKvHeads = same(arch, "attention.head_count_kv", numHeads);
  const headDim = arch.number("attention.key_length", Math.floor(hiddenSize / numHeads));
  if (!Number.isSafeInteger(headDim) || headDim < 2 || headDim % 2 !== 0)
    throw metadata.error(`heads have ${headDim} features; an even number from 2 on is read`);
  const turned = arch.number("rope.dimension_count", headDim);
  const valueDim = arch.number("attention.value_length", headDim);
  if (turned !== headDim || valueDim !== headDim) {
    throw metadata.error(
      `heads have ${headDim} features, of which ${turned} turn, and values ${valueDim}: only equal numbers are read`,
    );
  }
  const widths = arch.numbers("feed_forward_length");
  const isEqual = widths.every((width) => width === widths[0]);
  const maxPositions = arch.number("context_length");
  const config: Json = {
    architectures: [family.className],
    model_type: family.modelType,
    vocab_size: vocabSize,
    hidden_size: hiddenSize,
    intermediate_size: isEqual ? (widths[0] as number) : widths,
    num_hidden_layers: layers,
    num_attention_heads: numHeads,
    num_key_value_heads: numKvHeads,
    head_dim: headDim,
    max_position_embeddings: maxPositions,
    rms_norm_eps: arch.number("attention.layer_norm_rms_epsilon"),
    rope_theta: arch.number("rope.freq_base", 10_000),
    ...ropeScaling(arch, headDim, frequencyFactors),
    tie_word_embeddings: !tensors.has("output.weight"),
    ...family.config(arch, { layers, hiddenSize, numHeads, headDim, has: (name) => tensors.has(name) }),
  };
  return { config, place: (name) => placeOf(name, family, headDim, metadata) };
}

function placeOf(
  name: string,
  family: TextFamily,
  headDim: number,
  metadata: MetadataReader,
): TensorPlace | undefined {
  // Frequencies and caches of older files, which config.json tells.
  if (/^rope_freqs\.weight$|\.attn_rot_embd$|\.rope_freqs\.weight$/.test(name)) return undefined;
  const [, layer, part = "", suffix] = /^(?:blk\.(\d+)\.)?(\w+)\.(weight|bias)$/.exec(name) ?? [];
  const known = layer === undefined ? outerNames : { ...layerNames, ...family.names };
  const found = Object.hasOwn(known, part) ? known[part] : undefined;
  if (found === undefined || suffix === undefined)
    throw metadata.error(`tensor "${name}" has no place in a ${family.modelType}`);
  const place = `${layer === undefined ? "" : `model.layers.${layer}.`}${found}.${suffix}`;
  if (family.reordersHeads && (part === "attn_q" || part === "attn_k")) return { name: place, headDim };
  const isNorm = part.endsWith("norm");
  return isNorm && family.normOffset !== 0 ? { name: place, offset: family.normOffset } : { name: place };
}

/** A number that may be told for each layer, and is the same for all. */
function same(arch: MetadataReader, key: string, fallback?: number): number {
  const all = arch.numbers(key, fallback === undefined ? undefined : [fallback]);
  const [first = 0] = all;
  if (all.every((one) => one === first) && Number.isSafeInteger(first) && first > 0) return first;
  throw arch.error(`${key} is ${all.join(", ")}: one whole number for all layers is read`);
}

/** Llama 3.1 and its successors, whose factors of frequencies are made of these. */
const llama3 = { low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 };

function ropeScaling(arch: MetadataReader, headDim: number, factors: Float32Array | undefined): Json {
  if (factors !== undefined) return { rope_scaling: llama3Scaling(arch, headDim, factors) };
  const type = arch.text("rope.scaling.type", "none");
  const factor = arch.number("rope.scaling.factor", arch.number("rope.scale_linear", 1));
  if (type === "none" || factor === 1) return {};
  if (type === "linear") return { rope_scaling: { rope_type: "linear", factor } };
  throw arch.error(`the rotary embedding is scaled by "${type}"; none and linear are read`);
}

/** @throws {GgufError} where the factors are those of no Llama 3 */
function llama3Scaling(arch: MetadataReader, headDim: number, factors: Float32Array): Json {
  const factor = factors.reduce((most, one) => Math.max(most, one), 1);
  const theta = arch.number("rope.freq_base", 10_000);
  const { low_freq_factor: low, high_freq_factor: high, original_max_position_embeddings: context } = llama3;
  const agrees = factors.every((given, i) => {
    const wave = 2 * Math.PI * theta ** ((2 * i) / headDim);
    if (wave < context / high) return given === 1;
    if (wave > context / low) return given === factor;
    const share = (context / wave - low) / (high - low);
    return Math.abs(given * ((1 - share) / factor + share) - 1) < 1e-3;
  });
  if (agrees && factors.length === headDim / 2) return { rope_type: "llama3", factor, ...llama3 };
  throw arch.error(
    `tensor "rope_freqs.weight" holds ${factors.length} factors up to ${factor}, which are no Llama 3's`,
  );
}
