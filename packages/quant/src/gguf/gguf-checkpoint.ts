import { type ByteSource, type Checkpoint, memorySource, type TensorInfo } from "@vlmopt/tensor-io/browser";
import { visionPart } from "./clip-checkpoint.ts";
import type { Json } from "./config-values.ts";
import { blockSizeOf, decodeGgml, type GgmlType, ggmlBytes, isDecodable } from "./ggml-type.ts";
import { GgufError } from "./gguf-error.ts";
import { type MetadataReader, metadataReader } from "./metadata-reader.ts";
import { type GgufHeader, type GgufTensorInfo, readGguf } from "./read-gguf.ts";
import { storedName } from "./stored-name.ts";
import { type TensorPlace, textModel } from "./text-families.ts";
import { generationConfig, tokenizerConfig, tokenizerJson, tokenNamed } from "./tokenizer-files.ts";

interface GgufFile {
  readonly source: ByteSource;
  readonly header: GgufHeader;
  readonly metadata: MetadataReader;
}

/** Types that are dtypes of safetensors, too. */
const plainTypes = new Set<GgmlType>(["F32", "F16", "BF16", "F64", "I8", "I16", "I32", "I64"]);
/** A text's place among others' tensors, in models that see. */
const IMAGE_TOKEN = "<image>";

/**
 * GGUF files of one model as a checkpoint: tensors under transformers' names and shapes, config.json, tokenizer.json and what else lies beside
 * weights made of the metadata. What is stored in blocks, or in another order of rows, keeps its bytes, under a name that says how they are to
 * be read; `quantizedWeights` finds and `dequantizeCheckpoint` decodes it.
 * @param sources the text model, in the order of its parts, and the vision part (`mmproj`) where there is one; closed with the checkpoint, and
 * where it comes to nothing
 * @throws {GgufError} for bad files, and for models that are not known
 */
export async function ggufCheckpoint(
  sources: readonly ByteSource[],
  location = sources[0]?.name ?? "",
): Promise<Checkpoint> {
  const close = async () => {
    await Promise.all(sources.map((source) => source.close()));
  };
  try {
    return { ...(await assembled(sources, location)), close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

type Assembled = Omit<Checkpoint, "close" | typeof Symbol.asyncDispose>;

async function assembled(sources: readonly ByteSource[], location: string): Promise<Assembled> {
  const files: GgufFile[] = [];
  for (const source of sources) {
    const header = await readGguf(source);
    files.push({ source, header, metadata: metadataReader(header.metadata, source.name) });
  }
  const vision = files.find(isVision);
  const texts = files.filter((file) => !isVision(file));
  const [first] = texts;
  if (first === undefined) {
    throw new GgufError(
      `${vision?.source.name ?? location}: this is a vision part alone`,
      "name the folder that holds the text model's file, too, or that file",
    );
  }
  assertWhole(texts);

  const tensors = new Map<string, TensorInfo>();
  const memory: Memory = { parts: [], size: 0, name: `${location} in memory` };
  const header = { ...first.header, tensors: new Map(texts.flatMap((file) => [...file.header.tensors])) };
  const factors = texts.flatMap((file) => file.header.tensors.get("rope_freqs.weight") ?? [])[0];
  const factorsFile = texts.find((file) => file.header.tensors.get("rope_freqs.weight") === factors) ?? first;
  const frequencyFactors = factors && (await floatsOf(factorsFile, factors));
  const text = textModel(header, first.metadata, frequencyFactors);
  const seeing = vision && visionPart(vision.header, vision.metadata);
  const hiddenSize = text.config.hidden_size;
  if (seeing !== undefined && seeing.width !== hiddenSize) {
    throw new GgufError(
      `${vision?.source.name}: its features are ${seeing.width} wide, and the text model of ${first.source.name} takes ${hiddenSize}`,
      "keep only the mmproj file of this model beside it",
    );
  }
  const within = (place: TensorPlace | undefined): TensorPlace | undefined =>
    place && seeing ? { ...place, name: `language_model.${place.name}` } : place;
  for (const file of texts) {
    for (const tensor of file.header.tensors.values()) {
      await add(tensors, memory, file, tensor, within(text.place(tensor.name)));
    }
  }
  if (vision !== undefined && seeing !== undefined) {
    for (const tensor of vision.header.tensors.values())
      await add(tensors, memory, vision, tensor, { name: seeing.place(tensor.name) });
    addUnreadNorm(tensors, memory, seeing.hiddenSize);
  }

  const isStored = [...tensors.keys()].some((name) => !/\.(weight|bias|class_embedding)$/.test(name));
  const siblings: Readonly<Record<string, () => Json>> = {
    "config.json": () => configOf(text.config, seeing?.config, first.metadata, isStored),
    "tokenizer.json": () => tokenizerJson(first.metadata),
    "tokenizer_config.json": () => tokenizerConfig(first.metadata),
    "generation_config.json": () => generationConfig(first.metadata),
    ...(seeing === undefined ? {} : { "preprocessor_config.json": () => seeing.imageProcessor }),
  };
  const hasTokenizer = first.metadata.has("tokenizer.ggml.tokens");
  return {
    location,
    folder: undefined,
    metadata: {},
    tensors,
    sources: new Map([
      ...files.map(({ source }) => [source.name, source] as const),
      [memory.name, memorySource(joined(memory), memory.name)],
    ]),
    async readSibling(name) {
      const make = Object.hasOwn(siblings, name) ? siblings[name] : undefined;
      if (make === undefined || (name.startsWith("tokenizer") && !hasTokenizer)) return undefined;
      return new TextEncoder().encode(`${JSON.stringify(make(), null, 2)}\n`);
    },
  };
}

function isVision({ metadata }: GgufFile): boolean {
  return metadata.text("general.architecture", "") === "clip";
}

/** @throws {GgufError} where a model of several files lacks some */
function assertWhole(texts: readonly GgufFile[]): void {
  const [first] = texts as [GgufFile];
  const parts = first.metadata.number("split.count", 1);
  if (parts === texts.length) return;
  throw first.metadata.error(
    `is one of ${parts} parts of a model, and ${texts.length} are there`,
    "put all of them in one folder",
  );
}

/** Numbers that are made when the files are opened. */
interface Memory {
  readonly parts: Uint8Array[];
  size: number;
  readonly name: string;
}

async function add(
  tensors: Map<string, TensorInfo>,
  memory: Memory,
  file: GgufFile,
  tensor: GgufTensorInfo,
  place: TensorPlace | undefined,
): Promise<void> {
  if (place === undefined) return;
  const { type, shape, offset, byteLength } = tensor;
  const { name, headDim, offset: added = 0 } = place;
  const within = { file: file.source.name, offset, byteLength };
  if (!plainTypes.has(type) && !isDecodable(type)) {
    throw file.metadata.error(`tensor "${tensor.name}" is of ${type}, which is not decoded`);
  }
  if (headDim !== undefined && (headDim % 2 !== 0 || (shape[0] ?? 0) % headDim !== 0)) {
    throw file.metadata.error(
      `tensor "${tensor.name}" of shape [${shape}] does not hold whole heads of ${headDim} rows`,
    );
  }
  if (tensors.has(name)) throw file.metadata.error(`tensor "${tensor.name}" is the second one for ${name}`);
  if (added !== 0 || (headDim !== undefined && shape.length === 1)) {
    const floats = await floatsOf(file, tensor);
    const turned = headDim === undefined ? floats : inHalves(floats, headDim);
    remember(
      tensors,
      memory,
      name,
      shape,
      turned.map((value) => value - added),
    );
    return;
  }
  if (plainTypes.has(type) && headDim === undefined) {
    tensors.set(name, { name, dtype: type as TensorInfo["dtype"], shape, ...within });
    return;
  }
  const stored = storedName({ weight: name, type, ...(headDim === undefined ? {} : { headDim }) });
  const rowBytes = ggmlBytes(type, shape.at(-1) ?? blockSizeOf(type));
  tensors.set(stored, { name: stored, dtype: "U8", shape: [...shape.slice(0, -1), rowBytes], ...within });
}

/** A vector of queries or keys in transformers' order, head by head. */
function inHalves(values: Float32Array, headDim: number): Float32Array {
  const half = headDim / 2;
  const result = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const within = i % headDim;
    result[i - within + (within >> 1) + (within & 1) * half] = values[i] as number;
  }
  return result;
}

/** Nothing reads the norm after CLIP's last layer, and transformers misses it where it is not there. */
function addUnreadNorm(tensors: Map<string, TensorInfo>, memory: Memory, size: number): void {
  const norm = "vision_tower.vision_model.post_layernorm";
  if (tensors.has(`${norm}.weight`)) return;
  remember(tensors, memory, `${norm}.weight`, [size], new Float32Array(size).fill(1));
  remember(tensors, memory, `${norm}.bias`, [size], new Float32Array(size));
}

function remember(
  tensors: Map<string, TensorInfo>,
  memory: Memory,
  name: string,
  shape: readonly number[],
  values: Float32Array,
): void {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  tensors.set(name, {
    name,
    dtype: "F32",
    shape,
    file: memory.name,
    offset: memory.size,
    byteLength: bytes.length,
  });
  memory.parts.push(bytes);
  memory.size += bytes.length;
}

function joined({ parts, size }: Memory): Uint8Array {
  const whole = new Uint8Array(size);
  let filled = 0;
  for (const part of parts) {
    whole.set(part, filled);
    filled += part.length;
  }
  return whole;
}

async function floatsOf(
  { source }: GgufFile,
  { name, type, offset, byteLength }: GgufTensorInfo,
): Promise<Float32Array> {
  if (!isDecodable(type))
    throw new GgufError(`${source.name}: tensor "${name}" is of ${type}, and no numbers are read of it`);
  return decodeGgml(type, await source.read(offset, byteLength));
}

function configOf(text: Json, vision: Json | undefined, metadata: MetadataReader, isStored: boolean): Json {
  // What has to be decoded before transformers' own files can hold it.
  const quantization = isStored ? { quantization_config: { quant_method: "gguf" } } : {};
  const { eos_token_id, bos_token_id } = generationConfig(metadata);
  const own = { ...text, bos_token_id, eos_token_id };
  if (vision === undefined) return { ...own, ...quantization };
  const image = tokenNamed(metadata, IMAGE_TOKEN);
  if (image === undefined) {
    throw metadata.error(
      `has no token ${IMAGE_TOKEN}, in whose place pictures could go`,
      "move the mmproj file away, to ask the text model alone",
    );
  }
  const { tie_word_embeddings, ...rest } = own as Json & { tie_word_embeddings?: unknown };
  return {
    ...vision,
    image_token_index: image,
    tie_word_embeddings,
    text_config: { ...rest, tie_word_embeddings },
    ...quantization,
  };
}
