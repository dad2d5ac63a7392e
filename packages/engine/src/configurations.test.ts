import { type Executor, loadModel, ortExecutor, plainExecutor } from "@vlmopt/engine";
import { type Checkpoint, openCheckpoint } from "@vlmopt/tensor-io";
import { describe, expect, test } from "vitest";
import { largestDifference } from "./test-support/golden-answer.ts";
import { fixture, readGolden } from "./test-support/goldens.ts";

/** What transformers makes of a fixture with another config.json (tools/reference/engine_configurations.py). */
interface ConfigurationGolden {
  readonly name: string;
  readonly edits: Readonly<Record<string, unknown>>;
  readonly ids: readonly number[];
  /** Of the last two tokens. */
  readonly logits: readonly number[];
}

const goldens = readGolden<readonly ConfigurationGolden[]>("configurations");
const executors = [plainExecutor(), ortExecutor({ activations: "float32", threads: 1 })];

async function withConfig(checkpoint: Checkpoint, edits: ConfigurationGolden["edits"]): Promise<Checkpoint> {
  const bytes = await checkpoint.readSibling("config.json");
  const config = { ...(JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>), ...edits };
  for (const key of Object.keys(config)) if (config[key] === "gone") delete config[key];
  const text = new TextEncoder().encode(JSON.stringify(config));
  const readSibling: Checkpoint["readSibling"] = async (name) =>
    name === "config.json" ? text : checkpoint.readSibling(name);
  return { ...checkpoint, readSibling };
}

describe.each(executors)("by the $name executor", (executor: Executor) => {
  test.each(goldens)("$name with $edits gives transformers' logits", async ({ name, edits, ids, logits }) => {
    await using checkpoint = await openCheckpoint(fixture(name));
    const model = await loadModel(await withConfig(checkpoint, edits), executor);
    const found = await model.decode({
      cache: model.createCache(1, ids.length),
      sequences: [{ ids, positions: model.forward.promptPositions(ids, []).axes, past: 0 }],
      wanted: [ids.length - 2, ids.length - 1],
    });
    expect(largestDifference(found, logits)).toBeLessThan(1e-4);
    await model.release();
  });
});
