import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readJsonFile, writeWhole } from "@vlmopt/files";
import { expect, onTestFinished, test } from "vitest";

test("a file is written whole, in the place of what was there, and read again", async () => {
  const folder = await mkdtemp(join(tmpdir(), "vlmopt-files-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, "state.json");
  expect(await readJsonFile(path)).toBeUndefined();
  // What a killed process left under the other name is in nobody's way.
  await writeFile(`${path}.partial`, "{");
  await writeWhole(path, '{"a":1}');
  await writeWhole(path, '{"a":2}');
  expect(await readFile(path, "utf8")).toBe('{"a":2}');
  expect(await readJsonFile(path)).toEqual({ a: 2 });
  expect(await readdir(folder)).toEqual(["state.json"]);
  await writeFile(path, "{");
  await expect(readJsonFile(path)).rejects.toThrow(SyntaxError);
});
