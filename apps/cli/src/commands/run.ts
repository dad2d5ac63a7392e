import { stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { Command, InvalidArgumentError } from "@commander-js/extra-typings";
import type { Recipe } from "@vlmopt/bench";
import { parseWhole } from "../terminal/quantities.ts";
import { measure } from "./measuring.ts";
import { parseTasks, taskSpecs } from "./task-options.ts";
import {
  noVisualMergeOption,
  parseVisualTokenList,
  severalVisualTokens,
  visualClipOption,
  visualMethodsOption,
} from "./visual-token-options.ts";

export function runCommand() {
  return new Command("run")
    .summary("prune, quantize and measure as a recipe says, and draw the frontier")
    .description(
      "Makes the variants that a recipe names, measures their speed and their answers, and writes tables, figures and a page. With --tasks, asks benchmarks instead of the recipe's questions; a folder of a model then does without a recipe. Stopped in any way, it goes on where it was when it is run again.",
    )
    .argument("<recipe>", "YAML or JSON; recipes/ has examples. With --tasks, also the folder of a model")
    .option(
      "--tasks <list>",
      "benchmarks by name or file, such as pope,gqa (vlmopt tasks lists them)",
      parseTasks,
    )
    .option("--limit <count>", "of each task, the first so many questions", parseWhole(1))
    .option("--prompt <name>", "of each task, whose prompt: lmms-eval, llava-1.5 (default: the task's first)")
    .option(
      "--task-data <folder>",
      "where the tasks' files lie, each in a folder of its name (default: the hub's)",
    )
    .option(
      "--visual-tokens <counts>",
      "every variant once for each: all, or numbers such as all,128,64 (default: as the recipe says)",
      parseVisualTokenList,
    )
    .addOption(visualMethodsOption())
    .addOption(noVisualMergeOption())
    .addOption(visualClipOption())
    .option(
      "--shard <number/count>",
      "one part of the questions, such as 3/16, where several machines ask them (vlmopt merge brings them together)",
      parseShardOption,
    )
    .option(
      "--out <folder>",
      "where to (default: runs/<name of the recipe>; of a shard with -3-of-16 behind)",
    )
    .option("--fresh", "measure all anew, even what is there")
    .option("--json", "print the summary as JSON")
    .addHelpText(
      "after",
      `
Examples:
  $ vlmopt run recipes/tiny-llava.yaml
  $ vlmopt run recipes/seed-study.yaml --out /data/study
  $ vlmopt run recipes/seed-study.yaml --tasks pope,gqa,mme --limit 500
  $ vlmopt run ./llava-1.5-7b-hf --tasks pope --prompt llava-1.5
  $ vlmopt run recipes/seed-study.yaml --shard 3/16`,
    )
    .action(async (path, { tasks, limit, prompt, taskData, ...options }, command) => {
      const alone = { "--limit": limit, "--prompt": prompt, "--task-data": taskData };
      if (tasks === undefined) {
        const [lone] = Object.entries(alone).find(([, value]) => value !== undefined) ?? [];
        if (lone !== undefined) command.error(`error: ${lone} needs --tasks`);
      }
      const visualTokens = severalVisualTokens(options, (message) => command.error(message));
      const { readRecipe, recipeOf, withVisualTokens } = await import("@vlmopt/bench");
      const run = (recipe: Recipe) => measure(withVisualTokens(recipe, visualTokens), options);
      if (tasks === undefined) return run(await readRecipe(path));
      const specs = taskSpecs(tasks, { limit, prompt, data: taskData });
      const isFolder = await stat(path).then(
        (found) => found.isDirectory(),
        () => false,
      );
      if (isFolder) {
        const name = basename(resolve(path)).replaceAll(/[^\w.-]/g, "-");
        return run(recipeOf({ name, tasks: specs, grids: [{ model: path }] }, process.cwd(), "options"));
      }
      const recipe = await readRecipe(path);
      // Tasks have metrics of their own.
      const asked = recipeOf(
        { name: recipe.name, tasks: specs, grids: [{ model: "." }] },
        process.cwd(),
        "options",
      );
      return run({ ...recipe, data: undefined, tasks: asked.tasks, metrics: [] });
    });
}

function parseShardOption(text: string): { index: number; count: number } {
  const [, index = 0, count = 0] = (/^(\d{1,6})\/(\d{1,6})$/.exec(text.trim()) ?? []).map(Number);
  if (index >= 1 && index <= count) return { index, count };
  throw new InvalidArgumentError("Give its number, from 1, and how many there are, such as 3/16.");
}
