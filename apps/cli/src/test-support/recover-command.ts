import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

export const main = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
const fixtures = fileURLToPath(new URL("../../../../fixtures", import.meta.url));
export const [tiny, scenes, llama] = ["tiny-llava", "scenes", "checkpoints/llama"].map((name) =>
  join(fixtures, name),
) as [string, string, string];

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "vlmopt-cli-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export function vlmopt(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: "utf8" });
  return { status, stdout, stderr };
}

/** Teacher and data. */
export const learning = ["--teacher", tiny, "--data", scenes, "--split", "calibration", "--samples", "16"];
