import {
  byteLengthOf,
  type Checkpoint,
  readRows,
  type TensorInfo,
  type TensorOutput,
  type Transform,
} from "@vlmopt/tensor-io";
import { largestOf } from "../largest-magnitude.ts";
import type { FloatDtype } from "../weights.ts";
import { QuantizationError } from "./quantization-error.ts";
import type { QuantizationPlan } from "./quantization-plan.ts";

/** Bytes of a tensor that are read at once. */
const BLOCK_BYTES = 8 * 2 ** 20;

/**
 * The largest magnitude among each of the plan's `joined` sets, for each of its tensors. Reads them, before the pass that quantizes.
 * @param before what becomes of the checkpoint before the plan is carried out; it must not make weights larger
 * @throws {QuantizationError} where the checkpoint lacks one
 */
export async function joinedMagnitudes(
  source: Checkpoint,
  plan: QuantizationPlan,
  before: Transform = () => undefined,
): Promise<ReadonlyMap<string, number>> {
  const origins = plan.joined.length === 0 ? new Map<string, TensorInfo>() : originsOf(source, before);
  const magnitudes = new Map<string, number>();
  for (const names of plan.joined) {
    let largest = 0;
    for (const name of names) {
      const tensor = origins.get(name);
      if (tensor === undefined) throw new QuantizationError(`nothing in ${source.location} becomes ${name}`);
      largest = Math.max(largest, await largestMagnitudeOf(source, tensor));
    }
    for (const name of names) magnitudes.set(name, largest);
  }
  return magnitudes;
}

/** What tensors are made of, by the name that they will have. */
function originsOf(source: Checkpoint, before: Transform): Map<string, TensorInfo> {
  const origins = new Map<string, TensorInfo>();
  const add = (tensor: TensorInfo, { name, edit }: TensorOutput) => {
    if (edit === undefined) origins.set(name, tensor);
    else for (const further of edit.outputs) add(tensor, further);
  };
  for (const tensor of source.tensors.values()) {
    const edit = before(tensor);
    if (edit === undefined) origins.set(tensor.name, tensor);
    else for (const output of edit.outputs) add(tensor, output);
  }
  return origins;
}

async function largestMagnitudeOf(source: Checkpoint, { name, dtype, shape }: TensorInfo): Promise<number> {
  const rows = shape[0] ?? 1;
  const rowsAtOnce = Math.max(1, Math.floor(BLOCK_BYTES / byteLengthOf(dtype, shape.slice(1))));
  let largest = 0;
  for (let begin = 0; begin < rows; begin += rowsAtOnce) {
    const bytes = await readRows(source, name, begin, Math.min(rows, begin + rowsAtOnce));
    largest = Math.max(largest, largestOf({ dtype: dtype as FloatDtype, bytes }));
  }
  return largest;
}
