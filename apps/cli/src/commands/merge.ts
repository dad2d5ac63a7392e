import { Command } from "@commander-js/extra-typings";
import { exitCodes } from "../terminal/failure.ts";
import { printRun } from "./measuring.ts";

export function mergeCommand() {
  return new Command("merge")
    .summary("bring the shards of a run together")
    .description(
      "Brings records and pictures of shards (vlmopt run --shard) together in one folder, and writes their summary, tables, figures and page. What the folder holds already counts too, so that the same can be merged again and shards may come later.",
    )
    .argument("<out>", "folder of the merged run")
    .argument("<shards...>", "folders of shards")
    .option("--json", "print the summary as JSON")
    .addHelpText(
      "after",
      `
Examples:
  $ vlmopt merge runs/study runs/study-*-of-16`,
    )
    .action(async (out, folders, { json = false }) => {
      const { mergeRuns, writeReport } = await import("@vlmopt/bench");
      const { run, missing } = await mergeRuns(out, folders);
      await printRun(out, await writeReport(out), json);
      const { variants } = run.summary;
      const left = variants.filter(({ status }) => status === "incomplete");
      if (missing.length > 0)
        process.stderr.write(
          `error: there are no records of ${missing.length} shards: ${missing.join(", ")}\n`,
        );
      else if (left.length > 0)
        process.stderr.write(
          `error: ${left.length} of ${variants.length} variants are not measured to their end: run their shards again\n`,
        );
      if (missing.length + left.length > 0) process.exitCode = exitCodes.failed;
    });
}
