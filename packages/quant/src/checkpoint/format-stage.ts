import { CheckpointError, type CreateStage, type Stage, type TensorSpec } from "@vlmopt/tensor-io";
import type { Format } from "../formats/format.ts";
import { formatNamed, formats } from "../formats/formats.ts";
import type { QuantizedWeight } from "../formats/quantized-weight.ts";
import type { Scheme } from "../formats/scheme.ts";
import { type FloatDtype, NonFiniteWeightError } from "../weights.ts";
import { loadPart, loadParts } from "./load-parts.ts";
import { measureInto } from "./squared-error.ts";
import type { StoredPart } from "./stored-part.ts";

/** What worker threads are told. */
export type FormatStageOptions =
  | {
      readonly scheme: Scheme;
      /** Where squared errors are added up, and the tensor's place there. */
      readonly sums?: SharedArrayBuffer;
      readonly index: number;
      /** See `Encoding`. */
      readonly magnitude?: number;
    }
  | { readonly weight: QuantizedWeight; readonly target: FloatDtype }
  /** What was encoded before, which takes the place of the rows. */
  | { readonly encoded: readonly StoredPart[] };

/** What a module of formats exports as `createStage`, so that worker threads encode and decode by them. */
export function formatStage(among: readonly Format[]): CreateStage<unknown> {
  return (input, options) => {
    const told = options as FormatStageOptions;
    if ("encoded" in told) return storedStage(told.encoded);
    if ("weight" in told)
      return formatNamed(told.weight.format, among).decode(loadParts(told.weight), told.target);
    const { scheme, sums, index, magnitude } = told;
    const how = { measure: measureInto(sums, index), magnitude };
    return namingNonFinite(input, formatNamed(scheme.format, among).encode(input, scheme, how));
  };
}

/** Stage module of vlmopt's own formats. */
export const createStage = formatStage(formats);

function storedStage(parts: readonly StoredPart[]): Stage {
  const nothing = parts.map(() => new Uint8Array(0));
  return { push: () => nothing, finish: () => parts.map(loadPart) };
}

/** A weight that cannot be quantized is told by tensor and place. */
function namingNonFinite(tensor: TensorSpec, { push, finish }: Stage): Stage {
  let weightsBefore = 0;
  const named = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof NonFiniteWeightError)) throw error;
      throw notFinite(tensor, weightsBefore + error.index, error.value);
    }
  };
  const rowLength = tensor.shape.slice(1).reduce((product, size) => product * size, 1);
  return {
    push(rows, firstRow) {
      weightsBefore = firstRow * rowLength;
      return named(() => push(rows, firstRow));
    },
    ...(finish === undefined
      ? {}
      : {
          finish() {
            weightsBefore = 0;
            return named(finish);
          },
        }),
  };
}

function notFinite(tensor: TensorSpec, index: number, value: number): CheckpointError {
  const columns = tensor.shape.at(-1) ?? 1;
  return new CheckpointError(
    "unsupported-conversion",
    `weight [${Math.floor(index / columns)}, ${index % columns}] is ${value}, which cannot be quantized`,
    { tensor: tensor.name, hint: "mend the checkpoint, or keep this tensor as it is" },
  );
}
