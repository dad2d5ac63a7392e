import { existsSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { filesCheckpoint, loadVlm, plainExecutor } from "@vlmopt/engine/browser";
import { expect, test } from "vitest";
import { heldOut, picture, tinyLlava } from "./test-support/tiny-llava.ts";

const built = new URL("../dist/browser.js", import.meta.url);

const blobOf = (name: string) => new Blob([readFileSync(`${tinyLlava}/${name}`)]);
const files = new Map(
  [
    ...["config.json", "model.safetensors", "generation_config.json", "preprocessor_config.json"],
    ...["tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "processor_config.json"],
  ].flatMap((name) => (existsSync(`${tinyLlava}/${name}`) ? [[name, blobOf(name)] as const] : [])),
);

test("files that a page was given become a model that answers", async () => {
  const [{ image, question }] = heldOut as [(typeof heldOut)[0]];
  const checkpoint = await filesCheckpoint(files, "dropped files");
  const [dropped, opened] = await Promise.all(
    [checkpoint, tinyLlava].map(async (from) => {
      const vlm = await loadVlm(from, { executor: plainExecutor() });
      const { text } = await vlm.generate(
        { prompt: question, images: [picture(image)] },
        { maxNewTokens: 3 },
      );
      await vlm.release();
      return text;
    }),
  );
  expect(dropped).not.toBe("");
  expect(dropped).toBe(opened);
});

test.each([
  ["model.safetensors", /no safetensors among these files/],
  ["config.json", /config.json is missing/],
])("files without %s are refused, and what to do is said", async (name, message) => {
  const rest = new Map([...files].filter(([each]) => each !== name));
  await expect(filesCheckpoint(rest, "dropped files")).rejects.toThrow(message);
});

test.skipIf(!existsSync(built))("the bundle for browsers asks for nothing that a browser has not", () => {
  const text = readFileSync(built, "utf8");
  const absent = [...builtinModules, "sharp", "onnxruntime-node"].join("|");
  const imports = new RegExp(`(from|import|import\\(|require\\()\\s*["'](node:)?(${absent})["']`);
  expect(imports.exec(text)?.[0]).toBeUndefined();
  expect(text).toContain("is not there in a browser");
});
