import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openBlockStore } from "./block-store.ts";
import { toyCheckpoint } from "./test-support/toy-walk.ts";

test("what was found before the first block is found once, and anew by another compression", async () => {
  const folder = await mkdtemp(join(tmpdir(), "vlmopt-store-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const source = await toyCheckpoint(1);
  const find = async (data: string, value: number) =>
    (await openBlockStore(join(folder, "work"), source, { data })).found("formats", async () => ({ value }));
  expect(await find("a", 1)).toEqual({ value: 1 });
  expect(await find("a", 2)).toEqual({ value: 1 });
  expect(await find("b", 3)).toEqual({ value: 3 });
});
