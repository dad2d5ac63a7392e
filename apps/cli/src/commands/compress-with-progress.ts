import {
  type Compressed,
  type Compression,
  type CompressOptions,
  compressCheckpoint,
  needsData,
  workFolder,
} from "@vlmopt/compress";
import type { Checkpoint } from "@vlmopt/tensor-io";
import { resumable } from "../terminal/interrupt.ts";
import { byteProgress, type Progress, stepProgress } from "../terminal/progress.ts";
import { type CalibrateOptions, calibrateSpec } from "./calibrate-option.ts";

export interface CompressWithProgress
  extends CalibrateOptions,
    Omit<CompressOptions, "calibration" | "onBlock" | "onMeasured"> {
  readonly input: string;
  readonly executor: "ort" | "webgpu";
  readonly threads?: number | undefined;
  readonly json: boolean;
}

/**
 * Compresses a model on data that it reads meanwhile, and shows how far that is.
 * @returns undefined where it was interrupted, which is told
 */
export async function compressWithProgress(
  source: Checkpoint,
  spec: Compression,
  output: string,
  { input, executor, threads, json, calibrate, split, samples, ...options }: CompressWithProgress,
): Promise<Compressed | undefined> {
  const answering = stepProgress(json);
  const measuring = stepProgress(json);
  const compressing = stepProgress(json);
  // Begins once there is something to write: it tells the time since.
  let writing: Progress | undefined;
  const said =
    needsData(spec) || options.quantize?.method !== undefined
      ? `interrupted; blocks that are done are kept in ${workFolder(output)}: run the same command to go on`
      : "interrupted; nothing was written";
  try {
    return await resumable(
      (signal) =>
        compressCheckpoint(source, spec, output, {
          ...options,
          signal,
          calibration: async () => {
            const { modelCalibration, openCalibrationSet } = await import("@vlmopt/bench");
            const set = await openCalibrationSet(await calibrateSpec({ calibrate, split, samples }));
            return modelCalibration(source, input, set, {
              executor,
              threads,
              signal,
              onAnswers: (done, total) => answering.update("answering", done, total, true),
            });
          },
          onMeasured: (done, total) => {
            answering.stop();
            measuring.update("measuring", done, total, true);
          },
          onBlock: (done, total, resumed) => {
            answering.stop();
            measuring.stop();
            compressing.update("compressing", done, total, !resumed);
          },
          onProgress: ({ bytes, totalBytes }) => {
            compressing.stop();
            writing ??= byteProgress("writing", json);
            writing.update(bytes, totalBytes);
          },
        }),
      said,
    );
  } finally {
    answering.stop();
    measuring.stop();
    compressing.stop();
    writing?.stop();
  }
}
