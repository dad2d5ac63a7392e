import { linearAlgebra, type PrunableLinear } from "@vlmopt/pruning";
import { formatNamed, schemeNamed } from "@vlmopt/quant";
import { tensorNamed } from "@vlmopt/tensor-io";
import { expect, test } from "vitest";
import { withScaledInputs } from "./scale-inputs.ts";
import { readFloats } from "./stored-matrix.ts";
import { toyCheckpoint, toyLayer, toyWalk } from "./test-support/toy-walk.ts";

test("columns grow, what gives them shrinks, and the block gives the same", async () => {
  const source = await toyCheckpoint(1);
  const { walk } = await toyWalk(source, 1);
  const context = { source, walk, algebra: linearAlgebra(), refit: false, signal: undefined };
  const scheme = schemeNamed("int8");
  const roundable = (linears: readonly PrunableLinear[]) =>
    Promise.all(
      linears.map(async ({ weight: name }) => {
        const { dtype, shape } = tensorNamed(source, name);
        const data = await readFloats(source, name);
        return {
          tensor: { name, dtype, shape },
          data,
          scheme,
          format: formatNamed(scheme.format),
          magnitude: undefined,
        };
      }),
    );
  for (const [kind, changed] of [
    ["attention", ["0.o", "0.v"]],
    ["mlp", ["0.down", "0.up"]],
  ] as const) {
    const found = await withScaledInputs(
      context,
      toyLayer(0),
      kind,
      new Map(),
      async (_, { meanAbs }) => meanAbs.map((_, i) => 2 ** (i - 3)),
      roundable,
    );
    expect([...found.keys()]).toEqual(changed);
    expect(found.get(changed[0])?.data[1]).toBeCloseTo(
      ((await readFloats(source, changed[0]))[1] ?? 0) / 4,
      6,
    );
    expect(await walk.error(found)).toBeLessThan(1e-12);
    await walk.advance();
  }
});
