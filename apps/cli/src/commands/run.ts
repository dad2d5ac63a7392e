import { Command } from "@commander-js/extra-typings";
import { measure } from "./measuring.ts";

export function runCommand() {
  return new Command("run")
    .summary("prune, quantize and measure as a recipe says, and draw the frontier")
    .description(
      "Makes the variants that a recipe names, measures their speed and their answers, and writes tables, figures and a page. Stopped in any way, it goes on where it was when it is run again.",
    )
    .argument("<recipe>", "YAML or JSON; recipes/ has examples")
    .option("--out <folder>", "where to (default: runs/<name of the recipe>)")
    .option("--fresh", "measure all anew, even what is there")
    .option("--json", "print the summary as JSON")
    .addHelpText(
      "after",
      `
Examples:
  $ vlmopt run recipes/tiny-llava.yaml
  $ vlmopt run recipes/seed-study.yaml --out /data/study`,
    )
    .action(async (path, options) => {
      const { readRecipe } = await import("@vlmopt/bench");
      await measure(await readRecipe(path), options);
    });
}
