import { type Checkpoint, readTensor, type TensorInfo, toFloat32 } from "@vlmopt/tensor-io/browser";
import { type BlockSize, blockSizes } from "../blockwise.ts";
import type { FloatDtype } from "../weights.ts";
import { e2m1GroupSize } from "./e2m1-packed.ts";
import { QuantizationError } from "./quantization-error.ts";
import type { QuantizedWeight } from "./quantized-weight.ts";
import { storedPart } from "./stored-part.ts";
import { torchDtypes } from "./torch-dtypes.ts";

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
  const zeroPointsLess = await gptqZeroPointsLess(source);
  for (const tensor of source.tensors.values()) {
    const weight =
      (await packed(source, tensor)) ??
      (await signedBytes(source, tensor)) ??
      (await packedFloats(source, tensor)) ??
      (await inputMajor(source, tensor, zeroPointsLess)) ??
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

async function packedFloats(
  source: Checkpoint,
  { name, dtype, shape }: TensorInfo,
): Promise<FoundWeight | undefined> {
  if (!name.endsWith(".weight_packed") || dtype !== "U8" || shape.length !== 2) return undefined;
  const weightName = name.replace(/_packed$/, "");
  const scale = companion(source, name, `${weightName}_scale`);
  const isNvfp4 = scale.dtype === "F8_E4M3";
  const globalScale = isNvfp4 ? companion(source, name, `${weightName}_global_scale`).name : undefined;
  const [rows, columns] = [shape[0] as number, (shape[1] as number) * 2];
  const format = isNvfp4 ? "nvfp4-pack-quantized" : "mxfp4-pack-quantized";
  const groups = columns / e2m1GroupSize({ format });
  if ((!isNvfp4 && scale.dtype !== "U8") || scale.shape[0] !== rows || scale.shape[1] !== groups) {
    throw new QuantizationError(
      `${scale.name}, ${scale.dtype} [${scale.shape}], is no scale of NVFP4 or MXFP4 for ${name} [${shape}]: other formats are not read`,
    );
  }
  return {
    name: weightName,
    weight: {
      format,
      shape: [rows, columns],
      dtype: plainDtype(source),
      scales: await storedPart(source, scale.name),
      globalScale:
        globalScale === undefined
          ? 1
          : (toFloat32(await readTensor(source, globalScale), "F32")[0] as number),
    },
    parts: [scale.name, ...(globalScale === undefined ? [] : [globalScale])],
  };
}

async function inputMajor(
  source: Checkpoint,
  { name, dtype, shape }: TensorInfo,
  zeroPointsLess: number,
): Promise<FoundWeight | undefined> {
  if (!name.endsWith(".qweight") || dtype !== "I32" || shape.length !== 2) return undefined;
  const module = name.replace(/\.qweight$/, "");
  const scales = companion(source, name, `${module}.scales`);
  const zeroPoints = companion(source, name, `${module}.qzeros`);
  const groupIndices = source.tensors.get(`${module}.g_idx`);
  const [down, along] = shape as [number, number];
  const outputs = scales.shape[1] as number;
  const format = along === outputs ? "gptq" : "awq";
  const inputs = format === "gptq" ? down * 8 : down;
  if (format === "awq" && along * 8 !== outputs) {
    throw new QuantizationError(
      `${name} of shape [${shape}] does not hold numbers of 4 bits for ${outputs} output features: other widths are not read`,
    );
  }
  return {
    name: `${module}.weight`,
    weight: {
      format,
      shape: [outputs, inputs],
      dtype: plainDtype(source),
      scales: await storedPart(source, scales.name),
      scaleDtype: scales.dtype as FloatDtype,
      zeroPoints: await storedPart(source, zeroPoints.name),
      zeroPointsLess: format === "gptq" ? zeroPointsLess : 0,
      ...(groupIndices === undefined ? {} : { groupIndices: await storedPart(source, groupIndices.name) }),
    },
    parts: [scales.name, zeroPoints.name, ...(groupIndices === undefined ? [] : [groupIndices.name])],
  };
}

/** GPTQ's first format stores zero points less 1, its second as they are; the configuration tells which it is. */
async function gptqZeroPointsLess(source: Checkpoint): Promise<0 | 1> {
  const bytes = await source.readSibling("config.json");
  if (bytes === undefined) return 1;
  const config = JSON.parse(new TextDecoder().decode(bytes)) as {
    readonly quantization_config?: { readonly checkpoint_format?: unknown; readonly format?: unknown };
  };
  const { checkpoint_format, format } = config.quantization_config ?? {};
  return (checkpoint_format ?? format) === "gptq_v2" ? 0 : 1;
}

/** The dtype of the weights that are stored plainly, for formats that do not tell what theirs was. */
function plainDtype(source: Checkpoint): FloatDtype {
  for (const { name, dtype } of source.tensors.values()) {
    if (name.endsWith(".weight") && (dtype === "F32" || dtype === "F16" || dtype === "BF16")) return dtype;
  }
  return "BF16";
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
