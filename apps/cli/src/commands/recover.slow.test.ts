import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { openCheckpoint, readTensor } from "@vlmopt/tensor-io";
import { describe, expect, it } from "vitest";
import { learning, main, scenes, temporaryFolder, tiny, vlmopt } from "../test-support/recover-command.ts";

async function student(folder: string): Promise<string> {
  const pruned = join(folder, "student");
  const { status } = vlmopt("prune", tiny, pruned, "--glu", "0.5", "--by-weights");
  expect(status).toBe(0);
  return pruned;
}

async function bytesOf(path: string): Promise<Map<string, Uint8Array>> {
  await using checkpoint = await openCheckpoint(path);
  const found = new Map<string, Uint8Array>();
  for (const name of checkpoint.tensors.keys()) found.set(name, await readTensor(checkpoint, name));
  return found;
}

describe("vlmopt recover", () => {
  it("brings a pruned model nearer to the dense one, and goes on to the same bytes after it was killed", async () => {
    const folder = await temporaryFolder();
    const pruned = await student(folder);
    const [once_, twice] = [join(folder, "once"), join(folder, "twice")];
    const args = ["--steps", "6", "--batch", "2", "--test-every", "2", "--threads", "1", ...learning];
    const whole = vlmopt("recover", pruned, once_, ...args);
    expect(whole.stderr).toMatch(/^all weights of the layers learn, in some \d/m);
    expect(whole.stderr).toMatch(
      /^step 6 of 6 {2}loss \d\S* {2}held out \d\S* {2}\d+ tokens\/s {2}\S+ s left$/m,
    );
    expect(whole).toMatchObject({ status: 0 });
    const [, before, after] =
      /divergence from the teacher on data held out: (\S+) → (\S+) nats a token, after 6 steps/.exec(
        whole.stdout,
      ) ?? [];
    expect(Number(after)).toBeLessThan(0.95 * Number(before));
    expect((await readdir(once_)).toSorted()).toEqual(
      expect.arrayContaining(["pruning.json", "recovery.json"]),
    );
    expect(await readFile(join(once_, "README.md"), "utf8")).toContain("## Recovered");

    const killed = spawn(process.execPath, [
      main,
      "recover",
      pruned,
      twice,
      ...args,
      "--keep-every",
      "0.001s",
    ]);
    const gone = once(killed, "exit");
    for await (const chunk of killed.stderr) if (`${chunk}`.includes("step 4 of 6")) killed.kill("SIGKILL");
    await gone;
    expect(await readdir(folder)).toContain("twice.recovering");
    const rest = vlmopt("recover", pruned, twice, ...args);
    expect(rest.status).toBe(0);
    expect(rest.stderr).not.toContain("step 2 of 6");
    expect(await bytesOf(twice)).toEqual(await bytesOf(once_));
    expect(await readdir(folder)).not.toContain("twice.recovering");
  }, 300_000);

  it("of compress trains what is pruned, before it is quantized", async () => {
    const folder = await temporaryFolder();
    const out = join(folder, "out");
    const { status, stdout, stderr } = vlmopt(
      ...["compress", tiny, out, "--glu", "0.5", "--calibrate", scenes, "--split", "calibration"],
      ...["--samples", "16", "--recover", "8s", "--quantize", "int4-g64"],
    );
    expect({ status, stderr }).toMatchObject({ status: 0 });
    expect(stdout).toMatch(/^divergence from the teacher on data held out: \S+ → \S+ nats a token/m);
    expect(await readdir(folder)).toEqual(["out"]);
    const names = await readdir(out);
    expect(names).toEqual(expect.arrayContaining(["quantization.json", "model.safetensors"]));
    const config = JSON.parse(await readFile(join(out, "config.json"), "utf8"));
    expect(config.text_config.intermediate_size).toBe(320);
    expect(config.quantization_config).toBeDefined();
  }, 300_000);
});
