import { Command } from "@commander-js/extra-typings";
import { tasks } from "@vlmopt/datasets";
import { formatTable } from "../terminal/table.ts";

export function tasksCommand() {
  return new Command("tasks")
    .summary("list the benchmarks that run --tasks knows")
    .description(
      "Lists benchmarks: where the hub has them, whose prompts they are asked with, and what is scored. With a name or a file, prints that task as JSON: a file to begin one of your own with.",
    )
    .argument("[task]", "name of a task, or file of one of your own")
    .option("--json", "print the list as JSON")
    .addHelpText(
      "after",
      `
Examples:
  $ vlmopt tasks
  $ vlmopt tasks pope > my-task.json
  $ vlmopt run ./llava-1.5-7b-hf --tasks pope,gqa,./my-task.json --limit 500`,
    )
    .action(async (name, { json }) => {
      if (name !== undefined) {
        const { findTask } = await import("@vlmopt/bench");
        console.log(JSON.stringify(await findTask(name), null, 2));
        return;
      }
      if (json) {
        console.log(JSON.stringify(tasks, null, 2));
        return;
      }
      console.log(
        formatTable(
          ["task", "benchmark", "hub", "split", "prompts", "score"].map((title) => ({ title })),
          tasks.map(({ name: task, title, hub, prompts, metrics, headline }) => [
            ...[task, title, hub?.repository ?? "–"],
            [hub?.config, hub?.split].filter(Boolean).join(" "),
            Object.keys(prompts).join(", "),
            headline ?? metrics.join(", "),
          ]),
        ),
      );
    });
}
