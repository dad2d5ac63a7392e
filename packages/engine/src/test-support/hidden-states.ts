import { readFileSync } from "node:fs";
import { type Executor, modelWeights } from "@vlmopt/engine";
import { textEncoder } from "@vlmopt/models";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { encoderFixture, readGolden } from "./goldens.ts";

/** `states[name][text][layer]` `[tokens · hiddenSize]`, by transformers. */
const { texts, states } = readGolden<{ texts: number[][]; states: Record<string, number[][][]> }>("encoders");

/** Encoders in fixtures/encoders whose hidden states transformers computed. */
export const encoderNames = Object.keys(states);

/** How far hidden states of all texts in a batch are from transformers' at most, after each layer or the last. */
export async function worstOfHiddenStates(
  name: string,
  executor: Executor,
  after: "each" | "last",
): Promise<number> {
  await using checkpoint = await openCheckpoint(encoderFixture(name));
  const weights = await modelWeights(checkpoint);
  const config: unknown = JSON.parse(readFileSync(`${encoderFixture(name)}/config.json`, "utf8"));
  const encoder = textEncoder(config, weights.specs);
  const longest = Math.max(...texts.map(({ length }) => length));
  let worst = 0;
  for (let layer = after === "each" ? 0 : encoder.layers; layer <= encoder.layers; layer++) {
    const pass = await executor.prepare(encoder.pass(layer), weights);
    const { hidden } = await pass.run(encoder.inputsOf(texts));
    const found = (await hidden?.read()) ?? new Float32Array();
    for (const [n, of] of (states[name] ?? []).entries()) {
      for (const [i, value] of (of[layer] ?? []).entries()) {
        const difference = Math.abs(value - (found[n * longest * encoder.hiddenSize + i] as number));
        worst = Math.max(worst, difference);
      }
    }
    await pass.release();
  }
  return worst;
}
