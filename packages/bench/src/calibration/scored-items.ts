import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { BenchError } from "../bench-error.ts";
import type { DataItem } from "../run/data-item.ts";
import type { CalibrationSet } from "./calibration-set.ts";

/**
 * What is scored must be new to a model: no question may be one that it was calibrated on.
 * @param folder of the run, where the pictures are
 * @throws {BenchError} where some are
 */
export async function assertUnseen(
  set: CalibrationSet,
  scored: readonly DataItem[],
  folder: string,
): Promise<void> {
  if (set.kind !== "questions") return;
  const hashes = new Map<string, string>();
  for (const image of scored.flatMap(({ images }) => images)) {
    if (!hashes.has(image)) {
      hashes.set(
        image,
        createHash("sha256")
          .update(await readFile(join(folder, image)))
          .digest("hex"),
      );
    }
  }
  const seen = new Set(
    scored.flatMap(({ images, question }) =>
      images.map((image) => `${hashes.get(image)} ${question.trim()}`),
    ),
  );
  const both = set.questions.filter(({ pictureHash, question }) =>
    seen.has(`${pictureHash} ${question.trim()}`),
  );
  const [first] = both;
  if (first === undefined) return;
  throw new BenchError(
    `${both.length} of the ${set.questions.length} questions to calibrate on are among those that are scored, the first: ${first.place}: ${JSON.stringify(first.question.slice(0, 200))}`,
    "calibrate on another split, or on the model's own answers",
  );
}
