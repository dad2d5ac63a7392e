import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Compressed, type Compression, defaultQuantizationMethod } from "@vlmopt/compress";
import type { RecoveryRecord } from "@vlmopt/recover";
import { type Checkpoint, openCheckpoint } from "@vlmopt/tensor-io";
import { type CompressWithProgress, compressWithProgress } from "./compress-with-progress.ts";
import { recoverWithProgress } from "./recover-with-progress.ts";

/** Questions that a student learns from where nobody says how many. */
const RECOVERY_SAMPLES = 2048;
/** In the pruned model: what it was made of. */
const MADE = "made.json";

/**
 * Prunes a model, lets the result learn from the model as it came, and quantizes what that gives. Steps that are done lie beside the output until
 * all are.
 * @param seconds that it may learn
 * @returns undefined where it was interrupted, which is told
 */
export async function compressAndRecover(
  source: Checkpoint,
  spec: Compression,
  output: string,
  seconds: number,
  options: CompressWithProgress,
): Promise<(Compressed & { readonly recovery: RecoveryRecord }) | undefined> {
  const { quantize, input, calibrate, split, samples, threads, json } = options;
  const data = { calibrate, split };
  const made = JSON.stringify({ spec, input, ...data, samples });
  const [pruned, recovered] = [`${output}.pruned`, `${output}.recovered`];
  let compressed: Compressed | undefined;
  if ((await readFile(join(pruned, MADE), "utf8").catch(() => undefined)) !== made) {
    compressed = await compressWithProgress(source, spec, pruned, {
      ...options,
      quantize: undefined,
      overwrite: true,
      files: { [MADE]: made },
    });
    if (compressed === undefined) return undefined;
  }
  await using student = await openCheckpoint(pruned);
  const recovery = await recoverWithProgress(
    student,
    source,
    quantize === undefined ? output : recovered,
    { time: 1000 * seconds },
    {
      ...{ ...data, samples: samples ?? RECOVERY_SAMPLES, teacherPath: input, threads, json },
      ...{ shardSize: options.shardSize, force: options.overwrite === true || quantize !== undefined },
    },
  );
  if (recovery === undefined) return undefined;
  const plan = compressed?.plan ?? JSON.parse(await readFile(join(pruned, "pruning.json"), "utf8"));
  let result: Compressed = {
    plan,
    reports: compressed?.reports ?? [],
    notes: compressed?.notes ?? [],
    quantization: undefined,
  };
  if (quantize !== undefined) {
    await using learned = await openCheckpoint(recovered);
    const method = quantize.method ?? defaultQuantizationMethod;
    const last = await compressWithProgress(learned, {}, output, {
      ...options,
      input: recovered,
      quantize: { ...quantize, method },
    });
    if (last === undefined) return undefined;
    result = { ...result, quantization: last.quantization };
    await rm(recovered, { recursive: true, force: true });
  }
  await rm(pruned, { recursive: true, force: true });
  return { ...result, recovery };
}
