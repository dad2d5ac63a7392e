import { statfs } from "node:fs/promises";
import os from "node:os";
import { Command } from "@commander-js/extra-typings";
import { formatBytes } from "../terminal/quantities.ts";
import { formatTable } from "../terminal/table.ts";

interface Finding {
  readonly what: string;
  readonly found: string;
  /** False where something does not work that should. */
  readonly ok: boolean;
}

export function doctorCommand() {
  return new Command("doctor")
    .summary("say what this machine has, and what works on it")
    .description(
      "Looks at Node, processors, graphics cards, memory, disk and the hub's token, and tries every executor.",
    )
    .option("--json", "print what was found as JSON")
    .action(async ({ json }) => {
      const findings = [
        ...machine(),
        await disk(),
        ...(await cards()),
        ...(await executors()),
        await token(),
      ];
      if (json) console.log(JSON.stringify(findings, null, 2));
      else {
        console.log(
          formatTable(
            [{ title: "" }, { title: "" }, { title: "" }],
            findings.map(({ what, found, ok }) => [ok ? "ok" : "no", what, found]),
          ),
        );
      }
      // Everything can be done with the executor ort alone.
      if (findings.some(({ what, ok }) => what === "executor ort" && !ok)) process.exitCode = 1;
    });
}

function machine(): Finding[] {
  const [cpu] = os.cpus();
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  return [
    { what: "Node", found: process.version, ok: major > 20 || (major === 20 && minor >= 19) },
    { what: "system", found: `${os.type()} ${os.release()} ${process.arch}`, ok: true },
    {
      what: "processors",
      found: `${os.availableParallelism()} × ${cpu?.model.trim() ?? "unknown"}`,
      ok: true,
    },
    { what: "memory", found: `${formatBytes(os.totalmem())}, ${formatBytes(os.freemem())} free`, ok: true },
  ];
}

async function disk(): Promise<Finding> {
  const { bavail, bsize } = await statfs(".");
  return { what: "disk here", found: `${formatBytes(bavail * bsize)} free`, ok: true };
}

async function cards(): Promise<Finding[]> {
  const { gpuList } = await import("@vlmopt/bench");
  const gpus = await gpuList();
  if (gpus.length === 0)
    return [{ what: "NVIDIA cards", found: "none that NVML or nvidia-smi knows", ok: false }];
  return gpus.map(({ name, memory, driver }) => ({
    what: "NVIDIA card",
    found: `${name}, ${formatBytes(memory)}, driver ${driver}`,
    ok: true,
  }));
}

/** Each runs a small pass. */
async function executors(): Promise<Finding[]> {
  const { ortExecutor, plainExecutor, tfjsBackends, tfjsExecutor, tryExecutor, webgpuExecutor } =
    await import("@vlmopt/engine");
  const open = {
    ort: async () => ortExecutor(),
    webgpu: () => webgpuExecutor(),
    plain: async () => plainExecutor(),
    ...Object.fromEntries(
      tfjsBackends.map((backend) => [`tfjs on ${backend}`, () => tfjsExecutor({ backend })]),
    ),
  };
  const findings: Finding[] = [];
  for (const [name, make] of Object.entries(open)) {
    try {
      await tryExecutor(await make());
      findings.push({ what: `executor ${name}`, found: "works", ok: true });
    } catch (error) {
      findings.push({
        what: `executor ${name}`,
        found: (error as Error).message.split("\n")[0] ?? "",
        ok: false,
      });
    }
  }
  return findings;
}

async function token(): Promise<Finding> {
  const { findAccessToken } = await import("@vlmopt/datasets");
  const found = (await findAccessToken(process.env)) !== undefined;
  return {
    what: "hub's token",
    found: found ? "there" : "none: gated repositories need one in HF_TOKEN",
    ok: found,
  };
}
