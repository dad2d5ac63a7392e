import { basename, resolve } from "node:path";
import {
  type Recovery,
  type RecoveryRecord,
  type RecoveryWay,
  recoverCheckpoint,
  recoveryFolder,
  type StepReport,
} from "@vlmopt/recover";
import type { Checkpoint } from "@vlmopt/tensor-io";
import { resumable } from "../terminal/interrupt.ts";
import { byteProgress, type Progress, stepProgress } from "../terminal/progress.ts";
import { formatBytes, formatDuration } from "../terminal/quantities.ts";
import { type CalibrateOptions, calibrateSpec } from "./calibrate-option.ts";

export interface RecoverWithProgress extends CalibrateOptions {
  /** Path of the teacher. */
  readonly teacherPath: string;
  readonly executor?: "ort" | "webgpu" | "tfjs" | undefined;
  readonly threads?: number | undefined;
  /** Seconds between states that are kept. */
  readonly keepEvery?: number | undefined;
  readonly shardSize?: number | undefined;
  readonly force: boolean;
  readonly json: boolean;
}

const wayNames: Readonly<Record<RecoveryWay, string>> = {
  whole: "all weights of the layers learn",
  lora: "low-rank matrices beside the linears learn",
  layers: "one layer after the other learns",
  projector: "the projector alone learns",
};

/**
 * Lets a student learn from its teacher, with a line a step.
 * @returns undefined where it was interrupted, which is told
 */
export async function recoverWithProgress(
  student: Checkpoint,
  teacher: Checkpoint,
  output: string,
  recovery: Recovery,
  { teacherPath, executor, threads, keepEvery, shardSize, force, json, ...data }: RecoverWithProgress,
): Promise<RecoveryRecord | undefined> {
  const answering = stepProgress(json);
  let writing: Progress | undefined;
  const say = (line: string) => {
    if (!json) process.stderr.write(`${line}\n`);
  };
  const said = `interrupted; what was learned is kept in ${recoveryFolder(output)}: run the same command to go on`;
  try {
    return await resumable(
      (signal) =>
        recoverCheckpoint(student, teacher, output, recovery, {
          signal,
          overwrite: force,
          baseModel: basename(resolve(teacherPath)),
          ...(shardSize === undefined ? {} : { shardSize }),
          ...(keepEvery === undefined ? {} : { keepEvery: 1000 * keepEvery }),
          teaching: async () => {
            const { modelTeaching, openCalibrationSet } = await import("@vlmopt/bench");
            const set = await openCalibrationSet(await calibrateSpec(data), "pictures");
            return modelTeaching(student, teacher, teacherPath, set, {
              executor,
              threads,
              signal,
              onAnswers: (done, total) => answering.update("answering", done, total, true),
            });
          },
          onWay: ({ way, bytes }) => say(`${wayNames[way]}, in some ${formatBytes(bytes)} of memory`),
          onStep(report, layer) {
            answering.stop();
            say(stepLine(report, layer));
          },
          onProgress: ({ bytes, totalBytes }) => {
            writing ??= byteProgress("writing", json);
            writing.update(bytes, totalBytes);
          },
        }),
      said,
    );
  } finally {
    answering.stop();
    writing?.stop();
  }
}

function stepLine(
  { step, steps, loss, tokensPerSecond, heldOutLoss, left }: StepReport,
  layer: { readonly index: number; readonly of: number } | undefined,
): string {
  const parts = [
    ...(layer === undefined ? [] : [`layer ${layer.index + 1} of ${layer.of}`]),
    `step ${step}${steps === undefined ? "" : ` of ${steps}`}`,
    `loss ${loss.toPrecision(4)}`,
    ...(heldOutLoss === undefined ? [] : [`held out ${heldOutLoss.toPrecision(4)}`]),
    `${Math.round(tokensPerSecond)} tokens/s`,
    ...(left === undefined ? [] : [`${formatDuration(left / 1000)} left`]),
  ];
  return parts.join("  ");
}

/** Says in words how much nearer the student came to its teacher. */
export function recoverySummary({ loss, lessons }: RecoveryRecord): string {
  const steps = lessons.reduce((sum, lesson) => sum + lesson.steps, 0);
  const ends = {
    done: "",
    "no better": ", the last tests no better",
    "not finite": ", then a loss was not finite",
  };
  const end = ends[lessons.at(-1)?.end ?? "done"];
  return loss.after < loss.before
    ? `divergence from the teacher on data held out: ${loss.before.toPrecision(4)} → ${loss.after.toPrecision(4)} nats a token, after ${steps} steps${end}`
    : `nothing better than what came in (${loss.before.toPrecision(4)} nats a token from the teacher, on data held out) was found in ${steps} steps${end}: the weights stay as they were`;
}
