import { readFileSync } from "node:fs";
import os from "node:os";
import { gpuList } from "../meters/gpu-meter.ts";
import type { Environment } from "../records/run-summary.ts";

const { version } = JSON.parse(
  readFileSync(new URL(import.meta.resolve("@vlmopt/bench/package.json")), "utf8"),
) as {
  version: string;
};

/** This machine, as reports name it. */
export async function environment(): Promise<Environment> {
  const cpus = os.cpus();
  return {
    vlmopt: version,
    node: process.version,
    os: `${os.type()} ${os.release()} ${process.arch}`,
    cpu: cpus[0]?.model.trim() ?? "unknown",
    cores: os.availableParallelism(),
    memory: os.totalmem(),
    gpus: await gpuList(),
  };
}
