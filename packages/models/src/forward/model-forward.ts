import type { ConfigReader } from "../config-reader.ts";
import { traitsByType } from "../decoder-traits.ts";
import type { ModelDescription } from "../description.ts";
import { readModelConfig } from "../sub-configs.ts";
import { type DecoderInputs, decode } from "./decoder.ts";
import { type DecoderParts, decoderParts } from "./decoder-parts.ts";
import { type DecoderSegment, decoderSegments, type RankingAttention } from "./decoder-segments.ts";
import { assertCausality, decoderSettings, maxPositionsOf } from "./decoder-settings.ts";
import { blip2ImageEncoder } from "./image-encoders/blip-2.ts";
import { idefics3ImageEncoder } from "./image-encoders/idefics3.ts";
import type { ImageEncoder } from "./image-encoders/image-encoder.ts";
import { llavaImageEncoder, llavaNextImageEncoder } from "./image-encoders/llava.ts";
import { paligemmaImageEncoder } from "./image-encoders/paligemma.ts";
import { qwen2VlImageEncoder, qwen3VlImageEncoder, qwen25VlImageEncoder } from "./image-encoders/qwen-vl.ts";
import {
  type CacheSpec,
  type ForwardPass,
  forwardPass,
  type HostTensor,
  type InputSpec,
  type Ops,
} from "./ops.ts";
import { type RotarySettings, rotarySettings, rotaryTables } from "./rotary.ts";
import { type Positions, promptPositions } from "./token-positions.ts";

/** A model as passes over tensors, and what the host has to compute for them. */
export interface ModelForward {
  /** Of models that see. */
  readonly imageEncoder: ImageEncoder | undefined;
  /** The token that image features take the place of. */
  readonly imageToken: number | undefined;
  /** From tokens to `logits` `[1, wanted, vocabSize]`; its inputs are what `decoderInputs` gives and, of models that see, `images`. */
  readonly decoder: ForwardPass;
  /** The same with `visible` among its inputs, which says what tokens see, and how much tokens count that stand for several. */
  readonly weightedDecoder: ForwardPass;
  /** The same cut before some layers, for one sequence: see `decoderSegments`. */
  segments(cuts: readonly number[], ranking: RankingAttention): readonly DecoderSegment[];
  /** The same in parts. */
  readonly parts: DecoderParts;
  /** The tensors of `deep…` that come with image features. */
  readonly deep: number;
  readonly cache: CacheSpec;
  /** Of each layer: how many tokens a token sees; undefined where it sees all before it. */
  readonly windows: readonly (number | undefined)[];
  /** Positions that the text model was made for: a prompt and its answer end there. */
  readonly maxPositions: number;
  /** Places of a prompt's tokens, as rotary embeddings and tables of positions count them. */
  promptPositions(ids: ArrayLike<number>, grids: readonly (readonly [number, number, number])[]): Positions;
  decoderInputs(step: DecoderStep): Readonly<Record<string, HostTensor>>;
}

/** Tokens that go through a decoder together; shorter sequences are padded at the end. */
export interface DecoderStep {
  readonly sequences: readonly {
    readonly ids: ArrayLike<number>;
    /** Of each axis, as many as ids. */
    readonly positions: readonly Int32Array[];
    /** Tokens that were there before. */
    readonly past: number;
    /** How many of them are a prompt, which some models see whole; the others are an answer. All of them unless told. */
    readonly prompt?: number;
    /** How many tokens each of the first ones, earlier ones included, stands for, of `weightedDecoder`. */
    readonly sizes?: ArrayLike<number>;
  }[];
  /** Tokens that the cache holds at most. */
  readonly capacity: number;
  /** Tokens whose logits are wanted, counted through all sequences, padding counted too. */
  readonly wanted: readonly number[];
}

const imageEncoders: Readonly<
  Record<string, (config: ConfigReader, description: ModelDescription) => ImageEncoder>
> = {
  llava: llavaImageEncoder,
  llava_next: llavaNextImageEncoder,
  qwen2_vl: qwen2VlImageEncoder,
  qwen2_5_vl: qwen25VlImageEncoder,
  qwen3_vl: qwen3VlImageEncoder,
  paligemma: paligemmaImageEncoder,
  "blip-2": blip2ImageEncoder,
  idefics3: idefics3ImageEncoder,
  smolvlm: idefics3ImageEncoder,
};

/**
 * @param config the contents of config.json
 * @throws {ConfigError} where it asks for something that is not known
 */
export function modelForward(config: unknown, description: ModelDescription): ModelForward {
  const reader = readModelConfig(config);
  const { languageModel } = description;
  const text = languageModel.configPath.reduce((part, key) => part.child(key), reader);
  const settings = decoderSettings(text, languageModel);
  const imageEncoder = imageEncoders[description.modelType]?.(reader, description);
  const deep = imageEncoder?.deep ?? 0;
  const maxPositions = maxPositionsOf(text, languageModel.modelType);
  const traits = traitsByType[languageModel.modelType];
  const headDim = languageModel.layers[0]?.attention.headDim ?? 0;
  const rotary = traits && rotarySettings(text, headDim, { ...traits, maxPositions });
  const seesPromptWhole = description.modelType === "paligemma";
  assertCausality(text, languageModel.modelType, seesPromptWhole);
  const imageToken = imageTokenOf(reader, description.modelType);
  const mergeSize = reader.child("vision_config").size("spatial_merge_size", 2);
  const inputs: Record<string, InputSpec> = {
    ids: { dtype: "I32", shape: [undefined, undefined] },
    wanted: { dtype: "I32", shape: [undefined] },
    ...(rotary === undefined ? learnedInputs : rotaryInputs(rotary)),
    ...(imageEncoder === undefined ? {} : imageInputs(languageModel.hiddenSize, deep)),
    ...(seesPromptWhole ? visibleInputs : {}),
  };
  const decoderOf = (given: Readonly<Record<string, InputSpec>>) =>
    forwardPass(given, <T>(ops: Ops<T>, values: Readonly<Record<string, T>>) => ({
      logits: decode(ops, description, settings, decoderInputsOf(values, deep)),
    }));
  const decoder = decoderOf(inputs);
  return {
    imageEncoder,
    imageToken,
    deep,
    maxPositions,
    windows: settings.windows,
    decoder,
    weightedDecoder: seesPromptWhole ? decoder : decoderOf({ ...inputs, ...visibleInputs }),
    segments: (cuts, ranking) =>
      decoderSegments(description, settings, inputs, (given) => decoderInputsOf(given, deep), cuts, ranking),
    parts: decoderParts(description, settings, inputs, (given) => decoderInputsOf(given, deep)),
    cache: {
      layers: languageModel.layers.map(({ attention }) => ({
        kvHeads: attention.numKvHeads,
        headDim: attention.headDim,
      })),
    },
    promptPositions: (ids, grids) =>
      promptPositions(ids, rotary?.axes.some((axis) => axis > 0) ? imageToken : undefined, grids, mergeSize),
    decoderInputs(step) {
      const padded = padTogether(step);
      const isWeighted = step.sequences.some(({ sizes }) => sizes !== undefined);
      if (isWeighted) assertSeen(step, settings.windows);
      return {
        ids: padded.ids,
        wanted: { shape: [step.wanted.length], data: Int32Array.from(step.wanted) },
        ...(rotary === undefined
          ? { positions: learnedPositions(padded.positions, padded.ids.shape) }
          : rotaryTables(rotary, padded.positions)),
        ...(seesPromptWhole || isWeighted
          ? { visible: visibleTokens(step, padded.ids.shape[1] as number, seesPromptWhole) }
          : {}),
      };
    },
  };
}

const learnedInputs = { positions: { dtype: "I32", shape: [undefined, undefined] } } as const;
const visibleInputs = { visible: { dtype: "F32", shape: [undefined, 1, undefined, undefined] } } as const;

function rotaryInputs({ frequencies }: RotarySettings): Record<string, InputSpec> {
  const table: InputSpec = { dtype: "F32", shape: [undefined, frequencies.length] };
  return { cos: table, sin: table };
}

function imageInputs(hiddenSize: number, deep: number): Record<string, InputSpec> {
  const values: InputSpec = { dtype: "F32", shape: [1, undefined, hiddenSize] };
  const deepInputs = Array.from({ length: deep }, (_, i) => [`deep${i}`, values]);
  return {
    features: values,
    ...Object.fromEntries(deepInputs),
    imageRows: { dtype: "I32", shape: [undefined] },
  };
}

function decoderInputsOf<T>(given: Readonly<Record<string, T>>, deep: number): DecoderInputs<T> {
  const { ids, wanted, cos, sin, positions, visible, features, imageRows } = given;
  return {
    ids: ids as T,
    wanted: wanted as T,
    rotary: cos === undefined || sin === undefined ? undefined : { cos, sin },
    positions,
    visible,
    images:
      imageRows === undefined
        ? undefined
        : {
            values: features,
            rows: imageRows,
            deep: Array.from({ length: deep }, (_, i) => given[`deep${i}`]),
          },
  };
}

/** The token that stands for pictures, unless the configuration tells another; BLIP-2's older ones had none, and OPT's texts never hold 1. */
const imageTokens: Readonly<Record<string, number>> = {
  llava: 32_000,
  llava_next: 32_000,
  qwen2_vl: 151_655,
  qwen2_5_vl: 151_655,
  qwen3_vl: 151_655,
  paligemma: 256_000,
  "blip-2": 1,
  idefics3: 128_257,
  smolvlm: 128_257,
};

function imageTokenOf(config: ConfigReader, modelType: string): number | undefined {
  const usual = imageTokens[modelType];
  if (usual === undefined) return undefined;
  const key =
    config.isNull("image_token_id") || config.has("image_token_id") ? "image_token_id" : "image_token_index";
  return modelType === "blip-2" ? (config.sizeOrNull(key, usual) ?? usual) : config.size(key, usual);
}

/** Where `visible` says what tokens see, windows do not. */
function assertSeen({ sequences }: DecoderStep, windows: readonly (number | undefined)[]): void {
  const window = Math.min(...windows.map((size) => size ?? Number.POSITIVE_INFINITY));
  const longest = Math.max(...sequences.map(({ past, ids }) => past + ids.length));
  if (longest <= window) return;
  throw new RangeError(
    `tokens of this model see ${window} others (sliding_window), and ${longest} are too many to weigh merged tokens: shorten prompt and answer, or do not merge`,
  );
}

function padTogether({ sequences }: DecoderStep): { ids: HostTensor; positions: Int32Array[] } {
  const longest = Math.max(...sequences.map(({ ids }) => ids.length));
  const ids = new Int32Array(sequences.length * longest);
  const axes = Math.max(...sequences.map(({ positions }) => positions.length));
  const positions = Array.from({ length: axes }, () => new Int32Array(ids.length));
  for (const [n, sequence] of sequences.entries()) {
    ids.set(Array.from(sequence.ids), n * longest);
    for (const [axis, all] of positions.entries()) all.set(sequence.positions[axis] ?? [], n * longest);
  }
  return { ids: { shape: [sequences.length, longest], data: ids }, positions };
}

/** OPT's table begins with two rows for padding. */
function learnedPositions(
  [positions = new Int32Array()]: readonly Int32Array[],
  shape: readonly number[],
): HostTensor {
  return { shape, data: positions.map((position) => position + 2) };
}

/**
 * PaliGemma's prompt sees itself whole; what comes after it, and other models' prompts, see all before, and themselves. A token that stands for
 * several counts as often: the logarithm of their number is added (proportional attention, arXiv:2210.09461).
 */
function visibleTokens({ sequences, capacity }: DecoderStep, tokens: number, whole: boolean): HostTensor {
  const data = new Float32Array(sequences.length * tokens * capacity).fill(Number.NEGATIVE_INFINITY);
  for (const [n, { ids, past, prompt = ids.length, sizes = [] }] of sequences.entries()) {
    const weights = Float32Array.from(sizes, Math.log);
    for (let token = 0; token < tokens; token++) {
      const row = (n * tokens + token) * capacity;
      const seen = past + Math.min(ids.length, Math.max(whole ? prompt : 0, token + 1));
      data.fill(0, row, row + seen);
      data.set(weights.subarray(0, seen), row);
    }
  }
  return { shape: [sequences.length, 1, tokens, capacity], data };
}
