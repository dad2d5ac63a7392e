import { type Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { type Compression, compressionSchema, contradictions } from "@vlmopt/compress";
import { scorerNames } from "@vlmopt/pruning";
import { parseWhole } from "../terminal/quantities.ts";

/** Each word of a compression as an option: the schema's keys are their names. */
const words: Record<keyof Compression, Option> = {
  glu: new Option("--glu <ratio>", "share of the MLP's neurons that goes").argParser(parseRatio),
  keepNeurons: new Option("--keep-neurons <count>", "neurons that stay, instead of a share").argParser(
    parseWhole(1),
  ),
  expansion: new Option(
    "--expansion <factor>",
    "neurons that stay, as a multiple of the hidden size",
  ).argParser(parsePositive),
  method: new Option(
    "--method <name>",
    "score of neurons (default: obd, or obs where 40 % or more of up to 2048 go; maw with --by-weights)",
  ).choices(scorerNames("neurons")),
  divisor: new Option(
    "--divisor <count>",
    "the number of neurons that stay is a multiple of this (default: the largest power of two up to 128 that costs little)",
  ).argParser(parseWhole(1)),
  allocate: new Option(
    "--allocate <how>",
    "one width for all layers, or widths of their own, which stock transformers does not load",
  ).choices(["uniform", "global"]),
  heads: new Option("--heads <ratio>", "share of the attention heads that goes").argParser(parseRatio),
  headMethod: new Option(
    "--head-method <name>",
    "score of heads (default: obs; norm with --by-weights)",
  ).choices(scorerNames("heads")),
  headsMode: new Option("--heads-mode <mode>", "each layer chooses, or all alike").choices([
    "per-layer",
    "seed",
  ]),
  kvGroups: new Option("--kv-groups", "remove key-value heads with all query heads that share them"),
  layers: new Option(
    "--layers <count>",
    "so many layers that follow each other go: those that change least",
  ).argParser(parseWhole(1)),
  dropLayers: new Option("--drop-layers <list>", "layers that go, such as 12,13,14").argParser(parseIndices),
  dropMiddle: new Option("--drop-middle <count>", "layers of the middle go").argParser(parseWhole(1)),
  dropLast: new Option("--drop-last <count>", "the last layers go").argParser(parseWhole(1)),
  dropLowest: new Option("--drop-lowest <count>", "the layers of least weight go").argParser(parseWhole(1)),
  l1: new Option("--l1 <ratio>", "share of single weights set to zero, smallest first; sizes stay").argParser(
    parseRatio,
  ),
  l1Group: new Option("--l1-group <count>", "linears whose weights are compared together").argParser(
    parseWhole(1),
  ),
  byWeights: new Option(
    "--by-weights",
    "choose by weights alone, without data or repair: worse than chance on trained language models",
  ),
  refit: new Option("--no-refit", "leave what stays as it is, instead of fitting it to the data"),
  seed: new Option("--seed <number>", "of random choices").argParser(parseWhole(0)),
};

const keys = Object.keys(words) as (keyof Compression)[];

/** Gives a command an option for each word of a compression. */
export function addCompressionOptions(command: Pick<Command, "addOption">): void {
  for (const key of keys) command.addOption(words[key]);
}

/**
 * The cuts that the options ask for; empty if they ask for none.
 * @param fail ends with a message for who gave them
 */
export function compressionOf(
  options: Readonly<Record<string, unknown>>,
  fail: (message: string) => never,
): Compression {
  const given = keys.filter(
    (key) => options[key] !== undefined && !(key === "refit" && options[key] === true),
  );
  const spec = Object.fromEntries(given.map((key) => [key, options[key]]));
  const [problem] = contradictions(spec, (key) => words[key as keyof Compression].long ?? key);
  if (problem !== undefined) fail(`error: ${problem}`);
  return compressionSchema.parse(spec);
}

/** Words that say how, not what: alone they cut nothing. */
const manners: readonly string[] = ["byWeights", "refit", "seed", "allocate"];

export function cutsNothing(spec: Compression): boolean {
  return Object.keys(spec).every((key) => manners.includes(key));
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
