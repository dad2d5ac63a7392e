import { editConfig } from "@vlmopt/models";
import {
  builtModule,
  type Checkpoint,
  drop,
  type RewriteOptions,
  type RewriteResult,
  readTensor,
  rewriteCheckpoint,
  type Sink,
  type TensorInfo,
} from "@vlmopt/tensor-io";
import { type BlockSize, blockSizes } from "../blockwise.ts";
import type { FloatDtype } from "../weights.ts";
import type { DequantizeStageOptions, QuantizedWeight } from "./dequantize-stage.ts";
import { QuantizationError } from "./plan-quantization.ts";
import { storedPart } from "./stored-part.ts";
import { torchDtypes } from "./torch-dtypes.ts";

export interface DequantizeOptions extends RewriteOptions {
  readonly dtype?: FloatDtype;
}

/**
 * Writes the weights of a checkpoint of compressed-tensors (`pack-quantized` of 4 bits, `int-quantized`) or bitsandbytes (4 bits), ours or
 * those libraries', as plain ones of the dtype that they had, or of `options.dtype`; config.json loses its `quantization_config`.
 * @throws {QuantizationError} where nothing of the kind is there, or a weight lacks its tensors
 */
export async function dequantizeCheckpoint(
  source: Checkpoint,
  sink: Sink | string,
  options: DequantizeOptions = {},
): Promise<RewriteResult> {
  const { dtype } = options;
  const weights = await quantizedWeights(source);
  if (weights.size === 0) {
    throw new QuantizationError(`${source.location} holds no weights of a format that can be dequantized`);
  }
  const parts = new Set([...weights.values()].flatMap(({ parts: names }) => names));
  const module = builtModule("dequantize-stage", import.meta.url);
  const bytes = await source.readSibling("config.json");
  const text = new TextDecoder().decode(bytes);
  const config =
    bytes === undefined ? {} : { "config.json": editConfig(text, [{ path: ["quantization_config"] }]) };
  return rewriteCheckpoint(
    source,
    (tensor) => {
      if (parts.has(tensor.name)) return drop();
      const found = weights.get(tensor.name);
      if (found === undefined) return undefined;
      const { weight, name } = found;
      const { shape } = weight;
      const stageOptions: DequantizeStageOptions = { weight, target: dtype ?? weight.dtype };
      return {
        stage: { module, options: stageOptions },
        outputs: [{ name, dtype: dtype ?? weight.dtype, shape }],
      };
    },
    sink,
    { ...options, files: { ...config, ...options.files } },
  );
}

/** A weight of a checkpoint that is stored in fewer bits. */
export interface FoundWeight {
  /** Of the weight that it stands for. */
  readonly name: string;
  readonly weight: QuantizedWeight;
  /** Tensors that belong to it. */
  readonly parts: readonly string[];
}

/**
 * The weights of a checkpoint that are stored in a format which can be dequantized, by the name of the tensor that holds the numbers.
 * @throws {QuantizationError} where a weight lacks tensors, or is of another width
 */
export async function quantizedWeights(source: Checkpoint): Promise<ReadonlyMap<string, FoundWeight>> {
  const found = new Map<string, FoundWeight>();
  for (const tensor of source.tensors.values()) {
    const weight =
      (await packed(source, tensor)) ??
      (await signedBytes(source, tensor)) ??
      (await fourBit(source, tensor));
    if (weight !== undefined) found.set(tensor.name, weight);
  }
  return found;
}

async function packed(
  source: Checkpoint,
  { name, dtype, shape }: TensorInfo,
): Promise<FoundWeight | undefined> {
  if (!name.endsWith(".weight_packed") || dtype !== "I32" || shape.length !== 2) return undefined;
  const weightName = name.replace(/_packed$/, "");
  const scale = companion(source, name, `${weightName}_scale`);
  const zeroPoint = source.tensors.get(`${weightName}_zero_point`);
  const shapeName = companion(source, name, `${weightName}_shape`).name;
  const sizes = new BigInt64Array((await readTensor(source, shapeName)).slice().buffer);
  const [rows, columns] = [Number(sizes[0]), Number(sizes[1])];
  if (columns !== (shape[1] as number) * 8 || rows !== shape[0]) {
    throw new QuantizationError(
      `${name} of shape [${shape}] does not hold [${rows}, ${columns}] numbers of 4 bits: other widths are not read`,
    );
  }
  return {
    name: weightName,
    weight: {
      format: "pack-quantized",
      shape: [rows, columns],
      dtype: scale.dtype as FloatDtype,
      scales: await storedPart(source, scale.name),
      ...(zeroPoint === undefined ? {} : { zeroPoints: await storedPart(source, zeroPoint.name) }),
    },
    parts: [scale.name, shapeName, ...(zeroPoint === undefined ? [] : [zeroPoint.name])],
  };
}

async function signedBytes(
  source: Checkpoint,
  { name, dtype, shape }: TensorInfo,
): Promise<FoundWeight | undefined> {
  if (!name.endsWith(".weight") || dtype !== "I8") return undefined;
  const scale = companion(source, name, `${name}_scale`);
  return {
    name,
    weight: {
      format: "int-quantized",
      shape,
      dtype: scale.dtype as FloatDtype,
      scales: await storedPart(source, scale.name),
    },
    parts: [scale.name],
  };
}

/** What `quant_state` holds. */
interface QuantState {
  readonly quant_type: "nf4" | "fp4";
  readonly blocksize: number;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly nested_offset?: number;
}

async function fourBit(source: Checkpoint, { name, dtype }: TensorInfo): Promise<FoundWeight | undefined> {
  const state = ["nf4", "fp4"]
    .map((kind) => source.tensors.get(`${name}.quant_state.bitsandbytes__${kind}`))
    .find((tensor) => tensor !== undefined);
  if (state === undefined || dtype !== "U8") return undefined;
  const json = new TextDecoder().decode(await readTensor(source, state.name));
  const { quant_type, blocksize, shape, nested_offset, ...rest } = JSON.parse(json) as QuantState;
  const [weightDtype] = Object.entries(torchDtypes).find(([, torch]) => torch === rest.dtype) ?? [];
  if (!blockSizes.includes(blocksize as BlockSize) || weightDtype === undefined) {
    throw new QuantizationError(
      `${state.name} names blocks of ${blocksize} and dtype ${rest.dtype}, which is neither known`,
    );
  }
  const absmax = companion(source, name, `${name}.absmax`);
  const nested = source.tensors.get(`${name}.nested_absmax`);
  return {
    name,
    weight: {
      format: "bitsandbytes",
      codebook: quant_type,
      blockSize: blocksize as BlockSize,
      shape,
      dtype: weightDtype as FloatDtype,
      absmax: await storedPart(source, absmax.name),
      ...(nested === undefined || nested_offset === undefined
        ? {}
        : { nested: { absmax: await storedPart(source, nested.name), offset: nested_offset } }),
    },
    parts: [
      "absmax",
      "quant_map",
      "nested_absmax",
      "nested_quant_map",
      `quant_state.bitsandbytes__${quant_type}`,
    ].map((part) => `${name}.${part}`),
  };
}

function companion(source: Checkpoint, name: string, wanted: string): TensorInfo {
  const tensor = source.tensors.get(wanted);
  if (tensor !== undefined) return tensor;
  throw new QuantizationError(`${name} comes without ${wanted}: the checkpoint is not whole`);
}
