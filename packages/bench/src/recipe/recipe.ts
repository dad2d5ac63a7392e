import { budgetNamed, compressionSchema, defaultCandidates, quantizationMethodNames } from "@vlmopt/compress";
import {
  executorNames,
  generateRules,
  ortRules,
  visualTokenMethodNames,
  visualTokenRules,
} from "@vlmopt/engine";
import { parseMetric } from "@vlmopt/metrics";
import { finite, share, threads, whole } from "@vlmopt/options";
import { candidatesNamed, schemesNamed } from "@vlmopt/quant";
import { type Recovery, recoveryRules, recoveryWays } from "@vlmopt/recover";
import { z } from "zod";
import { calibrateSchema, dataSchema } from "./data-spec.ts";
import { oneOf } from "./one-of.ts";
import { ruled } from "./ruled.ts";
import { taskSpecSchema } from "./task-spec.ts";

const count = ruled<number>(whole());

const schemeName = z.string().refine(isScheme, { error: ({ input }) => schemeProblem(String(input)) });
const schemeObject = z
  .strictObject({
    /** One, or with a budget several apart by commas, among which data choose for each linear. */
    scheme: z.string().optional(),
    /** Budget: of a weight, in the mean of all linears that are quantized. */
    bits: ruled<number>(finite({ above: 0 })).optional(),
    /** Budget: of all the model's safetensors files. */
    bytes: ruled<number>(whole()).optional(),
    preset: oneOf("preset", ["fast", "best"]).default("fast"),
    /** Rounds by data, while the model reads them; without, weights alone decide, but within a budget. */
    method: oneOf("method", quantizationMethodNames as [string, ...string[]]).optional(),
    /** Default: what the variant is calibrated on. */
    calibrate: calibrateSchema.optional(),
  })
  .superRefine((spec, context) => {
    const { scheme, bits, bytes } = spec;
    const budgeted = bits !== undefined || bytes !== undefined;
    const issue = (message: string | undefined, path: readonly string[] = []) => {
      if (message !== undefined) context.addIssue({ code: "custom", message, path: [...path] });
    };
    if (bits !== undefined && bytes !== undefined) issue("has bits and bytes: give one of them");
    if (scheme !== undefined) issue(budgeted ? candidatesProblem(scheme) : schemeProblem(scheme), ["scheme"]);
    else if (!budgeted) issue("needs a scheme, or a budget of bits or bytes");
  })
  .transform(({ scheme = defaultCandidates, ...spec }) => ({ scheme, ...spec }));
const schemeError = {
  error: "is the name of a scheme, or {scheme: …, bits: …, bytes: …, preset: …, method: …, calibrate: …}",
};
const byName = (scheme: string): z.output<typeof schemeObject> => ({ scheme, preset: "fast" });

const quantizeSchema = z.union([schemeName.transform(byName), schemeObject], schemeError);

export type QuantizeSpec = z.output<typeof quantizeSchema>;

/** What tables and names of variants call it: the scheme, or the budget. */
export function precisionOf({ scheme, bits, bytes }: QuantizeSpec): string {
  if (bits === undefined && bytes === undefined) return scheme;
  const budget = bits === undefined ? `${bytes} bytes` : `${bits} bits`;
  return scheme === defaultCandidates ? budget : `${budget} of ${scheme}`;
}

/** The schemes of a specification, by its names. */
export function schemesOf({ scheme, preset, bits, bytes }: QuantizeSpec) {
  if (bits === undefined && bytes === undefined) return schemesNamed(scheme, preset);
  return budgetNamed(scheme, preset, bits === undefined ? { bytes } : { bits });
}

const visualTokensSchema = z.strictObject({
  keep: ruled<number>(visualTokenRules.keep),
  method: oneOf("method", visualTokenMethodNames as [string, ...string[]]).default("divprune"),
  merge: z.boolean().default(true),
  /** Folder of a CLIP, for methods that read the question. */
  clip: z.string().min(1).optional(),
});

export type VisualTokensSpec = z.output<typeof visualTokensSchema>;

const engineSchema = z.strictObject({
  executor: oneOf("executor", executorNames).default("ort"),
  threads: ruled<number>(threads).optional(),
  /** ONNX Runtime's execution providers, in order of preference. */
  providers: z.array(z.string()).min(1).optional(),
  activations: ruled<"int8" | "float32">(ortRules.activations).optional(),
});

export type EngineSpec = z.output<typeof engineSchema>;

const endpointSchema = z.strictObject({
  /** Of the API, up to `/v1`; of several servers, which share the questions. */
  url: z.union([z.url(), z.array(z.url()).min(1)], { error: "is a URL, or a list of them" }),
  /** As the server calls it. */
  model: z.string().min(1),
  /** Name of the environment variable that holds the key. */
  apiKeyVariable: z.string().optional(),
  /** Requests at once, of each server. */
  concurrency: count.default(1),
  /** Seconds without an answer, or without more of it. */
  timeout: ruled<number>(finite({ above: 0 })).default(120),
  retries: ruled<number>(whole({ from: 0 })).default(3),
  /** Fields that go into every request as they are. */
  extra: z.record(z.string(), z.unknown()).default({}),
});

export type EndpointSpec = z.output<typeof endpointSchema>;

const setting = (name: keyof Recovery) => ruled<number>(recoveryRules[name]).optional();

/** How a pruned model learns from the dense one; by steps alone, since no two machines take as many in a time. */
const recoverSchema = z.strictObject({
  way: oneOf("way", recoveryWays).optional(),
  steps: setting("steps"),
  batch: setting("batch"),
  rate: setting("rate"),
  warmup: setting("warmup"),
  weightDecay: setting("weightDecay"),
  clip: setting("clip"),
  rank: setting("rank"),
  alpha: setting("alpha"),
  temperature: setting("temperature"),
  hiddenWeight: setting("hiddenWeight"),
  testEvery: setting("testEvery"),
  patience: setting("patience"),
  seed: setting("seed"),
  /** Default: what the variant is calibrated on. */
  data: calibrateSchema.optional(),
});

export type RecoverSpec = z.output<typeof recoverSchema>;

const variantSchema = z
  .strictObject({
    name: z.string().min(1),
    /** Variants of one family are compared with its dense model. */
    family: z.string().min(1).optional(),
    model: z.string().min(1).optional(),
    endpoint: endpointSchema.optional(),
    prune: compressionSchema.optional(),
    /** In the place of the recipe's. */
    calibrate: calibrateSchema.optional(),
    /** Lets the pruned model learn from the dense one, before it is quantized. */
    recover: recoverSchema.optional(),
    quantize: quantizeSchema.optional(),
    /** That fewer of each picture's tokens go on; else as the model's folder says, all of them mostly. */
    visualTokens: visualTokensSchema.optional(),
    /** How an endpoint's weights are stored, for tables. */
    precision: z.string().optional(),
    engine: engineSchema.partial().optional(),
  })
  .refine(({ model, endpoint }) => (model === undefined) !== (endpoint === undefined), {
    error: "names either a model or an endpoint",
  })
  .refine(({ recover, prune }) => recover === undefined || prune !== undefined, {
    error: "is for what is pruned: give prune too",
    path: ["recover"],
  })
  .refine(({ visualTokens, endpoint }) => visualTokens === undefined || endpoint === undefined, {
    error: "is for models that run here: an endpoint's server decides itself",
    path: ["visualTokens"],
  });

/** Every pruning in every precision, with every number of visual tokens. */
const gridSchema = z.strictObject({
  model: z.string().min(1),
  family: z.string().min(1).optional(),
  /** By the name that variants get; `{}` cuts nothing. */
  prune: z.record(z.string().min(1), compressionSchema).default({ dense: {} }),
  /** `none` leaves weights as they are. */
  quantize: z
    .array(
      z.union(
        [
          z
            .string()
            .refine((name) => name === "none" || isScheme(name), {
              error: ({ input }) => schemeProblem(String(input)),
            })
            .transform((name) => (name === "none" ? name : byName(name))),
          schemeObject,
        ],
        schemeError,
      ),
    )
    .min(1)
    .default(["none"]),
  /** `all` leaves them as the model's folder says. */
  visualTokens: z
    .array(
      z.union([z.literal("all"), visualTokensSchema], { error: "is all, or {keep: …, method: …, merge: …}" }),
    )
    .min(1)
    .default(["all"]),
  /** In the place of the recipe's. */
  calibrate: calibrateSchema.optional(),
  engine: engineSchema.partial().optional(),
});

const protocolSchema = z.strictObject({
  newTokens: ruled<number>(generateRules.maxNewTokens).default(32),
  /** At least as many as requests run at once. */
  warmups: ruled<number>(whole({ from: 0 })).default(2),
  minRepetitions: count.default(10),
  minSeconds: ruled<number>(finite({ from: 0 })).default(2),
  /** Times that all variants are gone through for these requests, so that what changes on the machine meanwhile meets all alike. */
  rounds: count.default(2),
  maxAnswerTokens: ruled<number>(generateRules.maxNewTokens).default(128),
  confidence: ruled<number>(share).default(0.95),
});

export type ProtocolSpec = z.output<typeof protocolSchema>;

/** By its name, with options behind colons: `rouge:stemmer`. */
const metricSchema = z.string().refine((text) => metricProblem(text) === undefined, {
  error: ({ input }) => metricProblem(String(input)),
});

function metricProblem(text: string): string | undefined {
  try {
    parseMetric(text);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function isNamed(metric: string, name: string): boolean {
  return metric === name || metric.startsWith(`${name}:`);
}

/** A recipe file, as it is written. */
export const recipeSchema = z
  .strictObject({
    name: z.string().regex(/^[\w.-]+$/, "is of letters, digits, dots and dashes: folders are named after it"),
    /** Questions: of a data set, or of benchmarks. */
    data: dataSchema.optional(),
    tasks: z.array(taskSpecSchema).min(1).optional(),
    /** What models read while they are pruned. */
    calibrate: calibrateSchema.default("own"),
    protocol: protocolSchema.prefault({}),
    metrics: z.array(metricSchema).min(1).optional(),
    /** Share of the questions that may be unusable or stay unanswered; beyond it the run or the variant fails. */
    maxFailed: ruled<number>(finite({ from: 0, below: 1 })).default(0.5),
    /** Of BERTScore: folder of a BERT or one of its kin. */
    encoder: z
      .strictObject({
        folder: z.string().min(1),
        layer: z.union([count, z.literal("bert-score")]).optional(),
      })
      .optional(),
    /** Of the judge: a model behind an OpenAI-compatible server, which grades answers. */
    judge: z
      .strictObject({
        url: z.url(),
        model: z.string().min(1),
        apiKeyVariable: z.string().optional(),
      })
      .optional(),
    /** Of perplexity: folder of GPT-2 or another decoder. */
    languageModel: z.string().min(1).optional(),
    engine: engineSchema.prefault({}),
    variants: z.array(variantSchema).default([]),
    grids: z.array(gridSchema).default([]),
  })
  .refine(({ variants, grids }) => variants.length + grids.length > 0, {
    error: "names no variants: give variants, grids or both",
  })
  .refine(({ data, tasks }) => (data === undefined) !== (tasks === undefined), {
    error: "names either data or tasks",
  })
  .refine(({ metrics, tasks }) => metrics === undefined || tasks === undefined, {
    error: "says nothing beside tasks, which have metrics of their own",
    path: ["metrics"],
  })
  .refine(
    ({ metrics = [], encoder }) =>
      !metrics.some((metric) => isNamed(metric, "bertscore")) || encoder !== undefined,
    {
      error: "bertscore needs an encoder",
      path: ["encoder"],
    },
  )
  .refine(
    ({ metrics = [], judge }) => !metrics.some((metric) => isNamed(metric, "judge")) || judge !== undefined,
    {
      error: "judge needs a model: judge: {url: …, model: …}",
      path: ["judge"],
    },
  )
  .refine(
    ({ metrics = [], encoder }) =>
      !metrics.some((metric) => isNamed(metric, "sentence-similarity")) || encoder !== undefined,
    {
      error: "sentence-similarity needs an encoder",
      path: ["encoder"],
    },
  )
  .refine(
    ({ metrics = [], languageModel }) =>
      !metrics.some((metric) => isNamed(metric, "perplexity")) || languageModel !== undefined,
    {
      error: "perplexity needs a languageModel",
      path: ["languageModel"],
    },
  );

export type RecipeFile = z.output<typeof recipeSchema>;

function candidatesProblem(names: string): string | undefined {
  try {
    candidatesNamed(names);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function isScheme(name: string): boolean {
  return schemeProblem(name) === undefined;
}

function schemeProblem(name: string): string | undefined {
  try {
    schemesNamed(name);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
