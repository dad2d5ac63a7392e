import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runInNewContext } from "node:vm";
import * as node from "@vlmopt/engine";
import * as browser from "@vlmopt/engine/browser";
import { build } from "tsup";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { vlmGolden } from "./test-support/goldens.ts";
import { writeQuantized } from "./test-support/quantized-checkpoint.ts";

const folder = mkdtempSync(join(tmpdir(), "vlmopt-browser-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const llava = vlmGolden("llava");
const images = [await node.decodeImage(vlmGolden("picture.png"))];
const request = { prompt: "What is in the picture?", images };

/** A folder's files as a page is given them. */
function filesOf(path: string): File[] {
  const names = readdirSync(path, { withFileTypes: true }).filter((found) => found.isFile());
  return names.map(({ name }) => new File([readFileSync(join(path, name))], name));
}

async function answerOf(vlm: node.Vlm): Promise<string> {
  const { text } = await vlm.generate(request, { maxNewTokens: 8 });
  await vlm.release();
  return text;
}

test("files that a page was given become a model that answers as the folder's does", async () => {
  const checkpoint = await browser.openFiles(filesOf(llava));
  const given = await browser.loadVlm(checkpoint, { executor: browser.plainExecutor() });
  const text = await answerOf(given);
  expect(text).toBe(await answerOf(await node.loadVlm(llava, { executor: "plain" })));
  expect(text).not.toBe("");
});

test("a model that was given no executor says that there is no graphics card", async () => {
  await expect(browser.loadVlm(await browser.openFiles(filesOf(llava)))).rejects.toThrow(
    "this browser gives no graphics card to pages: it has no WebGPU",
  );
});

describe("a bundle for browsers", () => {
  let code = "";
  let inputs: string[] = [];

  beforeAll(async () => {
    const dist = process.env.VLMOPT_TEST_DIST === "1";
    await build({
      config: false,
      silent: true,
      entry: [dist ? "dist/browser.js" : "src/browser.ts"],
      outDir: folder,
      format: "iife",
      globalName: "engine",
      platform: "browser",
      // Whatever is imported and cannot be bundled fails, modules of Node by their full names.
      noExternal: [/.*/],
      removeNodeProtocol: false,
      metafile: true,
      esbuildOptions(options) {
        options.conditions = dist ? [] : ["@vlmopt/source"];
      },
    });
    code = readFileSync(join(folder, "browser.global.js"), "utf8");
    const metafile = readFileSync(join(folder, "metafile-iife.json"), "utf8");
    inputs = Object.keys((JSON.parse(metafile) as { inputs: object }).inputs);
  });

  test("holds nothing that was made for Node", () => {
    expect(inputs.some((file) => file.includes("@huggingface/tokenizers"))).toBe(true);
    expect(
      inputs.filter((file) => /node:|node_modules\/(sharp|onnxruntime|webgpu|@tensorflow)/.test(file)),
    ).toEqual([]);
    expect(code).not.toMatch(/\b(require|import)\(/);
  });

  // Only what browsers have too is there: neither Buffer nor process.
  test.each(["int4-g32", "gptq-g32", "nf4-dq", "nvfp4"])("answers by weights in %s", async (scheme) => {
    const path = join(folder, scheme);
    await writeQuantized(llava, scheme, path);
    const globals = { AbortController, Blob, File, TextDecoder, TextEncoder, URL, atob, performance };
    const engine = runInNewContext(`${code}\nengine`, { ...globals }) as typeof browser;
    const checkpoint = await engine.openFiles(filesOf(path));
    const text = await answerOf(await engine.loadVlm(checkpoint, { executor: engine.plainExecutor() }));
    expect(text).toBe(await answerOf(await node.loadVlm(path, { executor: "plain" })));
  });
});
