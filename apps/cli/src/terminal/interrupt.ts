import { exitCodes } from "./failure.ts";

/** Milliseconds that work gets to end by itself. */
const GRACE = 700;

/** Pieces of work that are to be ended in order. */
let underWay = 0;

/** Lets Ctrl-C end the process at once, with its own exit code, wherever no work is under way that must be ended in order. */
export function leaveWhenInterrupted(): void {
  const leave = () => {
    if (underWay > 0) return;
    process.stderr.write("error: interrupted\n");
    process.exit(exitCodes.interrupted);
  };
  process.on("SIGINT", leave).on("SIGTERM", leave);
}

/**
 * Runs work that Ctrl-C (or a polite kill) ends cleanly: the signal aborts it, and it removes what it had begun. Work that has not ended soon,
 * since something cannot be interrupted, ends with the process, and so does all at the second Ctrl-C; what was begun is removed then, too.
 * @param said what the last line says in that case
 */
export async function interruptible<T>(
  work: (signal: AbortSignal) => Promise<T>,
  said = "interrupted; nothing was written",
): Promise<T> {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const leave = () => {
    process.stderr.write(`error: ${said}\n`);
    process.exit(exitCodes.interrupted);
  };
  const abort = () => {
    if (controller.signal.aborted) return leave();
    controller.abort();
    timer = setTimeout(leave, GRACE);
  };
  process.on("SIGINT", abort).on("SIGTERM", abort);
  underWay++;
  try {
    return await work(controller.signal);
  } finally {
    underWay--;
    clearTimeout(timer);
    process.off("SIGINT", abort).off("SIGTERM", abort);
  }
}

/**
 * The same for work that goes on where it was stopped.
 * @returns undefined where it was interrupted, which is told
 */
export async function resumable<T>(
  work: (signal: AbortSignal) => Promise<T>,
  said: string,
): Promise<T | undefined> {
  try {
    return await interruptible(work, said);
  } catch (error) {
    if (!(error instanceof Error && error.name === "AbortError")) throw error;
    process.stderr.write(`error: ${said}\n`);
    process.exitCode = exitCodes.interrupted;
    return undefined;
  }
}
