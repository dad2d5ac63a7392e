import { type Command, Option } from "@commander-js/extra-typings";
import { type Recovery, recoveryRules, recoveryWays } from "@vlmopt/recover";
import { parseBy } from "../terminal/quantities.ts";

/** Options of `recover` that say how the student learns. */
export function addTrainingOptions(command: Command): void {
  command
    .addOption(
      new Option(
        "--way <name>",
        "what learns: all weights of the layers, low-rank matrices that are merged in the end, one layer after the other (default: the first of these that fits into memory), or the projector alone",
      ).choices(recoveryWays),
    )
    .option("--steps <count>", "steps of the optimizer (default: 300)", parseBy(rule("steps")))
    .option(
      "--batch <rows>",
      "rows of a step, each with the questions about one picture (default: 8)",
      parseBy(rule("batch")),
    )
    .option(
      "--rate <number>",
      "greatest step size (default: by hidden size and batch)",
      parseBy(rule("rate")),
    )
    .option("--warmup <steps>", "steps in which it grows to that (default: 20)", parseBy(rule("warmup")))
    .option(
      "--weight-decay <number>",
      "shrink weights by this share of the step size (default: 0)",
      parseBy(rule("weightDecay")),
    )
    .option("--clip <norm>", "shorten longer gradients to this (default: 1)", parseBy(rule("clip")))
    .option("--rank <count>", "of --way lora: rank (default: 16)", parseBy(rule("rank")))
    .option("--alpha <number>", "of --way lora: scale, times the rank (default: 32)", parseBy(rule("alpha")))
    .option(
      "--temperature <number>",
      "of the distributions that are compared (default: 1)",
      parseBy(rule("temperature")),
    )
    .option(
      "--hidden-weight <number>",
      "weight of the states behind the last layer beside the answers (default: 0)",
      parseBy(rule("hiddenWeight")),
    )
    .option(
      "--test-every <steps>",
      "test on data held out this often (default: ten times)",
      parseBy(rule("testEvery")),
    )
    .option(
      "--patience <tests>",
      "end after so many tests without a better one (default: 4)",
      parseBy(rule("patience")),
    )
    .option("--seed <number>", "of the order of rows (default: 0)", parseBy(rule("seed")));
}

function rule(name: keyof Recovery) {
  const found = recoveryRules[name];
  if (found === undefined) throw new TypeError(`there is no rule for ${name}`);
  return found;
}

const names = Object.keys(recoveryRules) as (keyof Recovery)[];

/** The settings of recovery among a command's options. */
export function recoveryOf(options: Readonly<Record<string, unknown>>): Recovery {
  const { time, ...others } = options;
  const given = names.filter((name) => others[name] !== undefined).map((name) => [name, others[name]]);
  return {
    ...(Object.fromEntries(given) as Recovery),
    ...(typeof time === "number" ? { time: 1000 * time } : {}),
  };
}
