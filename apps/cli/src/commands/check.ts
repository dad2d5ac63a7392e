import { Command } from "@commander-js/extra-typings";
import { checkCheckpoint, checkLine, type LoaderReport, loaders, openCheckpointOrGguf } from "@vlmopt/quant";
import { exitCodes } from "../terminal/failure.ts";
import { parseWhole } from "../terminal/quantities.ts";

const names = loaders.map(({ name }) => name);

export function checkCommand() {
  return new Command("check")
    .summary("tell which programs load a model, and what stands against it")
    .description(
      "Holds a model against tables of what transformers, vLLM, SGLang, llama.cpp and vlmopt load: formats, groups, tiles, lists of names, widths, " +
        "heads, tokenizer and processor files. Each problem comes with its cure and with where it is known from. Runs none of them, and reads " +
        "headers only. Exit code 1 where one of them is sure to refuse the model.",
    )
    .argument("<path>", "folder of a model, or a .gguf file")
    .option("--for <loaders>", `of ${names.join(", ")}, separated by commas (default: all)`)
    .option(
      "--tensor-parallel <ranks>",
      "ranks of a server that share each layer (default: 1)",
      parseWhole(1),
    )
    .option("--json", "print the report as JSON")
    .addHelpText(
      "after",
      `
Examples:
  $ vlmopt check ./llava-int4
  $ vlmopt check ./llava-int4 --for vllm,sglang --tensor-parallel 2`,
    )
    .action(async (path, options, command) => {
      const wanted = options.for?.split(",").map((name) => name.trim());
      const strange = wanted?.find((name) => !names.includes(name));
      if (strange !== undefined) {
        command.error(`error: --for names "${strange}"; known are ${names.join(", ")}`);
      }
      await using checkpoint = await openCheckpointOrGguf(path);
      const reports = await checkCheckpoint(checkpoint, wanted, {
        ...(options.tensorParallel === undefined ? {} : { tensorParallel: options.tensorParallel }),
      });
      console.log(options.json ? JSON.stringify(reports, null, 2) : reports.map(reportText).join("\n"));
      if (reports.some(({ loads }) => !loads)) process.exitCode = exitCodes.failed;
    });
}

/** Tells, below what was written, who loads it. What cannot be checked is written all the same. */
export async function printCheckLine(path: string): Promise<void> {
  try {
    await using checkpoint = await openCheckpointOrGguf(path);
    console.log(`${checkLine(await checkCheckpoint(checkpoint))} (vlmopt check ${path} says why)`);
  } catch (error) {
    console.log(`who loads it was not checked: ${error instanceof Error ? error.message : error}`);
  }
}

function reportText({ loader, loads, problems }: LoaderReport): string {
  const lines = problems.flatMap(({ certain, message, cure, fact }) => [
    `  ${certain ? "error" : "slow or uncertain"}: ${message}`,
    `    cure: ${cure}`,
    `    known from ${fact.source} (${fact.date}): ${fact.says}`,
  ]);
  return [`${loader}: ${loads ? "loads" : "does not load"}`, ...lines].join("\n");
}
