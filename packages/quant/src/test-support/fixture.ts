import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describeModel, type ModelDescription } from "@vlmopt/models";
import { type Checkpoint, openCheckpoint } from "@vlmopt/tensor-io";
import { onTestFinished } from "vitest";

export interface Fixture {
  readonly checkpoint: Checkpoint;
  readonly description: ModelDescription;
}

/** A tiny checkpoint of fixtures/checkpoints, opened until the test is over. */
export async function openFixture(name: string): Promise<Fixture> {
  const folder = new URL(`../../../../fixtures/checkpoints/${name}/`, import.meta.url);
  const config: unknown = JSON.parse(readFileSync(new URL("config.json", folder), "utf8"));
  const checkpoint = await openCheckpoint(fileURLToPath(folder));
  onTestFinished(() => checkpoint.close());
  return { checkpoint, description: describeModel(config, checkpoint.tensors) };
}
