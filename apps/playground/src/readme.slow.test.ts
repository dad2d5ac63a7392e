import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { build, type Rolldown } from "vite";
import { describe, expect, test } from "vitest";
import { type FindFile, fixtures, hasBrowser, openPage } from "./test-support/open-page.ts";

const readme = resolve(import.meta.dirname, "../../../packages/engine/README.md");

/** The README's example for browsers, as Vite bundles it without being told anything. */
async function bundledExample(): Promise<string> {
  const section = (await readFile(readme, "utf8")).split("## In a browser")[1] ?? "";
  const code = /```js\n([\s\S]*?)```/.exec(section)?.[1];
  if (code === undefined) throw new Error("the README of @vlmopt/engine has no example for browsers");
  const entry = join(import.meta.dirname, "example.js");
  const output = await build({
    configFile: false,
    logLevel: "error",
    plugins: [
      {
        name: "example",
        resolveId: (id) => (id === entry ? entry : undefined),
        load: (id) => (id === entry ? code : undefined),
      },
    ],
    build: { write: false, modulePreload: false, rolldownOptions: { input: entry } },
  });
  const [chunk, ...others] = (output as Rolldown.RolldownOutput).output;
  expect(others).toEqual([]);
  return chunk.code;
}

describe.skipIf(!hasBrowser)("the README's example for browsers", { timeout: 120_000 }, () => {
  test("answers as it is written", async () => {
    const code = await bundledExample();
    const find: FindFile = async (path) => {
      if (path === "index.html")
        return '<!doctype html><body><script type="module" src="example.js"></script>';
      if (path === "example.js") return code;
      if (path === "picture.png") return readFile(join(fixtures, "scenes/images/scene_089.png"));
      return readFile(join(fixtures, path.replace(/^models\//, "")));
    };
    const { page, problems } = await openPage({ find });
    await page.locator("body", { hasText: /\S/ }).waitFor({ timeout: 90_000 });
    // Transformers' answer.
    expect(await page.locator("body").textContent()).toBe("On a grey background there are two circles.");
    // A browser reports what is looked for beside the weights and is not there; nothing else may be wrong.
    expect(problems.filter((problem) => !problem.includes("404"))).toEqual([]);
  });
});
