import { Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { vqaonlineSplits } from "@vlmopt/datasets";
import { executorNames } from "@vlmopt/engine";
import { threads } from "@vlmopt/options";
import { parseBy, parseNumber, parseWhole } from "../terminal/quantities.ts";
import { calibrateSpec } from "./calibrate-option.ts";
import { parseFailedShare } from "./failed-share.ts";
import { measure } from "./measuring.ts";
import { measureRandomWeights } from "./random-weights.ts";
import { parseTasks, taskSpecs } from "./task-options.ts";
import {
  noVisualMergeOption,
  parseVisualTokenList,
  severalVisualTokens,
  visualClipOption,
  visualMethodsHelp,
  visualMethodsOption,
} from "./visual-token-options.ts";

/** Options that `--random-weights` alone takes, and those that it shares with measuring models. */
const ofRandomWeights = ["schemes", "promptTokens"];
const shared = [
  ...["randomWeights", "executor", "threads", "newTokens", "repetitions", "json"],
  ...["visualTokens", "visualMethod", "visualMerge"],
];

export function benchCommand() {
  return new Command("bench")
    .summary("measure models, pruned and quantized as options say, a server, or a configuration alone")
    .description(
      "Measures speed and answers of models, whole, pruned and quantized, or of an OpenAI-compatible server. What `run` does, without a recipe. With --random-weights, measures the speed of a model of which there is a config.json alone: its weights are made up.",
    )
    .argument("[models...]", "folders of models")
    .option("--data <folder>", "questions: a folder with <split>.json, .jsonl, .csv or .parquet, and images")
    .option("--split <split>", "of --data, which file")
    .option("--encoding <name>", "of --data's JSON or CSV: latin1, shift_jis … (default: UTF-8)")
    .addOption(new Option("--vqaonline <split>", "questions of VQAonline").choices(vqaonlineSplits))
    .option(
      "--tasks <list>",
      "benchmarks by name or file, such as pope,gqa (vlmopt tasks lists them)",
      parseTasks,
    )
    .option("--prompt <name>", "of --tasks, whose prompt: lmms-eval, llava-1.5 (default: the task's first)")
    .option(
      "--task-data <folder>",
      "of --tasks, where their files lie, each in a folder of its name (default: the hub's)",
    )
    .option("--limit <count>", "this many questions, of all topics; of each task, the first", parseWhole(1))
    .option("--quantize <schemes>", "such as none,int4-g128,nf4", parseList, ["none"])
    .option("--glu <ratios>", "shares of the MLP's neurons to prune, such as 0.1,0.3", parseShares, [])
    .option("--heads <ratios>", "shares of the attention heads", parseShares, [])
    .option("--l1 <ratios>", "shares of single weights", parseShares, [])
    .option("--divisor <count>", "of --glu, what the neurons left are a multiple of", parseWhole(1))
    .option("--kv-groups", "of --heads, whole groups that share keys")
    .option("--by-weights", "of prunings, choose by weights alone, without data or repair")
    .option(
      "--calibrate <data>",
      "of prunings, what chooses: a folder or file of questions, hub:org/name, a text (default: what the model itself answers)",
    )
    .option("--calibrate-split <split>", "of --calibrate, which file")
    .option(
      "--visual-tokens <counts>",
      "of each picture, that go on: all, or numbers such as all,128,64 (default: all)",
      parseVisualTokenList,
    )
    .addOption(visualMethodsOption())
    .addOption(noVisualMergeOption())
    .addOption(visualClipOption())
    .option(
      "--endpoint <url>",
      "an OpenAI-compatible server, up to /v1; given several times, servers of one model that share the questions",
      (url, before: string[] = []) => [...before, url],
    )
    .option("--served-model <name>", "of --endpoint, as the server calls it")
    .option("--concurrency <count>", "of --endpoint, requests at once to each", parseWhole(1))
    .option(
      "--timeout <seconds>",
      "of --endpoint, without more of an answer (default: 120)",
      parseNumber(0.1),
    )
    .option("--api-key-variable <name>", "of --endpoint, environment variable that holds the key")
    .option(
      "--random-weights <config>",
      "instead of models: a config.json, or a folder with one, to measure with made-up weights",
    )
    .option(
      "--schemes <list>",
      "of --random-weights, how weights are stored (default: int4-g128,nf4,f16)",
      parseList,
    )
    .option(
      "--prompt-tokens <count>",
      "of --random-weights, a picture's included (default: 650)",
      parseWhole(1),
    )
    .option(
      "--max-failed <share>",
      "of the questions, that may be unusable or stay unanswered (default: 0.5)",
      parseFailedShare,
    )
    .option("--metrics <list>", "such as meteor,rouge,bertscore,exact-match", parseList)
    .option("--encoder <folder>", "of bertscore")
    .addOption(new Option("--executor <name>", "what runs models (default: ort)").choices(executorNames))
    .option("--threads <count>", "of the CPU", parseBy(threads))
    .option("--new-tokens <count>", "of every request of which the speed is measured", parseWhole(1))
    .option("--repetitions <count>", "such requests, at least", parseWhole(1))
    .option(
      "--rounds <count>",
      "over all variants, in which these requests are made (default: 2)",
      parseWhole(1),
    )
    .option("--out <folder>", "where to (default: runs/bench)")
    .option("--fresh", "measure all anew, even what is there")
    .option("--json", "print the summary as JSON")
    .addHelpText(
      "after",
      `${visualMethodsHelp()}

Examples:
  $ vlmopt bench ./llava-1.5-7b-hf --vqaonline val --limit 100 --quantize none,int4-g128 --glu 0.1,0.3
  $ vlmopt bench ./llava-1.5-7b-hf --data ./questions --visual-tokens all,192,128,64 --visual-method divprune,vispruner
  $ vlmopt bench --endpoint http://localhost:8000/v1 --served-model llava --data ./questions --concurrency 8
  $ vlmopt bench --random-weights ./llava-1.5-7b-hf/config.json --executor webgpu --schemes int4-g128,nf4,f16`,
    )
    .action(async (models, options, command) => {
      const named = command.options.filter(
        (option) => command.getOptionValueSource(option.attributeName()) === "cli",
      );
      if (options.randomWeights !== undefined) {
        const allowed = [...ofRandomWeights, ...shared];
        const other = named.find((option) => !allowed.includes(option.attributeName()))?.long ?? models[0];
        if (other !== undefined)
          command.error(`error: --random-weights makes model and questions up: leave ${other} out`);
        const { schemes = ["int4-g128", "nf4", "f16"], executor, threads, json } = options;
        const { promptTokens, newTokens, repetitions } = options;
        const visualTokens = severalVisualTokens(options, (message) => command.error(message));
        if (visualTokens.length > 1)
          command.error(
            "error: --random-weights measures one number of visual tokens by one method at a time",
          );
        const [fewer] = visualTokens.filter((spec) => spec !== "all");
        const asked = { schemes, executor, threads, promptTokens, newTokens, repetitions, json };
        const measuring = { ...asked, visualTokens: fewer };
        return measureRandomWeights(options.randomWeights, measuring, (message) => command.error(message));
      }
      const lone = named.find((option) => ofRandomWeights.includes(option.attributeName()));
      if (lone !== undefined) command.error(`error: ${lone.long} needs --random-weights`);
      const { endpoint, servedModel, concurrency, apiKeyVariable, data, vqaonline, limit, split, encoding } =
        options;
      if (models.length === 0 && endpoint === undefined)
        command.error("error: name a model, or an --endpoint");
      if (endpoint !== undefined && servedModel === undefined)
        command.error("error: --endpoint needs --served-model");
      const { tasks, prompt, taskData } = options;
      if ([data, vqaonline, tasks].filter((given) => given !== undefined).length !== 1)
        command.error("error: give questions: one of --data, --vqaonline and --tasks");
      const ofTasks = { "--prompt": prompt, "--task-data": taskData };
      const [needless] = Object.entries(ofTasks).find(([, value]) => value !== undefined) ?? [];
      if (tasks === undefined && needless !== undefined) command.error(`error: ${needless} needs --tasks`);
      const { newTokens, repetitions, rounds, executor, threads, metrics, maxFailed, encoder } = options;
      const { calibrate, calibrateSplit } = options;
      if (calibrate === undefined && calibrateSplit !== undefined)
        command.error("error: --calibrate-split says nothing without --calibrate");
      if (calibrate !== undefined && options.byWeights)
        command.error("error: --calibrate says nothing with --by-weights");
      const { recipeOf } = await import("@vlmopt/bench");
      const recipe = recipeOf(
        {
          name: "bench",
          ...(tasks === undefined
            ? {
                data: {
                  ...(vqaonline === undefined
                    ? { folder: data, ...given({ split, encoding }) }
                    : { vqaonline }),
                  ...(limit === undefined ? {} : { sample: { method: "stratified", count: limit } }),
                },
              }
            : { tasks: taskSpecs(tasks, { limit, prompt, data: taskData }) }),
          calibrate: await calibrateSpec({ calibrate, split: calibrateSplit }),
          protocol: given({ newTokens, minRepetitions: repetitions, rounds }),
          ...given({ metrics, maxFailed }),
          ...(encoder === undefined ? {} : { encoder: { folder: encoder } }),
          engine: given({ executor, threads }),
          grids: models.map((model) => ({
            model,
            prune: prunings(options),
            quantize: options.quantize,
            visualTokens: severalVisualTokens(options, (message) => command.error(message)),
          })),
          ...(endpoint === undefined
            ? {}
            : {
                variants: [
                  {
                    name: servedModel,
                    endpoint: {
                      url: endpoint.length === 1 ? endpoint[0] : endpoint,
                      model: servedModel,
                      ...given({ concurrency, timeout: options.timeout, apiKeyVariable }),
                    },
                  },
                ],
              }),
        },
        process.cwd(),
        "options",
      );
      await measure(severally(recipe, models.length > 1), options);
    });
}

/** Variants of several models are named after them. */
function severally<
  Recipe extends { readonly variants: readonly { readonly name: string; readonly family: string }[] },
>(recipe: Recipe, several: boolean): Recipe {
  if (!several) return recipe;
  return {
    ...recipe,
    variants: recipe.variants.map((variant) => ({ ...variant, name: `${variant.family} ${variant.name}` })),
  };
}

interface Prunings {
  readonly glu: readonly number[];
  readonly heads: readonly number[];
  readonly l1: readonly number[];
  readonly divisor?: number | undefined;
  readonly kvGroups?: true | undefined;
  readonly byWeights?: true | undefined;
}

/** The whole model, then each kind at each share. */
function prunings({ glu, heads, l1, divisor, kvGroups, byWeights }: Prunings): Record<string, object> {
  const named = (kind: string, shares: readonly number[], of: (share: number) => object) =>
    shares.map((share) => [`${kind} ${Math.round(100 * share)}`, of(share)] as const);
  return {
    dense: {},
    ...Object.fromEntries([
      ...named("GLU", glu, (share) => ({ glu: share, ...given({ divisor, byWeights }) })),
      ...named("heads", heads, (share) => ({ heads: share, ...given({ kvGroups, byWeights }) })),
      ...named("L1", l1, (share) => ({ l1: share })),
    ]),
  };
}

/** Without what was not given. */
function given(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function parseList(text: string): string[] {
  return text.split(",").map((part) => part.trim());
}

function parseShares(text: string): number[] {
  return parseList(text).map((part) => {
    const share = Number(part);
    if (part !== "" && share > 0 && share < 1) return share;
    throw new InvalidArgumentError("Give shares between 0 and 1, such as 0.1,0.3.");
  });
}
