import { CommanderError } from "@commander-js/extra-typings";

/** What a command may end with. */
export const exitCodes = { done: 0, failed: 1, badUsage: 2, interrupted: 130 } as const;

/**
 * Tells a person what went wrong: `error: …` and, where the error knows what to do, `hint: …`. The stack only with --debug.
 * @returns the exit code
 */
export function reportFailure(error: unknown, debug: boolean): number {
  if (error instanceof CommanderError) {
    // Commander has printed its message, or the help that was asked for.
    return error.exitCode === 0 ? exitCodes.done : exitCodes.badUsage;
  }
  if (error instanceof Error && error.name === "AbortError") {
    process.stderr.write("error: interrupted; nothing was written\n");
    return exitCodes.interrupted;
  }
  const message = error instanceof Error ? error.message : String(error);
  const { hint } = error as { hint?: unknown };
  process.stderr.write(`error: ${message.replaceAll("\n", " ")}\n`);
  if (typeof hint === "string") process.stderr.write(`hint: ${hint}\n`);
  if (debug && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  return exitCodes.failed;
}
