import { executorNames, type VisualTokens, visualTokenPlan } from "@vlmopt/engine";
import {
  anything,
  checkOptions,
  func,
  listOf,
  name,
  object,
  oneOf,
  threads as threadsRule,
  whole,
} from "@vlmopt/options";
import { builtModule } from "@vlmopt/tensor-io";
import { BenchError } from "../bench-error.ts";
import { startGpuMeter } from "../meters/gpu-meter.ts";
import { medianInterval } from "../protocol/median-interval.ts";
import { speedFigures } from "../protocol/speed-figures.ts";
import { unlessAborted } from "../protocol/unless-aborted.ts";
import type { EngineSpec } from "../recipe/recipe.ts";
import type { Environment, Estimate, MemoryFigures, SpeedFigures } from "../records/run-summary.ts";
import { environment } from "../run/environment.ts";
import { peakFigures } from "../targets/peak-figures.ts";
import { type WorkerProcess, workerProcess } from "../targets/worker-process.ts";
import { assertRandomScheme } from "./random-checkpoint.ts";
import type { FromShape, LoadedShape, ShapeAnswer, ShapeJob, ToShape } from "./shape-protocol.ts";

const CONFIDENCE = 0.95;

export interface MeasureShapesOptions {
  /** Names of schemes, see `randomCheckpoint`; each is measured in a process of its own, one after the other. */
  readonly schemes: readonly string[];
  /** What runs the model; `ort` unless told. */
  readonly executor?: EngineSpec["executor"];
  /** Of the processor; as many as it has cores unless told. */
  readonly threads?: number;
  /** Tokens of the prompt, the picture's included; 650 unless told. */
  readonly promptTokens?: number;
  /** 128 unless told. */
  readonly newTokens?: number;
  /** That fewer of the picture's tokens go on; all of them unless told. */
  readonly visualTokens?: VisualTokens;
  /** Requests that count, after one that does not; 5 unless told. */
  readonly repetitions?: number;
  /** Ends the measurement after the request that is under way, or the loading: killed, that would leave files behind. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ShapeProgress) => void;
  /** Module of the process that runs the model. */
  readonly worker?: URL | string;
}

export interface ShapeProgress {
  readonly scheme: string;
  readonly phase: "loading" | "speed";
  /** Requests of all schemes. */
  readonly done: number;
  readonly total: number;
}

/** What a model of these shapes takes, as plain data. */
export interface ShapeSummary {
  readonly environment: Environment;
  readonly protocol: {
    readonly newTokens: number;
    readonly warmups: number;
    readonly repetitions: number;
    readonly confidence: number;
  };
  readonly schemes: readonly (ShapeFigures | FailedShape)[];
}

export interface FailedShape {
  readonly scheme: string;
  readonly error: string;
}

export interface ShapeFigures extends Omit<LoadedShape, "milliseconds"> {
  readonly scheme: string;
  readonly error: null;
  readonly speed: SpeedFigures;
  /** Milliseconds of a picture by itself; null of models that see nothing. */
  readonly vision: Estimate | null;
  /** Bytes of weights that are read in a second while tokens are made; null where one token alone was asked for. */
  readonly bandwidth: number | null;
  /** Of the keys and values of a request in the cache at its end. */
  readonly cacheBytes: number;
  readonly memory: MemoryFigures;
  /** What every request was answered, so that runs can be held against each other. */
  readonly tokens: readonly number[];
}

/**
 * Measures a model of which there is a configuration alone: its weights are made up. The prompt is text around one picture of the size that
 * the model takes; answers are greedy and of a fixed length. A scheme that fails does not stop the others.
 * @param config the contents of config.json
 * @throws {BenchError} where a scheme cannot be made up
 * @throws the signal's reason
 */
export async function measureShapes(config: unknown, options: MeasureShapesOptions): Promise<ShapeSummary> {
  checkOptions(
    "measureShapes",
    options,
    {
      schemes: listOf(name, { least: 1 }),
      executor: oneOf(executorNames),
      threads: threadsRule,
      promptTokens: whole(),
      newTokens: whole(),
      repetitions: whole(),
      visualTokens: object,
      signal: object,
      onProgress: func,
      worker: anything,
    },
    ["schemes"],
  );
  const { schemes, executor = "ort", threads, promptTokens = 650, newTokens = 128 } = options;
  const { repetitions = 5, visualTokens, signal, onProgress } = options;
  if (visualTokens !== undefined) visualTokenPlan("measureShapes: visualTokens", visualTokens);
  for (const scheme of schemes) assertRandomScheme(scheme);
  const requests = repetitions + 1;
  const measured: (ShapeFigures | FailedShape)[] = [];
  for (const [index, scheme] of schemes.entries()) {
    signal?.throwIfAborted();
    const engine = threads === undefined ? { executor } : { executor, threads };
    const job = { config, scheme, engine, promptTokens, newTokens, visualTokens };
    const report = (phase: ShapeProgress["phase"], done: number) =>
      onProgress?.({ scheme, phase, done: index * requests + done, total: schemes.length * requests });
    try {
      measured.push(await measureShape(job, requests, report, options));
    } catch (error) {
      signal?.throwIfAborted();
      measured.push({ scheme, error: (error as Error).message });
    }
  }
  return {
    environment: await environment(),
    protocol: { newTokens, warmups: 1, repetitions, confidence: CONFIDENCE },
    schemes: measured,
  };
}

async function measureShape(
  job: ShapeJob,
  requests: number,
  report: (phase: ShapeProgress["phase"], done: number) => void,
  { signal, worker = builtModule("shape-worker", import.meta.url) }: MeasureShapesOptions,
): Promise<ShapeFigures> {
  const child = workerProcess<ToShape, FromShape>(worker, {
    load: "while it loaded",
    ask: "while it answered",
    memory: "while it told of its memory",
  });
  try {
    const meter = child.pid === undefined ? undefined : await startGpuMeter(child.pid);
    let devicePeak: MemoryFigures["devicePeak"] = null;
    let asked: Awaited<ReturnType<typeof askAll>>;
    try {
      asked = await askAll(child, job, requests, report, signal);
    } finally {
      devicePeak = (await meter?.stop())?.memory ?? null;
    }
    const memory = { devicePeak, ...peakFigures(await child.ask({ kind: "memory" }, "memory")) };
    return { ...figuresOf(job.scheme, asked.loaded, asked.answers), memory };
  } finally {
    await child.close();
  }
}

async function askAll(
  child: WorkerProcess<ToShape, FromShape>,
  job: ShapeJob,
  requests: number,
  report: (phase: ShapeProgress["phase"], done: number) => void,
  signal: AbortSignal | undefined,
): Promise<{ loaded: LoadedShape; answers: ShapeAnswer[] }> {
  report("loading", 0);
  const { kind: _, ...loaded } = await unlessAborted(child.ask({ kind: "load", job }, "loaded"), signal);
  const answers: ShapeAnswer[] = [];
  for (let request = 0; request < requests; request++) {
    signal?.throwIfAborted();
    const answer = await unlessAborted(child.ask({ kind: "ask" }, "answered"), signal);
    assertSame(answers[0]?.tokens ?? answer.tokens, answer.tokens, request);
    answers.push(answer);
    report("speed", request + 1);
  }
  return { loaded, answers };
}

/** Equal requests have equal answers, or what was measured is not what should have been. */
function assertSame(first: readonly number[], tokens: readonly number[], request: number): void {
  const place = first.findIndex((token, i) => token !== tokens[i]);
  if (place === -1) return;
  throw new BenchError(
    `request ${request + 1} is answered otherwise than the first: token ${place + 1} is ${tokens[place]}, not ${first[place]}`,
  );
}

function figuresOf(
  scheme: string,
  { milliseconds, ...loaded }: LoadedShape,
  [warmup, ...answers]: readonly ShapeAnswer[],
): Omit<ShapeFigures, "memory"> {
  const samples = answers.map(({ ttft, latency, tokens }) => ({ ttft, latency, newTokens: tokens.length }));
  const speed = speedFigures([milliseconds], samples, { confidence: CONFIDENCE });
  if (speed === null) throw new BenchError("no request was measured", "ask for at least one repetition");
  const visions = answers.flatMap(({ vision }) => (vision === null ? [] : [vision]));
  return {
    scheme,
    error: null,
    ...loaded,
    speed,
    vision: medianInterval(visions, CONFIDENCE) ?? null,
    bandwidth: speed.tpot === null ? null : (1000 * loaded.bytesPerToken) / speed.tpot.median,
    cacheBytes: warmup?.cacheBytes ?? 0,
    tokens: warmup?.tokens ?? [],
  };
}
