import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openCheckpoint, writeCheckpoint } from "@vlmopt/tensor-io";
import { describe, expect, it, onTestFinished } from "vitest";

const main = fileURLToPath(new URL("../dist/main.js", import.meta.url));
const llava = fileURLToPath(new URL("../../../fixtures/checkpoints/llava", import.meta.url));

function vlmopt(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: "utf8" });
  return { status, stdout, stderr };
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "vlmopt-cli-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

describe("vlmopt", () => {
  it("shows examples in its help", () => {
    const { status, stdout } = vlmopt("--help");
    expect(status).toBe(0);
    expect(stdout).toContain("$ vlmopt inspect ./llava-1.5-7b-hf");
  });

  it.each([
    [["inspect"], "error: missing required argument 'path'"],
    [["inspect", llava, "--nope"], "error: unknown option '--nope'"],
    [["nope"], "error: unknown command 'nope'"],
    [["convert", llava, "out", "--dtype", "i4"], "error: option '--dtype <dtype>' argument 'i4' is invalid."],
    [
      ["convert", llava, "out", "--shard-size", "0"],
      "error: option '--shard-size <size>' argument '0' is invalid.",
    ],
    [
      ["convert", llava, "out", "--workers", "-1"],
      "error: option '--workers <count>' argument '-1' is invalid.",
    ],
  ])("ends with 2 on bad usage: %j", (args, message) => {
    const { status, stderr } = vlmopt(...args);
    expect(status).toBe(2);
    expect(stderr).toContain(message);
  });

  it("ends with 1 and one line where something is not there, and with a stack only for --debug", () => {
    const { status, stderr } = vlmopt("inspect", "/nowhere");
    expect(status).toBe(1);
    expect(stderr).toBe("error: /nowhere: no such file or folder\n");
    expect(vlmopt("--debug", "inspect", "/nowhere").stderr).toContain("    at ");
  });
});

describe("vlmopt inspect", () => {
  it("sums up components, dtypes and tensors", () => {
    const { status, stdout } = vlmopt("inspect", llava);
    expect(status).toBe(0);
    // 111,920 is what transformers counts.
    expect(stdout).toContain("1 file, 73 tensors, 111,920 parameters, 448 kB");
    expect(stdout).toMatch(/^multi_modal_projector +4 +3,936 +15\.7 kB +3\.5 %$/m);
    expect(stdout).toMatch(
      /^language_model\.model\.layers\.\{0-2\}\.mlp\.gate_proj\.weight +F32 +\[80, 48\] +15\.4 kB +× 3$/m,
    );
  });

  it("prints JSON", () => {
    const summary = JSON.parse(vlmopt("inspect", llava, "--json").stdout);
    expect(summary).toMatchObject({ modelType: "llava", parameters: 111_920, metadata: { format: "pt" } });
    expect(summary.tensors).toHaveLength(73);
  });
});

describe("vlmopt convert", () => {
  it("casts, shards and takes the other files along", async () => {
    const out = join(await temporaryFolder(), "out");
    const { status, stdout } = vlmopt("convert", llava, out, "--dtype", "bf16", "--shard-size", "100kB");
    expect(status).toBe(0);
    expect(stdout).toMatch(/: 73 tensors, 224 kB in 3 files, [\d.]+ s\n$/);
    expect(await readdir(out)).toContain("config.json");
    await using checkpoint = await openCheckpoint(out);
    expect(new Set([...checkpoint.tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(["BF16"]));
  });

  it("refuses an output that exists, unless --force is given", async () => {
    const out = await temporaryFolder();
    expect(vlmopt("convert", llava, out)).toEqual({
      status: 1,
      stdout: "",
      stderr: `error: ${out}: is already there\nhint: choose another name, or overwrite it (--force on the command line)\n`,
    });
    expect(vlmopt("convert", llava, out, "--force", "--json").status).toBe(0);
  });

  it("stops cleanly on Ctrl-C", async () => {
    const folder = await temporaryFolder();
    const bytes = new Uint8Array(400_000_000);
    await writeCheckpoint([{ name: "t", dtype: "F32", shape: [10_000, 10_000], bytes }], join(folder, "in"));
    const child = spawn(process.execPath, [
      main,
      "convert",
      join(folder, "in"),
      join(folder, "out"),
      "--dtype",
      "f16",
    ]);
    let stderr = "";
    child.stderr.on("data", (text) => {
      stderr += text;
    });
    await expect.poll(async () => (await readdir(folder)).length).toBe(2);
    child.kill("SIGINT");
    const [code] = await once(child, "exit");
    expect({ code, stderr }).toEqual({ code: 130, stderr: "error: interrupted; nothing was written\n" });
    expect(await readdir(folder)).toEqual(["in"]);
  });
});
