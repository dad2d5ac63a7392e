import { linearAlgebra } from "@vlmopt/pruning";
import { expect, test } from "vitest";
import { imatrix } from "../methods/imatrix.ts";
import { toyCheckpoint, toyLayer, toyWalk } from "../test-support/toy-walk.ts";
import { measureFormats } from "./measure-formats.ts";

const LAYERS = 2;
const layers = Array.from({ length: LAYERS }, (_, index) => toyLayer(index));

const integers = (bits: 2 | 3 | 4) => ({
  format: "pack-quantized",
  bits,
  groupSize: "row",
  zeroPoints: true,
  scales: "search",
});

async function measured(bits: readonly [2 | 3, 3 | 4, 4] = [2, 3, 4]) {
  const source = await toyCheckpoint(LAYERS);
  const { walk, calls } = await toyWalk(source, LAYERS);
  const asked: number[] = [];
  const wholes: number[] = [];
  const found = await measureFormats(
    {
      ...walk,
      async tokenError(replacements) {
        const error = await walk.tokenError(replacements);
        asked.push(error);
        wholes.push(await walk.error(replacements));
        return error;
      },
    },
    source,
    layers,
    {
      schemesOf: (name) =>
        name === "1.gate"
          ? undefined
          : name.startsWith("1.v")
            ? [undefined, integers(bits[1]), integers(bits[2])]
            : bits.map(integers),
      method: imatrix,
      algebra: linearAlgebra(),
    },
  );
  return { found, asked, wholes, calls };
}

test("linears of one input are measured together, on the dense model, once a candidate", async () => {
  const { found, calls } = await measured();
  expect(found.map(({ tensors }) => tensors.join())).toEqual([
    "0.q,0.k,0.v",
    "0.o",
    "0.gate,0.up",
    "0.down",
    "1.q,1.k,1.v",
    "1.o",
    "1.up",
    "1.down",
  ]);
  expect(calls.filter((call) => call.startsWith("advance"))).toHaveLength(2 * LAYERS);
});

test("losses are what the stream becomes wrong by, and fall with bits; what does not fit has none", async () => {
  const { found, asked } = await measured();
  for (const [i, { tensors, losses }] of found.entries()) {
    const [two, three, four] = losses;
    // Of the candidate in the middle it is the stream's error itself.
    expect(three, tensors.join()).toBeCloseTo(asked[i] as number, 12);
    expect(four as number).toBeLessThan(three as number);
    if (tensors.includes("1.v")) expect(two).toBeUndefined();
    else expect(two as number).toBeGreaterThan(three as number);
  }
});

test("the Gram matrix tells what other candidates do to the stream, where a linear adds to it", async () => {
  const byGram = await measured([2, 3, 4]);
  const byStream = await measured([3, 4, 4]);
  for (const [i, { tensors, losses }] of byGram.found.entries()) {
    if (!/^\d\.(o|down)$/.test(tensors.join())) continue;
    const [, three = 0, four = 0] = losses;
    expect(four / three, tensors.join()).toBeCloseTo((byStream.wholes[i] ?? 0) / (byGram.wholes[i] ?? 0), 6);
  }
});
