import { readdir, readFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { openTask, tasks } from "@vlmopt/datasets";
import { describe, expect, it, onTestFinished } from "vitest";
import { startHub } from "../test-support/hub-server.ts";
import { temporaryFolder } from "../test-support/temporary-folder.ts";
import type { Task } from "./task.ts";

/** Rows in the layout of the hub's repositories, by tools/reference/bench_tasks.py. */
const goldens = resolve(import.meta.dirname, "../../../bench/goldens/tasks");

/** Serves a task's rows from a hub. */
async function hubOf(name: string) {
  const task = tasks.find((one) => one.name === name) as Task;
  const folder = join(goldens, name);
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
  const files = Object.fromEntries(
    await Promise.all(paths.map(async (path) => [path, await readFile(join(folder, path))] as const)),
  );
  const server = await startHub({ [`datasets/${task.hub?.repository}`]: files });
  onTestFinished(() => server[Symbol.asyncDispose]());
  const options = {
    endpoint: server.endpoint,
    token: false as const,
    retryDelay: 1,
    folder: await temporaryFolder(),
  };
  const fetched = () =>
    server.requests.flatMap(({ path }) => /\/resolve\/[^/]+\/(.*)$/.exec(path)?.[1] ?? []).sort();
  return { task, options, fetched };
}

describe("a task from the hub", () => {
  it("fetches its configuration and split alone", async () => {
    const { task, options, fetched } = await hubOf("mmbench");
    const set = await openTask(task, options);
    expect(set.records).toHaveLength(10);
    expect(fetched()).toEqual(["en/dev-00000-of-00001.parquet"]);
  });

  it("finds GQA's pictures in the configuration that holds them", async () => {
    const { task, options, fetched } = await hubOf("gqa");
    const set = await openTask(task, options);
    expect(fetched()).toEqual([
      "testdev_balanced_images/testdev-00000-of-00001.parquet",
      "testdev_balanced_instructions/testdev-00000-of-00001.parquet",
    ]);
    const pictures = await Promise.all(set.records.map((record) => set.readImage(record)));
    // Two questions a picture.
    expect(Buffer.from(pictures[0] as Uint8Array).equals(pictures[1] as Uint8Array)).toBe(true);
    expect(Buffer.from(pictures[0] as Uint8Array).equals(pictures[2] as Uint8Array)).toBe(false);
  });

  it("fetches the first files alone where the first rows are wanted", async () => {
    const { task, options, fetched } = await hubOf("vqav2");
    const set = await openTask(task, { ...options, sample: { method: "first", count: 3 } });
    expect(set.records.map(({ id }) => id)).toEqual(["9000", "9001", "9002"]);
    expect(fetched()).toEqual(["data/validation-00000-of-00002.parquet"]);
  });

  it("has all pictures of a question", async () => {
    const { task, options } = await hubOf("mmmu");
    const set = await openTask(task, options);
    const counts = await Promise.all(
      set.records.map(async (record) => (await set.readImages(record)).length),
    );
    expect(counts).toEqual([2, 1, 1, 2, 1, 3, 2, 1, 1, 2]);
  });
});
