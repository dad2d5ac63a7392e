import { type Checkpoint, elementCount, readTensor, type TensorInfo } from "@vlmopt/tensor-io/browser";
import { blockSizeOf, ggmlBytes } from "../gguf/ggml-type.ts";
import { storedAs } from "../gguf/stored-name.ts";
import { QuantizationError } from "./quantization-error.ts";

/**
 * How many weights each tensor of a checkpoint stands for, by its name: those that are packed count as the numbers they hold, and what only
 * decodes them (scales, zero points, codebooks, shapes) counts as none. Reads headers, and the few bytes in which formats tell shapes.
 * @throws {QuantizationError} where a packed weight does not tell its shape
 */
export async function weightCounts(source: Checkpoint): Promise<ReadonlyMap<string, number>> {
  const bits = await bitsOf(source);
  const counts = await Promise.all(
    [...source.tensors.values()].map(
      async (tensor) => [tensor.name, await weightsIn(source, tensor, bits)] as const,
    ),
  );
  return new Map(counts);
}

async function weightsIn(source: Checkpoint, tensor: TensorInfo, bits: number): Promise<number> {
  const { name, dtype, shape } = tensor;
  const block = dtype === "U8" ? storedAs(name)?.type : undefined;
  if (block !== undefined)
    return (elementCount(shape) * blockSizeOf(block)) / ggmlBytes(block, blockSizeOf(block));
  if (decodes(source, name)) return 0;
  const elements = elementCount(shape);
  if (name.endsWith(".weight_packed")) {
    // Two numbers of FP4 a byte.
    if (dtype === "U8") return 2 * elements;
    return productAt(source, name.replace(/_packed$/, "_shape"));
  }
  if (name.endsWith(".qweight") && dtype === "I32") return (elements * 32) / bits;
  const state = quantState(source, name);
  return state === undefined ? elements : shapeInState(source, state);
}

/** Whether a tensor says only how another one is read. */
function decodes({ tensors }: Checkpoint, name: string): boolean {
  const has = (other: string) => tensors.has(other);
  const few = (other: string) => /^(I8|U8|F8_)/.test(tensors.get(other)?.dtype ?? "");
  const [, module = "", part = ""] = /^(.*)\.([^.]+)$/.exec(name) ?? [];
  if (
    /^weight_(scale|scale_inv|zero_point|shape|global_scale|g_idx)$|^input_(scale|global_scale|zero_point)$/.test(
      part,
    )
  )
    return has(`${module}.weight_packed`) || few(`${module}.weight`);
  if (part === "scales" || part === "qzeros" || part === "g_idx") return has(`${module}.qweight`);
  if (part === "SCB" || part === "weight_format") return few(`${module}.weight`);
  const [, weight] =
    /^(.*)\.(?:absmax|quant_map|nested_absmax|nested_quant_map|quant_state\..*)$/.exec(name) ?? [];
  return weight !== undefined && quantState({ tensors }, weight) !== undefined;
}

function quantState({ tensors }: Pick<Checkpoint, "tensors">, weight: string): string | undefined {
  return ["nf4", "fp4"]
    .map((kind) => `${weight}.quant_state.bitsandbytes__${kind}`)
    .find((name) => tensors.has(name));
}

async function shapeInState(source: Checkpoint, name: string): Promise<number> {
  const json = new TextDecoder().decode(await readTensor(source, name));
  const { shape } = JSON.parse(json) as { readonly shape?: unknown };
  if (Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size))) return elementCount(shape);
  throw new QuantizationError(`${name} tells no shape of its weight`);
}

async function productAt(source: Checkpoint, name: string): Promise<number> {
  if (source.tensors.get(name)?.dtype !== "I64")
    throw new QuantizationError(
      `${name}, the shape of a packed weight, is not there: the checkpoint is not whole`,
    );
  return elementCount([...new BigInt64Array((await readTensor(source, name)).slice().buffer)].map(Number));
}

/** Of a number of GPTQ's or AWQ's; 4 unless the configuration tells. */
async function bitsOf(source: Checkpoint): Promise<number> {
  const bytes = await source.readSibling("config.json");
  if (bytes === undefined) return 4;
  try {
    const { quantization_config: config } = JSON.parse(new TextDecoder().decode(bytes)) as {
      readonly quantization_config?: { readonly bits?: unknown; readonly w_bit?: unknown } | null;
    };
    const bits = config?.bits ?? config?.w_bit;
    return bits === 2 || bits === 3 || bits === 8 ? bits : 4;
  } catch {
    return 4;
  }
}
