import { Command } from "@commander-js/extra-typings";
import type { RunStatus } from "@vlmopt/bench";
import { formatCount, formatDuration } from "../terminal/quantities.ts";
import { formatTable } from "../terminal/table.ts";

export function statusCommand() {
  return new Command("status")
    .summary("tell how far a run and its shards are")
    .description(
      "Tells from the records of runs and shards how far they are: questions answered, time left by what those done took (without making and loading models), and failures by kind. Asks nothing of the processes, so it works from any machine that sees the folders.",
    )
    .argument("<runs...>", "folders of runs or shards")
    .option("--json", "print it as JSON")
    .addHelpText(
      "after",
      `
Examples:
  $ vlmopt status runs/study-*-of-16`,
    )
    .action(async (folders, { json = false }) => {
      const { runStatus } = await import("@vlmopt/bench");
      const status = await runStatus(folders);
      if (json) console.log(JSON.stringify(status, null, 2));
      else for (const line of described(status)) console.log(line);
    });
}

function described({ shards, missing, failures }: RunStatus): string[] {
  const right = { align: "right" } as const;
  const columns = [
    { title: "shard" },
    { title: "state" },
    { title: "answered", ...right },
    { title: "no answer", ...right },
    { title: "of", ...right },
    { title: "left", ...right },
    { title: "" },
  ];
  const left = (seconds: number | null) =>
    seconds === null ? "?" : seconds === 0 ? "" : formatDuration(seconds);
  const rows = shards.map(
    ({ folder, shard, state, holder, answered, unanswered, questions, secondsLeft }) => [
      shard ?? "whole",
      state,
      ...[answered, unanswered, questions].map(formatCount),
      left(secondsLeft),
      holder ?? folder,
    ],
  );
  const sum = (count: (one: RunStatus["shards"][number]) => number) =>
    shards.reduce((all, one) => all + count(one), 0);
  const [done, all] = [
    sum(({ answered, unanswered }) => answered + unanswered),
    sum(({ questions }) => questions),
  ];
  const times = shards.map(({ secondsLeft }) => secondsLeft);
  // Shards run side by side.
  const longest = times.includes(null) ? "unknown" : left(Math.max(...times.map((seconds) => seconds ?? 0)));
  const percent = all === 0 ? 100 : Math.floor((100 * done) / all);
  return [
    formatTable(columns, rows),
    "",
    `${formatCount(done)} of ${formatCount(all)} answers (${percent}%)${longest === "" ? "" : `, time left: ${longest}`}`,
    ...(missing.length === 0 ? [] : [`no records here of shards ${missing.join(", ")}`]),
    ...(failures.length === 0 ? [] : ["", "failures:"]),
    ...failures.map(({ count, kind }) => `${formatCount(count).padStart(7)}  ${kind}`),
  ];
}
