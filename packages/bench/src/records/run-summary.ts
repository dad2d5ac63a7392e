// What a run found, as plain data: summary.json is a RunSummary, items.jsonl an ItemResult a line. Reports need nothing else.
import type { PictureView } from "@vlmopt/engine";

/** One run: variants of models, on one set of questions, by one protocol. */
export interface RunSummary {
  readonly version: 1;
  readonly name: string;
  /** Every variant has been measured, or has failed. */
  readonly completed: boolean;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly environment: Environment;
  /** Of all tasks together, where tasks were asked. */
  readonly dataset: DatasetSummary;
  /** Benchmarks that were asked. */
  readonly tasks?: readonly TaskSummary[];
  readonly protocol: ProtocolSummary;
  /** In the order of the recipe. */
  readonly variants: readonly VariantSummary[];
}

/** The machine and the software that gave the numbers. */
export interface Environment {
  readonly vlmopt: string;
  readonly node: string;
  readonly os: string;
  readonly cpu: string;
  readonly cores: number;
  /** Bytes. */
  readonly memory: number;
  readonly gpus: readonly { readonly name: string; readonly memory: number; readonly driver: string }[];
}

export interface TaskSummary {
  readonly name: string;
  readonly title: string;
  /** Whose prompt was used. */
  readonly prompt: string;
  readonly dataset: DatasetSummary;
  /** The figure that stands for it: `pope/pope-f1`. */
  readonly figure: string;
  /** Its value for a model that is always right. */
  readonly full: number;
}

export interface DatasetSummary {
  readonly name: string;
  readonly split: string | null;
  /** Questions that were asked. */
  readonly count: number;
  /** Questions that every variant answered which is complete: scores are of these, so that they compare. */
  readonly scored?: number;
  /** Rows that were not asked: without a question, a picture or a reference. */
  readonly leftOut?: readonly LeftOutRow[];
  /** What reproduces the records. */
  readonly signature: string;
}

/** A row of the data that was not asked, or a question that was not answered. */
export interface LeftOutRow {
  /** File, row, and the question's id where it has one. */
  readonly place: string;
  readonly problem: string;
}

export interface ProtocolSummary {
  /** New tokens of every request of which the speed is measured. */
  readonly newTokens: number;
  readonly warmups: number;
  /** Floors, both of which are met. */
  readonly minRepetitions: number;
  readonly minSeconds: number;
  /** Times that all variants were gone through for them. */
  readonly rounds?: number;
  /** Most tokens of an answer that is scored. */
  readonly maxAnswerTokens: number;
  /** Of all intervals. */
  readonly confidence: number;
  /** Requests under way at once: 1, but for endpoints. */
  readonly concurrency: number;
}

/** What was cut, and how much of it: `glu` neurons of the gated MLP, `heads`, `layers`, `l1` single weights set to zero. */
export interface PruningLabel {
  readonly kind: "glu" | "heads" | "layers" | "l1";
  readonly ratio: number;
}

export interface VariantSummary {
  readonly name: string;
  /** Of the configuration: source, transforms, target and protocol. */
  readonly hash: string;
  /** Variants of one family are made from one model: `LLaVA-1.5-7B`. */
  readonly family: string;
  /** Name of the variant that retention is measured against; null where it is itself the dense model, or none is there. */
  readonly base: string | null;
  /** Nothing where nothing was cut. */
  readonly pruning: readonly PruningLabel[];
  /** How weights are stored: `bf16`, `f16`, `int4-g128`, `nf4`, or what an endpoint is said to serve. */
  readonly precision: string;
  /** That fewer of each picture's tokens went on; null where all did, or as the model's folder says. */
  readonly visualTokens?: { readonly keep: number; readonly method: string; readonly merge: boolean } | null;
  readonly target: "engine" | "endpoint";
  readonly status: "complete" | "failed" | "incomplete";
  /** Why it failed, in a sentence. */
  readonly error: string | null;
  /** Questions that it could not answer, while it answered others. */
  readonly unanswered?: readonly LeftOutRow[];
  readonly size: ModelSize | null;
  readonly memory: MemoryFigures;
  readonly energy: EnergyFigures | null;
  readonly device: DeviceFigures | null;
  readonly speed: SpeedFigures | null;
  /** New tokens of the requests whose speed was measured: fewer than were asked for where a server ends by itself. */
  readonly speedTokens?: { readonly fewest: number; readonly most: number } | null;
  /** Tokens of the prompts and answers of the quality pass; null where the target does not tell. */
  readonly promptTokens: Estimate | null;
  readonly newTokens: Estimate | null;
  /** Of the keys and values that a prompt and its answer took in the cache; null where the target does not tell. */
  readonly cacheBytes?: Estimate | null;
  /** Milliseconds of the answers of the quality pass, which end by themselves; null where there are none. */
  readonly answerLatency: Estimate | null;
  /** Characters of an answer, on average. */
  readonly answerCharacters: number | null;
  /** Every figure, precision and recall too, in the order of the metrics. */
  readonly quality: readonly QualityFigure[];
  /** The seed's Q, the mean of METEOR, ROUGE-1 and BERTScore F1; null unless all three were measured. */
  readonly q: QualityFigure | null;
}

/** Weights as they lie on disk. */
export interface ModelSize {
  /** Bytes of the tensors. */
  readonly bytes: number;
  /** Weights, each counted once however few bits it takes. */
  readonly parameters: number;
  readonly bitsPerWeight: number;
}

/** Bytes and the way they were had. Null: nobody could tell, which is not 0. */
export interface MemoryFigure {
  readonly bytes: number;
  /** `VmHWM of the process`, `NVML, sampled, process tree` … */
  readonly method: string;
}

export interface MemoryFigures {
  /** Of the device that runs the model. */
  readonly devicePeak: MemoryFigure | null;
  /** Resident memory of the process that runs the model. */
  readonly processPeak: MemoryFigure | null;
  /** What the executor says that it has allocated. */
  readonly executorPeak: MemoryFigure | null;
}

export interface EnergyFigures {
  /** Of the device, over the measured requests. */
  readonly joulesPerToken: number;
  readonly method: string;
}

/** Of the devices that ran the model, means over the samples of the measured requests. */
export interface DeviceFigures {
  readonly names: readonly string[];
  /** Percent of the time in which something ran; null where nobody told. */
  readonly utilisation: number | null;
  /** Of the multiprocessors, MHz. */
  readonly clock: number | null;
  /** Watts, of all of them together. */
  readonly power: number | null;
  readonly method: string;
}

/** A median and its interval. */
export interface Estimate {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  /** Measurements behind it. */
  readonly samples: number;
}

/** Milliseconds, but for tokens per second. At a fixed number of new tokens. */
export interface SpeedFigures {
  readonly loadTime: Estimate;
  /** From the request to its first token. */
  readonly ttft: Estimate;
  /** Of each token after the first; null where one token alone was asked for. */
  readonly tpot: Estimate | null;
  /** From the request to its last token. */
  readonly latency: Estimate;
  /** New tokens by the time of all requests, those that ran at once together. */
  readonly tokensPerSecond: Estimate;
}

/** A figure of a metric over all questions, with its interval. */
export interface QualityFigure {
  readonly metric: string;
  /** Name of the task that it is of. */
  readonly task?: string;
  /** `rouge1`, `meteor` …; of a task with its name before it, `gqa/exact-match-lmms`; `mean` over tasks. */
  readonly figure: string;
  readonly score: number;
  /** Null where there is no interval: of a single question, for most figures. */
  readonly low: number | null;
  readonly high: number | null;
  /** Agresti and Coull's where every question scores 0 or 1, else the percentiles of resamples. */
  readonly interval?: "agresti-coull" | "wilson" | "percentile" | "bca";
  /** What reproduces it. */
  readonly signature: string;
  /** Null for the dense model, and where there is none. */
  readonly retention: Retention | null;
  /** Held against the dense model's answers to the same questions; null as `retention` is, and for precision and recall. */
  readonly versus?: Versus | null;
}

/** A paired test, not corrected for others. */
export interface Versus {
  /** Score less the dense model's. */
  readonly difference: number;
  /** Of no difference, by swapping answers. */
  readonly p: number;
  /** All swaps were counted; else 10,000 were drawn. */
  readonly exact: boolean;
}

/** How much is kept of the dense model's score. Null where that has nothing to keep. */
export interface Retention {
  /** score / dense score: flattered by what answers to other questions score too. */
  readonly ofDense: number | null;
  readonly ofDenseLow?: number | null;
  readonly ofDenseHigh?: number | null;
  /** (score − floor) / (dense − floor): 0 where answers fit no better than answers to other questions. */
  readonly aboveFloor: number | null;
  /** Of `aboveFloor`. */
  readonly low: number | null;
  readonly high: number | null;
  /** Score of the dense model's answers against the references of other questions, on average over many of them. */
  readonly floor: number;
}

/** One variant's answer to one question. */
export interface ItemResult {
  readonly variant: string;
  readonly id: string;
  readonly question: string;
  /** What the model was asked, with `<image>` where pictures are shown. */
  readonly prompt?: string;
  /** Path of the first picture from the run's folder, with `/`. */
  readonly image: string;
  /** Hash of what is in its pictures. */
  readonly picture?: string;
  /** Name of the task that it is of. */
  readonly task?: string;
  /** Questions of a task that count together bear the same; their scores are of all of them. */
  readonly unit?: string;
  /** What the answer says, as the task reads it. */
  readonly reading?: string;
  readonly references: readonly string[];
  readonly topic: string | null;
  readonly prediction: string;
  /** Which of the pictures' tokens stayed, where some went. */
  readonly pictures?: readonly PictureView[];
  /** Tokens; null where the target does not tell. */
  readonly newTokens: number | null;
  readonly finish: "end" | "stop" | "length";
  /** By figure, of this item alone. */
  readonly scores: Readonly<Record<string, number>>;
}
