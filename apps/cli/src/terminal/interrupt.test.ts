import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";

const main = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
const models = fileURLToPath(new URL("../../../../packages/engine/goldens/vlms/", import.meta.url));
const [llava, qwen] = [join(models, "llava"), join(models, "qwen2_vl")];
/** Milliseconds that an interruption may take: a second, and as much for machines that have other things to do. */
const SOON = 2000;

/** Starts a command in a folder with a temporary folder of its own. */
async function started(...args: string[]) {
  const folder = await mkdtemp(join(tmpdir(), "vlmopt-interrupt-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const temporary = join(folder, "tmp");
  await mkdir(temporary);
  const env = { ...process.env, TMPDIR: temporary, VLMOPT_CACHE: join(folder, "cache") };
  const child = spawn(process.execPath, [main, ...args], { cwd: folder, env });
  onTestFinished(() => void child.kill("SIGKILL"));
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const ended = once(child, "exit") as Promise<[code: number | null, signal: string | null]>;
  return {
    child,
    folder,
    async interrupt() {
      const sent = performance.now();
      child.kill("SIGINT");
      const [code, signal] = await ended;
      return { code, signal, stderr, milliseconds: performance.now() - sent };
    },
    left: async () => (await readdir(folder, { recursive: true })).filter((name) => name !== "tmp").sort(),
  };
}

describe("Ctrl-C", () => {
  it.each([
    ["prune", llava, "out", "--glu", "0.3", "--divisor", "8", "--by-weights"],
    ["quantize", llava, "out", "--scheme", "int8", "--by-weights"],
    ["convert", llava, "out", "--dtype", "f16"],
  ])("leaves all of an output or nothing, whenever it comes: %s", async (...args) => {
    for (const delay of [150, 400, 650]) {
      const { interrupt, left } = await started(...args);
      await new Promise((resolve) => setTimeout(resolve, delay));
      const { code, signal, stderr, milliseconds } = await interrupt();
      expect(milliseconds).toBeLessThan(SOON);
      // A lock on its way out may stay: its holder is gone, so nobody minds it.
      const files = (await left()).filter((name) => !name.startsWith(".out.lock-"));
      // An output that had appeared when the signal came is whole. Before Node has read the program, it is the system that ends it.
      if (files.includes("out")) expect(files).toContain("out/model.safetensors");
      else {
        expect([code ?? signal, stderr]).toEqual(
          code === null ? ["SIGINT", ""] : [130, expect.stringMatching(/^error: interrupted/m)],
        );
        expect(files).toEqual([]);
      }
    }
  });

  it.each(["loads", "answers"])("ends a model while it %s", async (doing) => {
    const { child, folder, interrupt, left } = await started(
      "ask",
      qwen,
      "Tell me",
      "--max-new-tokens",
      "3000",
    );
    if (doing === "answers") await once(child.stdout, "data");
    else await expect.poll(() => readdir(join(folder, "tmp")), { timeout: 10_000 }).not.toEqual([]);
    const { code, stderr, milliseconds } = await interrupt();
    expect(code).toBe(130);
    expect(stderr).toMatch(/^error: interrupted; nothing was written\n$/m);
    expect(milliseconds).toBeLessThan(SOON);
    expect(await left()).toEqual([]);
  });

  it("ends a conversation while it waits for a line", async () => {
    const { child, interrupt, left } = await started("chat", qwen);
    // The prompt.
    await once(child.stderr, "data");
    const { code, milliseconds } = await interrupt();
    expect(code).toBe(130);
    expect(milliseconds).toBeLessThan(SOON);
    expect(await left()).toEqual([]);
  });
});
