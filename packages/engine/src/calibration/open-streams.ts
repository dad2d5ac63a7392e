import { type Block, describeModel, modelForward } from "@vlmopt/models";
import type { Checkpoint } from "@vlmopt/tensor-io";
import type { Executor } from "../executors/executor.ts";
import { imageSight } from "../image-features.ts";
import type { Platform } from "../platform.ts";
import { preparedOnce } from "../prepared-once.ts";
import { readConfig } from "../read-json.ts";
import { modelWeights } from "../weights/model-weights.ts";
import { replacedWeights } from "../weights/replaced-weights.ts";
import { type CalibrationData, type DataOptions, readCalibrationData } from "./calibration-data.ts";
import { decoderStreams } from "./decoder-streams.ts";

export interface StreamOptions extends DataOptions {
  /** ONNX Runtime with activations in F32 unless told; in a browser the graphics card. */
  readonly executor?: Executor;
}

/** A checkpoint's decoder, and what it reads. */
export async function openStreams(
  platform: Platform,
  checkpoint: Checkpoint,
  data: CalibrationData,
  { executor: given, ...options }: StreamOptions,
) {
  const config = await readConfig(checkpoint);
  const executor = given ?? (await platform.executor());
  const weights = await modelWeights(checkpoint);
  const description = describeModel(config, weights.specs);
  const forward = modelForward(config, description);
  const prepared = preparedOnce(executor, replacedWeights(weights));
  const sight = imageSight(prepared, description, forward);
  const model = { description, forward };
  const sequences = await readCalibrationData(
    checkpoint,
    model,
    sight,
    platform.decodeImage,
    data,
    options,
  ).finally(prepared.release);
  const streams = decoderStreams(executor, weights, forward, sequences, options.signal);
  return { description, forward, weights, sequences, streams };
}

/** The parts of a layer that add to the residual stream, in order. */
export function blocksOf(layer: number): Block[] {
  return [
    { layer, kind: "attention" },
    { layer, kind: "mlp" },
  ];
}
