import { basename } from "node:path";
import { describeModel, type ModelDescription } from "@vlmopt/models";
import { checkOptions } from "@vlmopt/options";
import { type Checkpoint, fileSink, folderSink, inputPaths, type Sink, tensorNamed } from "@vlmopt/tensor-io";
import { ggufRules } from "../checkpoint/option-rules.ts";
import { clipModel } from "./clip-vision-model.ts";
import { type Json, objectAt } from "./config-values.ts";
import type { ConvertibleTensor } from "./convertible-tensor.ts";
import { encodedRows } from "./encoded-rows.ts";
import { GgufError } from "./gguf-error.ts";
import { jsonBeside } from "./json-beside.ts";
import { type MetadataValue, text, uint32 } from "./metadata.ts";
import { fileTypes, type GgufFileType, tensorTypes } from "./tensor-types.ts";
import { tokenizerMetadata } from "./tokenizer-metadata.ts";
import { type GgufContents, type WriteGgufOptions, writeGgufFiles } from "./write-gguf.ts";
import { writtenMetadata, writtenTensors } from "./written-text-model.ts";

export interface QuantizeToGgufOptions extends WriteGgufOptions {
  /** Of the text model: `q4_k` is llama.cpp's Q4_K_M, see `tensorTypes`. */
  readonly type: GgufFileType;
  /**
   * Of the vision tower and the projector, which get a file of their own (`mmproj-…`); `f16` unless told, and `none` where the model has no
   * vision part or there is room for one file alone.
   */
  readonly vision?: "f16" | "f32" | "none";
  /** What the files and the model are called; as the checkpoint's folder unless told. */
  readonly name?: string;
  /** `none` writes a file without a vocabulary, for token ids alone. */
  readonly tokenizer?: "none";
}

export interface QuantizeToGgufResult {
  /** The text model's file first, sizes in bytes. */
  readonly files: readonly { readonly name: string; readonly size: number }[];
  /** Matrices of the text model by the type that they got: rows that do not fill a type's blocks take another. */
  readonly matrices: ReadonlyMap<string, number>;
}

/** Version of ggml's quantized blocks that all of these files are of. */
const QUANTIZATION_VERSION = 2;

/**
 * Converts a LLaVA-1.5, Llama or Mistral checkpoint of 16- or 32-bit weights to GGUF files that llama.cpp loads: `<name>-<type>.gguf` and,
 * for the vision part, `mmproj-<name>-<type>.gguf`. One pass in bounded memory; the files appear when all of them are complete.
 *
 * @param sink a folder's path, the path of one file (`….gguf`), or a sink
 * @throws {GgufError} for models that the files cannot describe, and weights that cannot be encoded
 * @throws {ModelMismatchError} where config.json promises other tensors than there are
 * @throws {SinkError} where the output exists already or cannot be written
 */
export async function quantizeToGguf(
  checkpoint: Checkpoint,
  sink: Sink | string,
  options: QuantizeToGgufOptions,
): Promise<QuantizeToGgufResult> {
  checkOptions("quantizeToGguf", options, ggufRules, ["type"]);
  const target = typeof sink !== "string" ? sink : sink.endsWith(".gguf") ? fileSink(sink) : folderSink(sink);
  await using _claim = await target.claim(inputPaths(checkpoint));
  const config = await jsonBeside(checkpoint, "config.json");
  if (config === undefined) {
    throw new GgufError(`${checkpoint.location}: there is no config.json beside the weights`);
  }
  const description = describeModel(config, checkpoint.tensors);
  const name = options.name ?? basename(checkpoint.folder ?? "model");
  const { vision = description.visionTower === undefined || target.singleFile ? "none" : "f16" } = options;
  if (vision !== "none" && target.singleFile) {
    throw new GgufError(
      `${target.name}: there is room for one file, and text and vision are two`,
      "give a folder",
    );
  }

  const { label } = fileTypes[options.type];
  const tensors = writtenTensors(description, tensorTypes(description, options.type));
  const files = new Map<string, GgufContents>();
  const metadata = await textMetadata(checkpoint, description, config, name, options);
  files.set(`${name}-${label}.gguf`, contents(checkpoint, metadata, tensors, options.signal));
  if (vision !== "none") {
    const type = vision === "f16" ? "F16" : "F32";
    const processor = await imageProcessor(checkpoint);
    const clip = clipModel(description, config, processor, type);
    const head = generalMetadata("clip", "mmproj", name, fileTypes[vision].id);
    files.set(
      `mmproj-${name}-${type}.gguf`,
      contents(checkpoint, [...head, ...clip.metadata], clip.tensors, options.signal),
    );
  }
  const written = await writeGgufFiles(files, target, options);
  const matrices = new Map<string, number>();
  for (const { source, type } of tensors) {
    if (tensorNamed(checkpoint, source).shape.length > 1) matrices.set(type, (matrices.get(type) ?? 0) + 1);
  }
  return { files: written, matrices };
}

async function textMetadata(
  checkpoint: Checkpoint,
  description: ModelDescription,
  config: Json,
  name: string,
  { type, tokenizer }: QuantizeToGgufOptions,
): Promise<[key: string, value: MetadataValue][]> {
  const { configPath, vocabSize } = description.languageModel;
  const textConfig = configPath.reduce<Json>((part, key) => objectAt(part, key), config);
  const { architecture, metadata } = writtenMetadata(description, textConfig);
  return [
    ...generalMetadata(architecture, "model", name, fileTypes[type].id),
    ...metadata,
    ...(tokenizer === "none"
      ? [["tokenizer.ggml.model", text("no_vocab")] as [string, MetadataValue]]
      : await tokenizerMetadata(checkpoint, { ...textConfig, ...config }, vocabSize)),
  ];
}

function generalMetadata(
  architecture: string,
  kind: "model" | "mmproj",
  name: string,
  fileType: number,
): [key: string, value: MetadataValue][] {
  return [
    ["general.architecture", text(architecture)],
    ["general.type", text(kind)],
    ["general.name", text(name)],
    ["general.file_type", uint32(fileType)],
    ["general.quantization_version", uint32(QUANTIZATION_VERSION)],
  ];
}

function contents(
  checkpoint: Checkpoint,
  metadata: [key: string, value: MetadataValue][],
  tensors: readonly ConvertibleTensor[],
  signal: AbortSignal | undefined,
): GgufContents {
  return {
    metadata: new Map(metadata),
    tensors: tensors.map((tensor) => ({
      name: tensor.name,
      type: tensor.type,
      shape: tensorNamed(checkpoint, tensor.source).shape,
      bytes: () => encodedRows(checkpoint, tensor, signal),
    })),
  };
}

/** preprocessor_config.json, or its part of the processor_config.json that transformers 5 writes. */
async function imageProcessor(checkpoint: Checkpoint): Promise<Json> {
  const own = await jsonBeside(checkpoint, "preprocessor_config.json");
  return own ?? objectAt((await jsonBeside(checkpoint, "processor_config.json")) ?? {}, "image_processor");
}
