import type { CalibrationWalk, FinalNormSums, Replacements } from "@vlmopt/models";
import { memorySink, memorySource, openSources, writeCheckpoint } from "@vlmopt/tensor-io";
import { describe, expect, test } from "vitest";
import { fitFinalNorm } from "./fit-final-norm.ts";

/** A model of a gain alone. */
async function gainOf(values: readonly number[]) {
  const sink = memorySink();
  const bytes = new Uint8Array(Float32Array.from(values).buffer);
  await writeCheckpoint([{ name: "norm.weight", dtype: "F32", shape: [values.length], bytes }], sink);
  return openSources([...sink.files].map(([name, file]) => memorySource(file, name)));
}

function walkOf(sums: FinalNormSums | undefined, lossOf: (gain: readonly number[] | undefined) => number) {
  const loss = async (replacements?: Replacements) => {
    const gain = replacements?.get("norm.weight")?.data;
    return lossOf(gain && [...gain]);
  };
  return { finalNorm: async () => sums, loss } as Partial<CalibrationWalk> as CalibrationWalk;
}

describe("the final norm", () => {
  const sums = {
    weight: "norm.weight",
    offset: 0,
    cross: Float64Array.of(6, 2, 0),
    squares: Float64Array.of(8, 2, 0),
  };
  const falls = (gain: readonly number[] | undefined) => (gain === undefined ? 2 : 1.5);

  test("gets the gain of least squares; channels that are always 0 keep theirs", async () => {
    const fitted = await fitFinalNorm(await gainOf([2, 3, 4]), walkOf(sums, falls));
    expect([...(fitted?.replacements.get("norm.weight")?.data ?? [])]).toEqual([1.5, 3, 4]);
    expect(fitted?.loss).toEqual({ before: 2, after: 1.5 });
  });

  test("of Gemma is stored less one", async () => {
    const fitted = await fitFinalNorm(await gainOf([1, 1, 1]), walkOf({ ...sums, offset: 1 }, falls));
    expect([...(fitted?.replacements.get("norm.weight")?.data ?? [])]).toEqual([0.5, 1, 1]);
  });

  test("stays where the loss would not fall, and where there is none", async () => {
    expect(
      await fitFinalNorm(
        await gainOf([2, 3, 4]),
        walkOf(sums, () => 2),
      ),
    ).toBeUndefined();
    expect(await fitFinalNorm(await gainOf([2, 3, 4]), walkOf(undefined, falls))).toBeUndefined();
  });
});
