import { readFile } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { describeModel, editConfig } from "@vlmopt/models";
import {
  applyPruning,
  type ModelSize,
  type NeuronMethod,
  type PruningPlan,
  type PruningRecipe,
  planByRecipe,
  pruningCard,
  pruningTransform,
} from "@vlmopt/pruning";
import {
  joinedMagnitudes,
  planQuantization,
  type QuantizationRequest,
  quantization,
  quantizationSection,
} from "@vlmopt/quant";
import { type Checkpoint, folderSink, inputPaths, openCheckpoint, transformedSpecs } from "@vlmopt/tensor-io";
import { readPlainConfig } from "../model-config.ts";
import { interruptible } from "../terminal/interrupt.ts";
import { byteProgress } from "../terminal/progress.ts";
import { formatBytes, formatCount, formatDuration, parseBytes, parseWhole } from "../terminal/quantities.ts";
import { formatTable } from "../terminal/table.ts";
import { errorReport, presetOption, quantizationSummary, schemeList } from "./quantization-options.ts";
import { schemeOf } from "./quantize.ts";

export function pruneCommand() {
  return new Command("prune")
    .summary("remove neurons, heads or layers of the language model")
    .description(
      "Removes neurons, attention heads or layers of the language model, chosen by their weights alone, and writes a smaller checkpoint that stock transformers loads, with the plan (pruning.json) and a model card beside it.",
    )
    .argument("<in>", "folder of a model: config.json and safetensors")
    .argument("[out]", "folder to write; not needed with --plan-only")
    .option("--glu <ratio>", "share of the MLP's neurons that goes", parseRatio)
    .option("--keep-neurons <count>", "neurons that stay, instead of a share", parseWhole(1))
    .option("--expansion <factor>", "neurons that stay, as a multiple of the hidden size", parsePositive)
    .addOption(
      new Option("--method <name>", "score of neurons")
        .choices(["maw", "vow", "pon", "l2", "random"])
        .default("maw"),
    )
    .option("--divisor <count>", "the number of neurons that stay is a multiple of this", parseWhole(1), 128)
    .option("--heads <ratio>", "share of the attention heads that goes", parseRatio)
    .addOption(
      new Option("--heads-mode <mode>", "each layer chooses, or all alike")
        .choices(["per-layer", "seed"])
        .default("per-layer"),
    )
    .option("--kv-groups", "remove key-value heads with all query heads that share them")
    .option("--random-heads", "choose heads at random, for a control")
    .option("--drop-layers <list>", "layers that go, such as 12,13,14", parseIndices)
    .option("--drop-last <count>", "the last layers go", parseWhole(1))
    .option("--drop-middle <count>", "layers of the middle go", parseWhole(1))
    .option("--drop-lowest <count>", "the layers of least weight go", parseWhole(1))
    .option("--l1 <ratio>", "share of single weights set to zero, smallest first; sizes stay", parseRatio)
    .option("--l1-group <count>", "linears whose weights are compared together", parseWhole(1), 1)
    .option("--seed <number>", "of random choices", parseWhole(0), 0)
    .option("--plan <file>", "apply a saved plan (pruning.json) instead of making one")
    .option("--quantize <scheme>", `store what stays in 4 or 8 bits, in the same pass: ${schemeList}`)
    .addOption(presetOption())
    .option("--plan-only", "print what would be done and write nothing")
    .option("--shard-size <size>", "most bytes of tensors in one file (default: 5GB)", parseBytes)
    .option("--workers <count>", "worker threads (default: one a processor, up to 8)", parseWhole(0))
    .option("--force", "replace <out>, if vlmopt wrote all that is there")
    .option("--json", "print the plan as JSON")
    .addHelpText(
      "after",
      `
Examples:
  $ vlmopt prune ./llava-1.5-7b-hf ./llava-glu30 --glu 0.3
  $ vlmopt prune ./llava-1.5-7b-hf ./llava-small --glu 0.3 --heads 0.25 --divisor 128
  $ vlmopt prune ./qwen2-vl-2b --glu 0.2 --plan-only
  $ vlmopt prune ./llava-1.5-7b-hf ./llava-tiny --glu 0.3 --quantize int4-g128
  $ vlmopt prune ./model ./again --plan ./pruned/pruning.json`,
    )
    .action(async (input, output, options, command) => {
      const { planOnly = false, json = false } = options;
      if (output === undefined && !planOnly)
        command.error("error: name the folder to write, or ask for --plan-only");
      const recipe = recipeOf(options);
      if (options.plan === undefined && Object.keys(recipe).length === 1) {
        command.error("error: say what to remove: --glu, --heads, --drop-…, --l1, or a saved --plan");
      }
      const { quantize, preset } = options;
      const scheme =
        quantize === undefined ? undefined : schemeOf(quantize, preset, (message) => command.error(message));
      const started = performance.now();
      await using source = await openCheckpoint(input);
      const sink = folderSink(output ?? "", { overwrite: options.force === true });
      await using _claim = planOnly ? undefined : await sink.claim(inputPaths(source));
      const shared = options.workers === undefined ? {} : { workers: options.workers };
      const scoring = byteProgress("scoring", json);
      const pruning = byteProgress("pruning", json);
      const { plan, rest } = await interruptible(async (signal) => {
        const made = options.plan
          ? (JSON.parse(await readFile(options.plan, "utf8")) as PruningPlan)
          : await makePlan(source, recipe, {
              ...shared,
              signal,
              onProgress: ({ bytes, totalBytes }) => scoring.update(bytes, totalBytes),
            });
        scoring.stop();
        const next =
          scheme && (await planAfter(source, made, { scheme, made: { scheme: quantize ?? "", preset } }));
        if (planOnly) return { plan: made, rest: next };
        const files = {
          "pruning.json": `${JSON.stringify(made, null, 2)}\n`,
          ...(next === undefined ? {} : { "quantization.json": `${JSON.stringify(next.plan, null, 2)}\n` }),
          "README.md":
            pruningCard(made, basename(resolve(input))) +
            (next === undefined ? "" : quantizationSection(next.plan)),
        };
        await applyPruning(source, made, sink, {
          ...shared,
          ...(options.shardSize === undefined ? {} : { shardSize: options.shardSize }),
          ...(next === undefined ? {} : { andThen: next.quantization }),
          files,
          signal,
          onProgress: ({ bytes, totalBytes }) => pruning.update(bytes, totalBytes),
        });
        return { plan: made, rest: next };
      }).finally(() => {
        scoring.stop();
        pruning.stop();
      });
      if (json) {
        console.log(
          JSON.stringify(rest === undefined ? plan : { ...plan, quantization: rest.plan }, null, 2),
        );
      } else {
        console.log(sizeTable(plan));
        if (rest !== undefined) {
          const errors = planOnly ? "" : `\n\n${errorReport(rest.quantization.errors(), rest.description)}`;
          console.log(`\nof what stays:\n${quantizationSummary(rest.plan)}${errors}`);
        }
        if (!planOnly)
          console.log(`\n${output}: written in ${formatDuration((performance.now() - started) / 1000)}`);
      }
    });
}

async function makePlan(
  source: Checkpoint,
  recipe: PruningRecipe,
  options: Parameters<typeof planByRecipe>[3],
) {
  const config = await readPlainConfig(source);
  const description = describeModel(config, source.tensors);
  const { layers } = description.languageModel;
  return planByRecipe(source, { tensors: source.tensors, layers, description, config }, recipe, options);
}

/** How what a pruning leaves is quantized, decided by its names and shapes before it is there. */
async function planAfter(source: Checkpoint, pruning: PruningPlan, request: QuantizationRequest) {
  const bytes = (await source.readSibling("config.json")) ?? new Uint8Array();
  const config: unknown = JSON.parse(editConfig(new TextDecoder().decode(bytes), pruning.config));
  const transform = pruningTransform(pruning);
  const tensors = transformedSpecs(source.tensors, transform);
  const description = describeModel(config, tensors);
  const plan = planQuantization(description, tensors, request);
  const magnitudes = await joinedMagnitudes(source, plan, transform);
  return { plan, description, quantization: quantization(plan, { measure: true, magnitudes }) };
}

interface PruneOptions {
  readonly glu?: number;
  readonly keepNeurons?: number;
  readonly expansion?: number;
  readonly method: string;
  readonly divisor: number;
  readonly heads?: number;
  readonly headsMode: string;
  readonly kvGroups?: true;
  readonly randomHeads?: true;
  readonly dropLayers?: number[];
  readonly dropLast?: number;
  readonly dropMiddle?: number;
  readonly dropLowest?: number;
  readonly l1?: number;
  readonly l1Group: number;
  readonly seed: number;
}

function recipeOf(options: PruneOptions): PruningRecipe {
  const { glu, keepNeurons, expansion, heads, l1, seed } = options;
  const target =
    glu !== undefined
      ? { ratio: glu }
      : keepNeurons !== undefined
        ? { keep: keepNeurons }
        : expansion !== undefined
          ? { expansion }
          : undefined;
  const depth = depthOf(options);
  return {
    ...(target
      ? { neurons: { ...target, method: options.method as NeuronMethod, divisor: options.divisor } }
      : {}),
    ...(heads === undefined
      ? {}
      : {
          heads: {
            ratio: heads,
            mode: options.headsMode as "per-layer" | "seed",
            unit: options.kvGroups ? "groups" : "within-groups",
            method: options.randomHeads ? "random" : "norm",
          },
        }),
    ...(depth ? { depth } : {}),
    ...(l1 === undefined ? {} : { sparsity: { ratio: l1, groupSize: options.l1Group } }),
    seed,
  };
}

function depthOf({ dropLayers, dropLast, dropMiddle, dropLowest }: PruneOptions): PruningRecipe["depth"] {
  if (dropLayers !== undefined) return { drop: dropLayers };
  if (dropLast !== undefined) return { last: dropLast };
  if (dropMiddle !== undefined) return { middle: dropMiddle };
  return dropLowest === undefined ? undefined : { lowest: dropLowest };
}

function sizeTable({ before, after, sparsity }: PruningPlan): string {
  const row = (name: string, of: (size: ModelSize) => number, format = formatCount) => [
    name,
    format(of(before)),
    format(of(after)),
    of(before) === 0 ? "" : `${((100 * of(after)) / of(before)).toFixed(1)} %`,
  ];
  const table = formatTable(
    [
      { title: "" },
      { title: "before", align: "right" },
      { title: "after", align: "right" },
      { title: "", align: "right" },
    ],
    [
      row("parameters", (size) => size.parameters),
      row("bytes", (size) => size.bytes, formatBytes),
      row("layers", (size) => size.layers),
      row("neurons", (size) => size.neurons),
      row("heads", (size) => size.heads),
      row("key-value heads", (size) => size.kvHeads),
      row("FLOPs a token", (size) => size.flopsPerToken),
    ],
  );
  const [first] = sparsity;
  if (first === undefined) return table;
  return `${table}\n\n${100 * first.ratio} % of the weights of ${sparsity.flatMap(({ tensors }) => tensors).length} linears become zero; zeros take as much room as other numbers, so sizes stay`;
}

function parseRatio(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && value > 0 && value < 1) return value;
  throw new InvalidArgumentError("Give a share between 0 and 1, such as 0.3.");
}

function parsePositive(text: string): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new InvalidArgumentError("Give a number above 0.");
}

function parseIndices(text: string): number[] {
  return text.split(",").map(parseWhole(0));
}
