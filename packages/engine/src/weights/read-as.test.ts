import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadModel, ortExecutor, plainExecutor } from "@vlmopt/engine";
import { openCheckpoint, rewriteCheckpoint } from "@vlmopt/tensor-io";
import { expect, test } from "vitest";
import { goldenAnswer, largestDifference } from "../test-support/golden-answer.ts";
import { fixture, modelGoldens } from "../test-support/goldens.ts";

test.each(["F8_E4M3", "F8_E5M2", "F64"] as const)(
  "weights of %s are read from files as any",
  async (dtype) => {
    const folder = await mkdtemp(join(tmpdir(), "vlmopt-engine-"));
    try {
      await using source = await openCheckpoint(fixture("gemma2"));
      await rewriteCheckpoint(source, undefined, join(folder, "out"), { dtype, workers: 0 });
      await using checkpoint = await openCheckpoint(join(folder, "out"));
      const [golden] = modelGoldens.gemma2 ?? [];
      if (golden === undefined) throw new RangeError("there is no golden of gemma2");
      const answers = [];
      for (const executor of [plainExecutor(), ortExecutor({ activations: "float32", threads: 1 })]) {
        const model = await loadModel(checkpoint, executor);
        answers.push(await goldenAnswer(model, golden, 8));
        await model.release();
      }
      const [plain, ort] = answers as [(typeof answers)[0], (typeof answers)[0]];
      expect(largestDifference(ort.logits, plain.logits)).toBeLessThan(1e-4);
      if (dtype === "F64") expect(largestDifference(ort.logits, golden.logits.flat())).toBeLessThan(1e-4);
      expect(ort.greedy).toEqual(plain.greedy);
    } finally {
      await rm(folder, { recursive: true });
    }
  },
);
