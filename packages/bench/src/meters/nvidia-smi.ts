import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);
const MEBIBYTE = 1 << 20;

/** What `nvidia-smi` says of each device; empty where it is not there. */
export interface SmiDevice {
  readonly name: string;
  readonly memory: number;
  readonly used: number;
  readonly driver: string;
  readonly power: number | undefined;
  readonly utilisation: number | undefined;
  readonly clock: number | undefined;
}

export async function smiDevices(): Promise<SmiDevice[]> {
  const rows = await query(
    "--query-gpu=name,memory.total,memory.used,driver_version,power.draw,utilization.gpu,clocks.sm",
  );
  return rows.map(([name = "", memory, used, driver = "", power, utilisation, clock]) => ({
    name,
    memory: MEBIBYTE * (numberOf(memory) ?? 0),
    used: MEBIBYTE * (numberOf(used) ?? 0),
    driver,
    power: numberOf(power),
    utilisation: numberOf(utilisation),
    clock: numberOf(clock),
  }));
}

/** Bytes of all devices by process. */
export async function smiProcesses(): Promise<ReadonlyMap<number, number>> {
  const bytes = new Map<number, number>();
  for (const [pid, used] of await query("--query-compute-apps=pid,used_memory")) {
    const memory = numberOf(used);
    if (memory !== undefined) bytes.set(Number(pid), (bytes.get(Number(pid)) ?? 0) + MEBIBYTE * memory);
  }
  return bytes;
}

async function query(what: string): Promise<string[][]> {
  try {
    const { stdout } = await run("nvidia-smi", [what, "--format=csv,noheader,nounits"], { timeout: 10_000 });
    return stdout
      .split("\n")
      .filter((line) => line.trim() !== "")
      .map((line) => line.split(",").map((cell) => cell.trim()));
  } catch {
    return [];
  }
}

/** `[N/A]` and the like are no numbers. */
function numberOf(cell: string | undefined): number | undefined {
  const value = Number(cell);
  return cell === undefined || cell === "" || Number.isNaN(value) ? undefined : value;
}
