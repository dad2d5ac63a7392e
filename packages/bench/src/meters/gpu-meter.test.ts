import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { gpuList, startGpuMeter } from "./gpu-meter.ts";
import { smiDevices, smiProcesses } from "./nvidia-smi.ts";
import { openNvml, PROCESS_INFO } from "./nvml.ts";
import { processTree } from "./process-tree.ts";

/** An nvidia-smi that says this of cards and processes. */
function nvidiaSmi(cards: string, processes: string): void {
  const folder = mkdtempSync(join(tmpdir(), "vlmopt-smi-"));
  const path = join(folder, "nvidia-smi");
  writeFileSync(path, `#!/bin/sh\ncase "$1" in *gpu=*) echo '${cards}';; *) echo '${processes}';; esac\n`);
  chmodSync(path, 0o755);
  vi.stubEnv("PATH", `${folder}:${process.env.PATH}`);
  onTestFinished(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });
}

test("a record of a process has the size that NVML's header gives it", () => {
  // unsigned int, 8-byte aligned unsigned long long, two unsigned ints.
  expect(PROCESS_INFO).toEqual({ size: 24, memory: 8 });
});

test("a machine without the library has no NVML", () => {
  expect(openNvml(["libno-such-nvml.so.1"])).toBeUndefined();
});

test("a process and its children are a tree", async () => {
  const child = spawn("sleep", ["5"]);
  onTestFinished(() => void child.kill());
  const tree = processTree(process.pid);
  expect(tree).toContain(process.pid);
  if (process.platform === "linux") expect(tree).toContain(child.pid);
});

describe.skipIf(process.platform === "win32" || openNvml() !== undefined)("by nvidia-smi", () => {
  test("cards are read from its table, and what it does not know is left out", async () => {
    nvidiaSmi("NVIDIA X, 81559, 1024, 580.1, [N/A], 7, 1980", "");
    expect(await smiDevices()).toEqual([
      {
        ...{ name: "NVIDIA X", memory: 81559 * 2 ** 20, used: 2 ** 30, driver: "580.1" },
        ...{ power: undefined, utilisation: 7, clock: 1980 },
      },
    ]);
    expect(await gpuList()).toEqual([{ name: "NVIDIA X", memory: 81559 * 2 ** 20, driver: "580.1" }]);
  });

  test("memory is that of the process tree, and is said to be", async () => {
    nvidiaSmi("NVIDIA X, 81559, 1024, 580.1, 300, 7, 1980", `${process.pid}, 512\n1, 100`);
    expect([...(await smiProcesses())]).toEqual([
      [process.pid, 512 * 2 ** 20],
      [1, 100 * 2 ** 20],
    ]);
    const readings = await (await startGpuMeter(process.pid)).stop();
    expect(readings.memory).toEqual({ bytes: 512 * 2 ** 20, method: "nvidia-smi, sampled, process tree" });
    expect(readings.device).toMatchObject({ names: ["NVIDIA X"], utilisation: 7, clock: 1980, power: 300 });
    expect(readings.joules).toBeNull();
  });

  test("without a card nothing is known", async () => {
    nvidiaSmi("", "");
    expect(await (await startGpuMeter(process.pid)).stop()).toEqual({
      memory: null,
      device: null,
      joules: null,
    });
  });
});
