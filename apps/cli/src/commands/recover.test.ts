import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { learning, llama, temporaryFolder, tiny, vlmopt } from "../test-support/recover-command.ts";

describe("vlmopt recover", () => {
  it("says what does not belong together, and what cannot learn", async () => {
    const folder = await temporaryFolder();
    const out = join(folder, "out");
    const other = vlmopt("recover", tiny, out, "--teacher", llama);
    expect(other.status).toBe(1);
    expect(other.stderr).toMatch(
      /^error: .* has the model type llava and .*llama llama: name as the teacher/m,
    );
    const rounded = join(folder, "rounded");
    expect(vlmopt("quantize", tiny, rounded, "--scheme", "nf4", "--by-weights").status).toBe(0);
    const quantized = vlmopt("recover", rounded, out, ...learning);
    expect(quantized.status).toBe(1);
    expect(quantized.stderr).toMatch(
      /rounded is quantized \(bitsandbytes\), and rounded weights cannot learn\nhint: recover the pruned/,
    );
    const missing = vlmopt("recover", tiny, out, "--teacher", join(folder, "nothing"));
    expect(missing.status).toBe(1);
    expect(missing.stderr).toMatch(/^error: .*nothing/m);
    expect(await readdir(folder)).toEqual(["rounded"]);
  }, 120_000);

  it.each([
    [["--steps", "5", "--time", "5m"], "--steps and --time both say when training ends"],
    [["--time", "soon"], "Give a time such as 90s, 10m or 1.5h."],
    [["--rate", "-1"], "rate"],
    [
      ["--way", "layers", "--temperature", "2"],
      "--temperature and --hidden-weight say nothing with --way layers",
    ],
    [["--way", "whole", "--rank", "4"], "--rank and --alpha say nothing with --way whole"],
    [["--split", "train"], "--split and --samples say nothing without --data"],
  ])("refuses %j", (options, said) => {
    const { status, stderr } = vlmopt("recover", tiny, "/tmp/never", "--teacher", tiny, ...options);
    expect(status).toBe(2);
    expect(stderr).toContain(said);
  });
});
