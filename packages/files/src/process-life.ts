import { readFile } from "node:fs/promises";

/** When a process started, in words of its system that no later process with its id shares; undefined where the system does not tell. */
export async function startOf(pid: number): Promise<string | undefined> {
  return (await linuxStat(pid))?.start;
}

/**
 * Whether a process of this machine is no more.
 * @param start what `startOf` said of it
 * @returns "unknown" where a process has that id and may be another one
 */
export async function hasEnded(pid: number, start: string | undefined): Promise<boolean | "unknown"> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return true;
  }
  const found = await linuxStat(pid);
  if (found === undefined) return "unknown";
  // A zombie has ended, though its parent has not looked yet.
  if ("ZX".includes(found.state)) return true;
  return start === undefined ? "unknown" : found.start !== start;
}

/** State and start of a process, from `/proc/<pid>/stat`, with the boot since which ticks are counted. */
async function linuxStat(pid: number): Promise<{ state: string; start: string } | undefined> {
  try {
    const [stat, boot] = await Promise.all(
      [`/proc/${pid}/stat`, "/proc/sys/kernel/random/boot_id"].map((path) => readFile(path, "utf8")),
    );
    // The second field is the program's name in parentheses, which may hold anything.
    const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ") ?? [];
    const [state, start] = [fields[0], fields[19]];
    return state === undefined || start === undefined
      ? undefined
      : { state, start: `${boot?.trim()}-${start}` };
  } catch {
    return undefined;
  }
}
