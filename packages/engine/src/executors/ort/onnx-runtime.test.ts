import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";

const engine = new URL("../../../dist/index.js", import.meta.url).href;
const tinyLlava = fileURLToPath(new URL("../../../../../fixtures/tiny-llava", import.meta.url));

/** Runs a module in a process whose home and temporary folder are empty. @returns what it printed, and the files that it left in both */
async function inEmptyHome(code: string): Promise<{ printed: string; left: string[] }> {
  const folder = await mkdtemp(join(tmpdir(), "vlmopt-home-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const [home, temporary] = [join(folder, "home"), join(folder, "tmp")];
  await Promise.all([home, temporary].map((path) => mkdir(path)));
  const { ORT_DISABLE_TELEMETRY: _, XDG_CACHE_HOME: __, ...env } = process.env;
  Object.assign(env, { HOME: home, USERPROFILE: home, LOCALAPPDATA: home });
  Object.assign(env, { TMPDIR: temporary, TMP: temporary, TEMP: temporary });
  const args = ["--input-type=module", "--eval", code];
  const { stdout } = await promisify(execFile)(process.execPath, args, { env, encoding: "utf8" });
  return { printed: stdout.trim(), left: await readdir(folder, { recursive: true }) };
}

const answering = `
  const { loadVlm } = await import(${JSON.stringify(engine)});
  const vlm = await loadVlm(${JSON.stringify(tinyLlava)});
  await vlm.generate({ raw: "A" }, { maxNewTokens: 2 });
  await vlm.release();
`;

describe("ONNX Runtime", () => {
  it("leaves no device id, no database of events and no log behind", async () => {
    const { printed, left } = await inEmptyHome(`${answering}; console.log("answered");`);
    expect(printed).toBe("answered");
    expect(left.sort()).toEqual(["home", "tmp"]);
  });

  it("does so in a worker thread of a process that imported the engine", async () => {
    const { printed, left } = await inEmptyHome(`
      import { Worker } from "node:worker_threads";
      await import(${JSON.stringify(engine)});
      const code = ${JSON.stringify(`import("node:process").then(async () => { ${answering}; console.log("answered"); })`)};
      new Worker(code, { eval: true });
    `);
    expect(printed).toBe("answered");
    expect(left.sort()).toEqual(["home", "tmp"]);
  });

  it("is not loaded by a worker thread that cannot switch telemetry off", async () => {
    const { printed, left } = await inEmptyHome(`
      import { Worker } from "node:worker_threads";
      const code = ${JSON.stringify(`(async () => { ${answering} })().catch((error) => console.log(error.message))`)};
      new Worker(code, { eval: true });
    `);
    expect(printed).toMatch(/^ONNX Runtime would send telemetry, which a worker thread cannot switch off: /);
    expect(left.sort()).toEqual(["home", "tmp"]);
  });
});
