import { CheckpointError, type Stage, type TensorOutput, type TensorSpec } from "@vlmopt/tensor-io";
import { NonFiniteWeightError } from "../weights.ts";
import { bitsandbytesOutputs, bitsandbytesStage } from "./bitsandbytes-4bit.ts";
import { e2m1PackedOutputs, e2m1PackedStage } from "./e2m1-packed.ts";
import { inputMajorOutputs, inputMajorStage } from "./gptq-awq.ts";
import { intQuantizedOutputs, intQuantizedStage } from "./int-quantized.ts";
import { packQuantizedOutputs, packQuantizedStage } from "./pack-quantized.ts";
import type { Scheme } from "./scheme.ts";
import { type Measure, measureInto } from "./squared-error.ts";

export interface QuantizeStageOptions {
  readonly scheme: Scheme;
  /** Where squared errors are added up, and the tensor's place there. */
  readonly sums?: SharedArrayBuffer;
  readonly index: number;
  /** The largest magnitude that a scale of the whole tensor is to hold, where that is not its own. */
  readonly magnitude?: number;
}

/** The tensors that take a weight's place. */
export function outputsOf(tensor: TensorSpec, scheme: Scheme): TensorOutput[] {
  switch (scheme.format) {
    case "pack-quantized":
      return packQuantizedOutputs(tensor, scheme);
    case "int-quantized":
      return intQuantizedOutputs(tensor, scheme);
    case "bitsandbytes":
      return bitsandbytesOutputs(tensor, scheme);
    case "gptq":
    case "awq":
      return inputMajorOutputs(tensor, scheme);
    case "nvfp4-pack-quantized":
    case "mxfp4-pack-quantized":
      return e2m1PackedOutputs(tensor, scheme);
  }
}

/** Stage module of quantization. */
export function createStage(input: TensorSpec, options: unknown): Stage {
  const { scheme, sums, index, magnitude } = options as QuantizeStageOptions;
  return namingNonFinite(input, stageOf(input, scheme, measureInto(sums, index), magnitude));
}

function stageOf(tensor: TensorSpec, scheme: Scheme, measure: Measure, magnitude: number | undefined): Stage {
  switch (scheme.format) {
    case "pack-quantized":
      return packQuantizedStage(tensor, scheme, measure);
    case "int-quantized":
      return intQuantizedStage(tensor, scheme, measure);
    case "bitsandbytes":
      return bitsandbytesStage(tensor, scheme, measure);
    case "gptq":
    case "awq":
      return inputMajorStage(tensor, scheme, measure);
    case "nvfp4-pack-quantized":
    case "mxfp4-pack-quantized":
      return e2m1PackedStage(tensor, scheme, measure, magnitude);
  }
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
