import { stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { CalibrateSpec } from "@vlmopt/bench";

export interface CalibrateOptions {
  readonly calibrate?: string | undefined;
  readonly split?: string | undefined;
  readonly samples?: number | undefined;
}

/** What `--calibrate` names: a text, a file or folder of questions, or a set of the hub. */
export async function calibrateSpec({
  calibrate,
  split,
  samples = 128,
}: CalibrateOptions): Promise<CalibrateSpec> {
  if (calibrate === undefined || calibrate === "own") return "own";
  const chosen = split === undefined ? {} : { split };
  const [, hub] = /^hub:([^/]+\/[^/]+)$/.exec(calibrate) ?? [];
  if (hub !== undefined) return { hub, ...chosen, samples };
  const isFile = await stat(calibrate).then(
    (found) => found.isFile(),
    () => false,
  );
  if (/\.(txt|md)$/i.test(calibrate)) return { text: calibrate, samples };
  if (!isFile) return { folder: calibrate, ...chosen, samples };
  return { folder: dirname(calibrate), files: [basename(calibrate)], ...chosen, samples };
}
