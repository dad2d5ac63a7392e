/** What a configuration may leave out, as transformers 5 fills it in, and what sets the text models apart. */
export interface DecoderTraits {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  /** Undefined: as many as query heads. */
  readonly kvHeads?: number;
  /** Whether null means as many as query heads; else it is refused. */
  readonly nullKvHeads: boolean;
  /** Undefined: hidden size / heads, whatever the configuration says of `hidden`. */
  readonly headDim?: number | "told" | "hidden";
  /** `always` has q, k and v alone; `attention_bias` all four. */
  readonly attentionBias: "always" | "told" | "never";
  readonly mlpBias?: boolean;
  /** RMS norms of q and k, over headDim. */
  readonly qkNorm?: boolean;
  /** Norms before and after the MLP, besides those around attention. */
  readonly feedForwardNorms?: boolean;
  readonly tied?: boolean;
  readonly eps: number;
  /** Base of the rotation's wavelengths. */
  readonly theta: number;
  /** Tokens that positions were learned for. */
  readonly maxPositions: number;
  readonly windows: Windows;
  /** Of models whose tokens have places in time, height and width. */
  readonly mrope?: MropeTraits;
}

/** M-RoPE (arXiv:2409.12191): pairs of features lie in sections by axis, or, since Qwen3-VL, the axes take turns. */
export interface MropeTraits {
  readonly interleaved: boolean;
  /** Pairs of each axis, unless told; undefined: they must be told. */
  readonly sections?: readonly number[];
}

/** Which layers see a window alone: none; all of them; those from `max_window_layers` on; the first and every second after it. */
export type Windows =
  | { readonly kind: "none" | "all" | "alternate" }
  | {
      readonly kind: "from";
      readonly first: number;
      /** Whether `use_sliding_window` may be null, which is no; else that is refused. */
      readonly nullable: boolean;
    };

const llama: DecoderTraits = {
  vocabSize: 32_000,
  hiddenSize: 4096,
  intermediateSize: 11_008,
  layers: 32,
  heads: 32,
  nullKvHeads: true,
  headDim: "told",
  attentionBias: "told",
  mlpBias: true,
  eps: 1e-6,
  theta: 10_000,
  maxPositions: 2048,
  windows: { kind: "none" },
};
const mistral: DecoderTraits = {
  ...llama,
  intermediateSize: 14_336,
  kvHeads: 8,
  nullKvHeads: false,
  attentionBias: "never",
  mlpBias: false,
  maxPositions: 131_072,
  windows: { kind: "all" },
};
const qwen2: DecoderTraits = {
  ...llama,
  vocabSize: 151_936,
  intermediateSize: 22_016,
  kvHeads: 32,
  attentionBias: "always",
  mlpBias: false,
  maxPositions: 32_768,
  windows: { kind: "from", first: 28, nullable: false },
};
const qwen2Vl: DecoderTraits = {
  ...qwen2,
  vocabSize: 152_064,
  hiddenSize: 8192,
  intermediateSize: 29_568,
  layers: 80,
  heads: 64,
  kvHeads: 8,
  headDim: "hidden",
  eps: 1e-5,
  theta: 1_000_000,
  windows: { kind: "from", first: 80, nullable: true },
  mrope: { interleaved: false },
};
const qwen3: DecoderTraits = { ...qwen2, attentionBias: "told", qkNorm: true, headDim: 128 };
const qwen3Vl: DecoderTraits = {
  ...qwen3,
  theta: 500_000,
  maxPositions: 128_000,
  windows: { kind: "none" },
  mrope: { interleaved: true, sections: [24, 20, 20] },
};
const gemma: DecoderTraits = {
  ...llama,
  vocabSize: 256_000,
  hiddenSize: 3072,
  intermediateSize: 24_576,
  layers: 28,
  heads: 16,
  kvHeads: 16,
  nullKvHeads: false,
  headDim: 256,
  mlpBias: false,
  tied: true,
  maxPositions: 8192,
};
const gemma2: DecoderTraits = {
  ...gemma,
  hiddenSize: 2304,
  intermediateSize: 9216,
  layers: 26,
  heads: 8,
  kvHeads: 4,
  feedForwardNorms: true,
  windows: { kind: "alternate" },
};

/** Decoders of gated MLPs and rotary attention, by `model_type`. */
export const traitsByType: Readonly<Record<string, DecoderTraits>> = {
  llama,
  mistral,
  qwen2,
  qwen2_vl: qwen2Vl,
  qwen2_vl_text: qwen2Vl,
  qwen2_5_vl: qwen2Vl,
  qwen2_5_vl_text: qwen2Vl,
  qwen3,
  qwen3_vl: qwen3Vl,
  qwen3_vl_text: qwen3Vl,
  gemma,
  gemma2,
};
