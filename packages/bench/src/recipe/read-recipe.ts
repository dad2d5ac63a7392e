import { readFile } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { type Compression, defaultQuantizationMethod, needsData } from "@vlmopt/compress";
import type { Recovery } from "@vlmopt/recover";
import { parseDocument } from "yaml";
import type { z } from "zod";
import { BenchError } from "../bench-error.ts";
import type { JudgeSpec } from "../targets/judge-model.ts";
import type { CalibrateSpec, DataSpec } from "./data-spec.ts";
import {
  type EndpointSpec,
  type EngineSpec,
  type ProtocolSpec,
  precisionOf,
  type QuantizeSpec,
  type RecipeFile,
  type RecoverSpec,
  recipeSchema,
  type VisualTokensSpec,
} from "./recipe.ts";
import { isTaskFile, type TaskSpec } from "./task-spec.ts";

/** A variant with all that was left to defaults, and paths that stand by themselves. */
export interface VariantSpec {
  readonly name: string;
  readonly family: string;
  /** Folder of the checkpoint that it is made from, or where it is served. */
  readonly source: { readonly model: string } | { readonly endpoint: EndpointSpec };
  readonly prune: Compression | undefined;
  /** What it reads while it is pruned; undefined where nothing is cut for which data matter. */
  readonly calibrate: CalibrateSpec | undefined;
  /** How it learns from the dense model before it is quantized, and from which data. */
  readonly recover?: { readonly recovery: Recovery; readonly data: CalibrateSpec } | undefined;
  readonly quantize: QuantizeSpec | undefined;
  /** That fewer of each picture's tokens go on. */
  readonly visualTokens?: VisualTokensSpec | undefined;
  readonly precision: string | undefined;
  readonly engine: EngineSpec;
}

export interface Recipe {
  readonly name: string;
  /** Undefined where tasks are asked. */
  readonly data: DataSpec | undefined;
  readonly tasks: readonly TaskSpec[];
  readonly protocol: ProtocolSpec;
  /** Empty where tasks have their own. */
  readonly metrics: readonly string[];
  /** Share of the questions that may be unusable or stay unanswered. */
  readonly maxFailed: number;
  readonly encoder:
    | { readonly folder: string; readonly layer?: number | "bert-score" | undefined }
    | undefined;
  readonly judge?: JudgeSpec | undefined;
  readonly languageModel: string | undefined;
  readonly variants: readonly VariantSpec[];
}

/**
 * Reads a recipe, YAML or JSON. Its paths are relative to it.
 * @throws {BenchError} where it cannot be read or understood, with the place in the file and what is allowed there
 */
export async function readRecipe(file: string): Promise<Recipe> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new BenchError(`${file}: ${code === "ENOENT" ? "no such file" : message}`);
  }
  return parseRecipe(text, file);
}

/** @param file where the text is from: for messages, and for the paths in it */
export function parseRecipe(text: string, file: string): Recipe {
  const document = parseDocument(text);
  const [problem] = document.errors;
  if (problem !== undefined) throw new BenchError(`${file}: ${problem.message.split("\n")[0]}`);
  return recipeOf(document.toJS(), dirname(resolve(file)), file);
}

/**
 * @param folder that relative paths start from
 * @param origin what messages call the recipe
 */
export function recipeOf(value: unknown, folder: string, origin: string): Recipe {
  const parsed = recipeSchema.safeParse(value);
  if (!parsed.success) throw invalid(parsed.error.issues, origin);
  const { name, data, tasks = [], protocol, metrics, maxFailed, encoder, judge, languageModel } = parsed.data;
  const at = (path: string) => resolve(folder, path);
  const variants = variantsOf(parsed.data, at);
  const twice = variants.find(
    (variant, i) => variants.findIndex((other) => other.name === variant.name) !== i,
  );
  if (twice !== undefined)
    throw new BenchError(`${origin}: two variants are named ${JSON.stringify(twice.name)}`);
  return {
    name,
    data: data !== undefined && "folder" in data ? { ...data, folder: at(data.folder) } : data,
    tasks: tasks.map((spec: TaskSpec) => locatedTask(spec, at)),
    protocol,
    metrics: metrics ?? (data === undefined ? [] : ["meteor", "rouge"]),
    maxFailed,
    encoder: encoder && { ...encoder, folder: at(encoder.folder) },
    ...(judge === undefined ? {} : { judge }),
    languageModel: languageModel === undefined ? undefined : at(languageModel),
    variants,
  };
}

function variantsOf(
  { variants, grids, engine, calibrate: common }: RecipeFile,
  at: (path: string) => string,
): VariantSpec[] {
  const calibrating = (
    prune: Compression | undefined,
    quantize: QuantizeSpec | undefined,
    own: CalibrateSpec | undefined,
  ) => {
    const reads = (prune !== undefined && needsData(prune)) || roundsByData(quantize);
    return reads ? located(quantize?.calibrate ?? own ?? common, at) : undefined;
  };
  const listed = variants.map((variant): VariantSpec => {
    const { name, model, endpoint, prune, quantize, precision } = variant;
    const source = endpoint === undefined ? { model: at(model ?? "") } : { endpoint };
    const family = variant.family ?? (endpoint === undefined ? basename(at(model ?? "")) : endpoint.model);
    return {
      name,
      family,
      source,
      prune,
      calibrate: calibrating(prune, quantize, variant.calibrate),
      ...recovered(variant.recover, variant.calibrate ?? common, at),
      quantize: quantize && withMethod(quantize),
      ...reduced(variant.visualTokens, at),
      precision,
      engine: { ...engine, ...defined(variant.engine) },
    };
  });
  const combined = grids.flatMap((grid) =>
    Object.entries(grid.prune).flatMap(([pruning, prune]) =>
      combinations(grid).map(([quantize, visualTokens]): VariantSpec => {
        const whole = quantize === "none";
        const method = whole ? undefined : withMethod(quantize).method;
        const precision = whole ? [] : [precisionOf(quantize), ...(method === undefined ? [] : [method])];
        const stored = [pruning, ...precision].join(" ");
        const fewer = visualTokens === "all" ? undefined : visualTokens;
        return {
          name: fewer === undefined ? stored : `${stored}, ${visualTokensName(fewer)}`,
          family: grid.family ?? basename(at(grid.model)),
          source: { model: at(grid.model) },
          prune: Object.keys(prune).length === 0 ? undefined : prune,
          calibrate: calibrating(prune, whole ? undefined : quantize, grid.calibrate),
          quantize: whole ? undefined : withMethod(quantize),
          ...reduced(fewer, at),
          precision: undefined,
          engine: { ...engine, ...defined(grid.engine) },
        };
      }),
    ),
  );
  return [...listed, ...combined];
}

function roundsByData(quantize: QuantizeSpec | undefined): boolean {
  return quantize !== undefined && withMethod(quantize).method !== undefined;
}

/** Data to round by are the variant's from here on; neither they nor a budget are of use without a method. */
function withMethod({ calibrate, ...quantize }: QuantizeSpec): QuantizeSpec {
  return (calibrate ?? quantize.bits ?? quantize.bytes) === undefined
    ? quantize
    : { method: defaultQuantizationMethod, ...quantize };
}

function locatedTask(spec: TaskSpec, at: (path: string) => string): TaskSpec {
  const { task, data } = spec;
  return {
    ...spec,
    task: isTaskFile(task) ? at(task) : task,
    ...(data === undefined ? {} : { data: at(data) }),
  };
}

/** Every precision with every number of visual tokens. */
function combinations({ quantize, visualTokens }: RecipeFile["grids"][number]) {
  return quantize.flatMap((scheme) => visualTokens.map((fewer) => [scheme, fewer] as const));
}

/** As variants of a grid are named: `64 visual tokens, pooling, unmerged`. */
export function visualTokensName({ keep, method, merge }: VisualTokensSpec): string {
  return [
    `${keep} visual tokens`,
    ...(method === "divprune" ? [] : [method]),
    ...(merge ? [] : ["unmerged"]),
  ].join(", ");
}

function reduced(
  spec: VisualTokensSpec | undefined,
  at: (path: string) => string,
): { visualTokens?: VisualTokensSpec } {
  if (spec === undefined) return {};
  return { visualTokens: spec.clip === undefined ? spec : { ...spec, clip: at(spec.clip) } };
}

function recovered(
  spec: RecoverSpec | undefined,
  common: CalibrateSpec,
  at: (path: string) => string,
): Pick<VariantSpec, "recover"> {
  if (spec === undefined) return {};
  const { data = common, ...recovery } = spec;
  return { recover: { recovery, data: located(data, at) } };
}

function located(spec: CalibrateSpec, at: (path: string) => string): CalibrateSpec {
  if (spec === "own") return spec;
  if ("text" in spec) return { ...spec, text: at(spec.text) };
  return "folder" in spec ? { ...spec, folder: at(spec.folder) } : spec;
}

/** Settings that were given: those that were not keep the recipe's. */
function defined(settings: object | undefined): Partial<EngineSpec> {
  return Object.fromEntries(Object.entries(settings ?? {}).filter(([, value]) => value !== undefined));
}

function invalid(issues: readonly z.core.$ZodIssue[], origin: string): BenchError {
  const [first] = issues.flatMap(innermost);
  const place = first === undefined || first.path.length === 0 ? "" : `${pathText(first.path)}: `;
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : "";
  return new BenchError(
    `${origin}: ${place}${first === undefined ? "is no recipe" : sentenceOf(first)}${more}`,
    "recipes/ and the package's README have examples",
  );
}

function sentenceOf({ code, message }: z.core.$ZodIssue): string {
  return code === "invalid_type" && message.endsWith("received undefined") ? "is missing" : message;
}

/** Of a choice, what is wrong with the alternative that comes closest; its own message where nothing comes close. */
function innermost(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  if (issue.code !== "invalid_union") return [issue];
  const closest = issue.errors
    .map((errors) => errors.flatMap(innermost))
    .filter((errors) => errors.every(({ code }) => code !== "invalid_type" && code !== "unrecognized_keys"))
    .sort((a, b) => a.length - b.length)[0];
  if (closest === undefined || closest.length === 0) return [issue];
  return closest.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }));
}

function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((key, i) => (typeof key === "number" ? `[${key}]` : `${i === 0 ? "" : "."}${String(key)}`))
    .join("");
}
