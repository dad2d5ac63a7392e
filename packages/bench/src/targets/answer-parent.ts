import type { Failed, Message } from "./worker-process.ts";

/** The worker's side of `workerProcess`: answers each message with what `handle` makes of it, or with why it could not. */
export function answerParent<To extends Message, From extends Message>(
  handle: (message: To) => Promise<From>,
): void {
  const send = (message: From | Failed) => void process.send?.(message);
  // Ctrl-C reaches all processes of a terminal; the run decides when this one ends.
  process.on("SIGINT", () => {});
  process.on("disconnect", () => process.exit());
  process.on("message", (message: To) => {
    handle(message).then(send, (error: Error) => {
      const { hint } = error as { hint?: unknown };
      send({ kind: "failed", message: error.message, ...(typeof hint === "string" ? { hint } : {}) });
    });
  });
}

/** The most memory that this process has held, in bytes. */
export function peakResident(): number {
  const { maxRSS } = process.resourceUsage();
  // Kilobytes, on all systems.
  return 1024 * maxRSS;
}
