import { existsSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import * as node from "@vlmopt/engine";
import * as browser from "@vlmopt/engine/browser";
import { describe, expect, test } from "vitest";
import { heldOut, picture, tinyLlava } from "./test-support/tiny-llava.ts";

const built = new URL("../dist/browser.js", import.meta.url);

const blobOf = (name: string) => new Blob([readFileSync(`${tinyLlava}/${name}`)]);
const files = new Map(
  [
    ...["config.json", "model.safetensors", "generation_config.json", "preprocessor_config.json"],
    ...["tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "processor_config.json"],
  ].flatMap((name) => (existsSync(`${tinyLlava}/${name}`) ? [[name, blobOf(name)] as const] : [])),
);

test("files that a page was given become a model that answers as the folder's does", async () => {
  const [{ image, question }] = heldOut as [(typeof heldOut)[0]];
  const request = { prompt: question, images: [await node.decodeImage(picture(image))] };
  const checkpoint = await browser.filesCheckpoint(files, "dropped files");
  const dropped = await browser.loadVlm(checkpoint, { executor: browser.plainExecutor() });
  const opened = await node.loadVlm(tinyLlava, { executor: "plain" });
  const [found, expected] = [dropped, opened].map((vlm) => vlm.generate(request, { maxNewTokens: 3 }));
  expect((await found)?.text).toBe((await expected)?.text);
  expect((await found)?.text).not.toBe("");
  await Promise.all([dropped, opened].map((vlm) => vlm.release()));
});

test.each([
  ["model.safetensors", /no safetensors among these files/],
  ["config.json", /config.json is missing/],
])("files without %s are refused, and what to do is said", async (name, message) => {
  const rest = new Map([...files].filter(([each]) => each !== name));
  await expect(browser.filesCheckpoint(rest, "dropped files")).rejects.toThrow(message);
});

describe.skipIf(!existsSync(built))("the bundle for browsers", () => {
  test("imports nothing that a browser has not", () => {
    const absent = [...builtinModules, "sharp", "onnxruntime-node"].join("|");
    const imports = new RegExp(`(from|import|import\\(|require\\()\\s*["'](node:)?(${absent})["']`);
    expect(imports.exec(readFileSync(built, "utf8"))?.[0]).toBeUndefined();
  });

  test("says what is missing where a folder is asked for", async () => {
    const { loadVlm } = (await import(built.href)) as typeof browser;
    await expect(loadVlm(tinyLlava)).rejects.toThrow("fs/promises is not there in a browser");
  });
});
