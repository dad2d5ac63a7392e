import { type GgmlType, isGgmlType } from "./ggml-type.ts";

/** How a weight lies in a GGUF file. */
export interface StoredAs {
  /** Its name in transformers. */
  readonly weight: string;
  readonly type: GgmlType;
  /** Where set, the rows of each head of so many are in the order of llama.cpp's rotary embedding. */
  readonly headDim?: number;
}

/** The tensor's name in a checkpoint that is opened from GGUF files: `model.layers.0.self_attn.q_proj.weight.Q4_1.heads64`. */
export function storedName({ weight, type, headDim }: StoredAs): string {
  return `${weight}.${type}${headDim === undefined ? "" : `.heads${headDim}`}`;
}

/** The inverse; undefined for other names. */
export function storedAs(name: string): StoredAs | undefined {
  const [matched, weight = "", type = "", headDim] = /^(.+)\.([A-Z]\w+?)(?:\.heads(\d+))?$/.exec(name) ?? [];
  if (matched === undefined || !isGgmlType(type)) return undefined;
  return { weight, type, ...(headDim === undefined ? {} : { headDim: Number(headDim) }) };
}
