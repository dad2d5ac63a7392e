import type { PictureView } from "@vlmopt/engine";
import type { MemoryFigures } from "../records/run-summary.ts";

/** What answers: a model in a process of its own, or a server. */
export interface Target {
  /** Process whose memory is the model's; none where that is elsewhere. */
  readonly pid: number | undefined;
  /** Milliseconds until it can answer; of a server, until it has said that it is there. */
  load(): Promise<number>;
  /** @throws {RequestFailure} where this request cannot be answered, and others may be */
  answer(request: TargetRequest): Promise<TargetAnswer>;
  /** The most memory that its process has held, and its executor; null where nobody can tell. */
  peakMemory(): Promise<Pick<MemoryFigures, "processPeak" | "executorPeak">>;
  close(): Promise<void>;
}

export interface TargetRequest {
  /** `<image>` stands where pictures are shown, if it stands there for each of them; else they come first. */
  readonly question: string;
  /** Paths of the pictures' files. */
  readonly images: readonly string[];
  readonly maxNewTokens: number;
  /** Exactly so many, whether the model would end earlier or not: for speed. */
  readonly fixedLength: boolean;
}

/** Milliseconds are measured next to the model, without the way to us where it is a process of ours. */
export interface TargetAnswer {
  readonly text: string;
  readonly promptTokens: number | null;
  readonly newTokens: number | null;
  /** Of keys and values; null, or missing, where the target does not tell. */
  readonly cacheBytes?: number | null;
  /** Of pictures that lost tokens, which stayed. */
  readonly pictures?: readonly PictureView[];
  readonly finish: "end" | "stop" | "length";
  readonly ttft: number;
  /** Of each token, or piece of text, after the first. */
  readonly tokens: readonly number[];
  readonly latency: number;
}
