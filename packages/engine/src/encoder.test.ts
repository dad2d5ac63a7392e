import { readFileSync } from "node:fs";
import { modelWeights, ortExecutor, plainExecutor } from "@vlmopt/engine";
import { textEncoder } from "@vlmopt/models";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { describe, expect, test } from "vitest";
import { encoderFixture, readGolden } from "./test-support/goldens.ts";

/** `states[name][text][layer]` `[tokens · hiddenSize]`. */
const { texts, states } = readGolden<{ texts: number[][]; states: Record<string, number[][][]> }>("encoders");

describe.each([plainExecutor(), ortExecutor({ threads: 1 })])("by the $name executor", (executor) => {
  test.each(Object.keys(states))(
    "%s gives transformers' hidden states after each layer, in a batch",
    async (name) => {
      await using checkpoint = await openCheckpoint(encoderFixture(name));
      const weights = await modelWeights(checkpoint);
      const config: unknown = JSON.parse(readFileSync(`${encoderFixture(name)}/config.json`, "utf8"));
      const encoder = textEncoder(config, weights.specs);
      const longest = Math.max(...texts.map(({ length }) => length));
      for (let layer = 0; layer <= encoder.layers; layer++) {
        const pass = await executor.prepare(encoder.pass(layer), weights);
        const { hidden } = await pass.run(encoder.inputsOf(texts));
        const found = (await hidden?.read()) ?? new Float32Array();
        let worst = 0;
        for (const [n, of] of (states[name] ?? []).entries()) {
          for (const [i, value] of (of[layer] ?? []).entries()) {
            worst = Math.max(
              worst,
              Math.abs(value - (found[n * longest * encoder.hiddenSize + i] as number)),
            );
          }
        }
        expect(worst).toBeLessThan(1e-4);
        await pass.release();
      }
    },
  );
});
