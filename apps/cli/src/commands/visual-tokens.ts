import { stat } from "node:fs/promises";
import { Command, Option } from "@commander-js/extra-typings";
import { visualTokenMethodNames } from "@vlmopt/engine";
import {
  parseVisualTokens,
  visualClipOption,
  visualMethodsHelp,
  visualTokensOf,
} from "./visual-token-options.ts";

export function visualTokensCommand() {
  return new Command("visual-tokens")
    .summary("write beside a model how many of each picture's tokens go on")
    .description(
      "Writes vlmopt.json beside a model, which ask, chat, run and bench then go by; all takes it back. Weights and config.json stay as they are.",
    )
    .argument("<model>", "folder of a checkpoint")
    .argument("<count>", "tokens of each picture that go on, or all", parseVisualTokens)
    .addOption(
      new Option("--visual-method <name>", "which (default: divprune)").choices(visualTokenMethodNames),
    )
    .option("--no-visual-merge", "drop the others instead of merging them into those that stay")
    .addOption(visualClipOption())
    .addHelpText(
      "after",
      `${visualMethodsHelp()}

Examples:
  $ vlmopt visual-tokens ./llava-1.5-7b-hf 128 --visual-method divprune
  $ vlmopt visual-tokens ./llava-1.5-7b-hf all`,
    )
    .action(async (model, count, options, command) => {
      const isFolder = await stat(model).then(
        (found) => found.isDirectory(),
        () => false,
      );
      if (!isFolder) command.error(`error: ${model} is no folder: name the folder of a checkpoint`);
      const asked = visualTokensOf({ ...options, visualTokens: count }, (message) => command.error(message));
      const { saveVisualTokens } = await import("@vlmopt/engine");
      const path = await saveVisualTokens(model, asked === false ? undefined : asked);
      console.log(
        count === "all"
          ? `all visual tokens go on; ${path} says nothing of them`
          : `${count} visual tokens go on; ${path}`,
      );
    });
}
