import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compressCheckpoint } from "@vlmopt/compress";
import { loadVlm, openCalibrationWalk, ortExecutor } from "@vlmopt/engine";
import { fromRanges } from "@vlmopt/pruning";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { afterAll, beforeAll, expect, test } from "vitest";

interface Row {
  readonly image: string;
  readonly question: string;
  readonly answer: string;
}

const fixtures = fileURLToPath(new URL("../../../../fixtures/", import.meta.url));
const tinyLlava = join(fixtures, "tiny-llava");
const rowsOf = async (name: string): Promise<Row[]> =>
  JSON.parse(await readFile(join(fixtures, "scenes", `${name}.json`), "utf8"));
const picture = ({ image }: Row) => join(fixtures, "scenes", "images", image);
/** By tools/reference/compress_tiny_llava.py. */
const goldens: Readonly<Record<string, { readonly neurons: readonly number[][]; readonly right: number }>> =
  JSON.parse(await readFile(new URL("../../goldens/compressed-tiny-llava.json", import.meta.url), "utf8"));

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "vlmopt-compressed-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test.each(Object.keys(goldens))(
  "tiny-llava without %f of its neurons answers as many questions right as what PyTorch makes of it, to one of 300",
  async (ratio) => {
    const golden = goldens[ratio];
    const executor = ortExecutor({ activations: "float32" });
    const source = await openCheckpoint(tinyLlava);
    const items = (await rowsOf("calibration")).map((row) => ({
      prompt: row.question,
      images: [picture(row)],
      answer: row.answer,
    }));
    const output = join(folder, ratio);
    const { plan } = await compressCheckpoint(source, { glu: Number(ratio) }, output, {
      baseModel: "tiny-llava",
      calibration: async () => ({
        about: { source: "scenes" },
        fingerprint: "scenes",
        walk: (dropped) => openCalibrationWalk(source, items, { executor, dropped }),
        distances: () => Promise.reject(new Error("no layers go")),
      }),
    });
    await source.close();
    const kept = plan.cuts
      .filter(({ what }) => what === "neurons")
      .map((cut) => new Set(fromRanges(cut.kept)));
    expect(kept).toHaveLength(5);
    const missing = (golden?.neurons ?? []).flatMap((layer, n) =>
      layer.filter((neuron) => !kept[n]?.has(neuron)),
    );
    expect(missing.length).toBeLessThanOrEqual(5);

    const vlm = await loadVlm(output, { executor });
    const test = await rowsOf("test");
    let right = 0;
    for (let first = 0; first < test.length; first += 10) {
      const part = test.slice(first, first + 10);
      const { answers } = await vlm.generateBatch(
        part.map((row) => ({ prompt: row.question, images: [picture(row)] })),
        { maxNewTokens: 64 },
      );
      right += part.filter(({ answer }, n) => answers[n]?.text.trim() === answer.trim()).length;
    }
    await vlm.release();
    expect(Math.abs(right - (golden?.right ?? 0))).toBeLessThanOrEqual(1);
  },
  600_000,
);
