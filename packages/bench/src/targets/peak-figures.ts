import type { MemoryFigures } from "../records/run-summary.ts";

/** What a process of a model tells of its memory: bytes, null where nobody keeps account. */
export interface PeakMemory {
  readonly process: number;
  readonly executor: number | null;
}

export function peakFigures({
  process,
  executor,
}: PeakMemory): Pick<MemoryFigures, "processPeak" | "executorPeak"> {
  return {
    processPeak: { bytes: process, method: "getrusage of the process, most resident" },
    executorPeak: executor === null ? null : { bytes: executor, method: "buffers that the executor made" },
  };
}
