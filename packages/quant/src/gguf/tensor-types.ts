import type { ModelDescription, Role } from "@vlmopt/models";
import { blockSizeOf, type EncodableType } from "./ggml-type.ts";

/** How a text model is stored; the names of llama.cpp's file types. */
export const ggufFileTypes = ["q4_k", "q4_0", "q8_0", "f16", "f32"] as const;
export type GgufFileType = (typeof ggufFileTypes)[number];

interface FileType {
  /** `general.file_type`, and what llama.cpp's files end in. */
  readonly id: number;
  readonly label: string;
  readonly matrices: EncodableType;
  /** The output layer decides over every token: it is kept better. */
  readonly output: EncodableType;
  /** Values and down projections of the layers that `usesMoreBits` names. */
  readonly better: EncodableType;
}

export const fileTypes: Readonly<Record<GgufFileType, FileType>> = {
  f32: { id: 0, label: "F32", matrices: "F32", output: "F32", better: "F32" },
  f16: { id: 1, label: "F16", matrices: "F16", output: "F16", better: "F16" },
  q4_0: { id: 2, label: "Q4_0", matrices: "Q4_0", output: "Q6_K", better: "Q4_0" },
  q8_0: { id: 7, label: "Q8_0", matrices: "Q8_0", output: "Q8_0", better: "Q8_0" },
  q4_k: { id: 15, label: "Q4_K_M", matrices: "Q4_K", output: "Q6_K", better: "Q6_K" },
};

/** Where rows do not fill a type's blocks, the next one in line, as llama.cpp goes on; every row fills F16. */
const nextTypes: Partial<Record<EncodableType, EncodableType>> = {
  Q4_K: "Q5_0",
  Q6_K: "Q8_0",
  Q4_0: "F16",
  Q5_0: "F16",
  Q8_0: "F16",
};

/** The type of a matrix by its role, its name in the checkpoint and its layer. */
export type TensorTypes = (role: Role, source: string, layer?: number) => EncodableType;

/**
 * Types as llama.cpp's own quantizer deals them out. `q4_k` is its Q4_K_M: Q4_K, with Q6_K for the output layer and for values and down
 * projections of the first and last eighth of the layers and of every third between. Where the embedding serves as output layer, it is
 * treated as one.
 */
export function tensorTypes(description: ModelDescription, fileType: GgufFileType): TensorTypes {
  const { matrices, output, better } = fileTypes[fileType];
  const { layers, lmHead } = description.languageModel;
  const columns = new Map(description.weights.map(({ name, shape }) => [name, shape.at(-1) ?? 1]));
  return (role, source, layer = 0) => {
    const isOutput = role === "lmHead" || (role === "embedding" && lmHead === undefined);
    const isSensitive = role === "vProj" || role === "downProj";
    let type = isOutput ? output : isSensitive && usesMoreBits(layer, layers.length) ? better : matrices;
    while ((columns.get(source) ?? 1) % blockSizeOf(type) !== 0) type = nextTypes[type] ?? "F16";
    return type;
  };
}

function usesMoreBits(layer: number, layers: number): boolean {
  const eighth = Math.floor(layers / 8);
  return layer < eighth || layer >= Math.floor((7 * layers) / 8) || (layer - eighth) % 3 === 2;
}
