import { type ClipEncoder, clipScore } from "@vlmopt/metrics";
import { describe, expect, it } from "vitest";

/** Pictures are degrees; texts end in theirs. */
const encoder: ClipEncoder<number> = {
  name: "degrees",
  encodeImages: async (images) => images.map((degrees) => at(degrees, 3)),
  encodeTexts: async (texts) => texts.map((text) => at(Number(text.split(" ").at(-1)), 0.5)),
};
const at = (degrees: number, length: number) =>
  Float32Array.of(length * Math.cos(radians(degrees)), length * Math.sin(radians(degrees)));
const radians = (degrees: number) => (degrees * Math.PI) / 180;

describe("CLIPScore", () => {
  const metric = clipScore({ encoder, batchSize: 2 });

  it("is 2.5 times the cosine, and nothing where that is negative", async () => {
    const { items, aggregate } = await metric.corpus(["90", "80", "180"], [30, 20, 0]);
    const values = items.map(({ clipscore }) => clipscore);
    expect(values).toEqual([expect.closeTo(1.25, 6), expect.closeTo(1.25, 6), 0]);
    expect(aggregate.clipscore).toBeCloseTo(2.5 / 3, 6);
  });

  it("is joined with the best reference by the harmonic mean", async () => {
    const { items } = await metric.corpus(["90", "90"], [30, 30], [["0", "150", "200"], ["270"]]);
    // 1.25 and cos 60° = 0.5: 2 · 1.25 · 0.5 / 1.75.
    expect(items[0]?.refclipscore).toBeCloseTo(1.25 / 1.75, 6);
    expect(items[1]?.refclipscore).toBe(0);
  });

  it("puts the authors' words before every text and says so", async () => {
    const seen: string[] = [];
    const listening = clipScore({
      encoder: {
        ...encoder,
        encodeTexts: (texts) => {
          seen.push(...texts);
          return encoder.encodeTexts(texts);
        },
      },
    });
    await listening.corpus(["10", "10"], [0, 0], [["20"], ["10"]]);
    expect(seen).toEqual(["A photo depicts 10", "A photo depicts 20"]);
    expect(listening.signature).toBe(
      "clipscore|model:degrees|weight:2.5|prefix:A-photo-depicts|version:0.1.0",
    );
  });

  it("wants a picture for every prediction", async () => {
    await expect(metric.corpus(["10", "20"], [0])).rejects.toThrow("there are 2 predictions and 1 images");
  });
});
