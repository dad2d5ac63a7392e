import { compressionSchema, contradictions, needsData } from "@vlmopt/compress";
import { describe, expect, test } from "vitest";

describe("a compression", () => {
  test.each([
    [{ glu: 0.3, keepNeurons: 64 }, "glu and keepNeurons both say how many neurons stay: give one of them"],
    [{ layers: 2, dropLast: 1 }, "layers and dropLast both say which layers go: give one of them"],
    [{ divisor: 8 }, "divisor says nothing without glu or keepNeurons or expansion"],
    [{ kvGroups: true }, "kvGroups says nothing without heads"],
    [{ layers: 2, byWeights: true }, "layers needs data to tell which layers change least"],
    [{ glu: 0.3, method: "obd", byWeights: true }, "the score obd needs data, which byWeights does without"],
    [{ heads: 0.5, headsMode: "seed" }, "headsMode seed averages the scores of all layers"],
    [{ glu: 0.3, method: "mow" }, "mow is no score of neurons; there are obd, obs, wifv"],
    [{ glu: 1.3 }, "is a share between 0 and 1"],
    [{ gluu: 0.3 }, 'Unrecognized key: "gluu"'],
  ])("%j is refused", (spec, message) => {
    expect(
      compressionSchema
        .safeParse(spec)
        .error?.issues.map((issue) => issue.message)
        .join(),
    ).toContain(message);
  });

  test("tells contradictions by the names that a user knows", () => {
    expect(contradictions({ glu: 0.3, keepNeurons: 64 }, (key) => `--${key.toLowerCase()}`)).toEqual([
      "--glu and --keepneurons both say how many neurons stay: give one of them",
    ]);
  });

  test.each([
    [{ glu: 0.3 }, true],
    [{ glu: 0.3, byWeights: true }, false],
    [{ l1: 0.3 }, false],
    [{ heads: 0.3 }, true],
    [{ dropLayers: [3] }, true],
  ])("%j needs data: %s", (spec, needs) => {
    expect(needsData(compressionSchema.parse(spec))).toBe(needs);
  });
});
