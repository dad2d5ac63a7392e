import { Command } from "@commander-js/extra-typings";
import { formatTable } from "../terminal/table.ts";

/** Differences that are called so: corrected p below it. */
const LEVEL = 0.05;

export function compareCommand() {
  return new Command("compare")
    .summary("compare the answers of two runs, with significance")
    .description(
      "Compares variants of one name in two runs over the questions that both answered: by all ways to swap paired answers, or 10,000 of them, corrected by Holm for all comparisons.",
    )
    .argument("<run-a>", "folder of a run")
    .argument("<run-b>", "folder of another")
    .option("--json", "print the comparisons as JSON")
    .action(async (first, second, { json }) => {
      const { compareRuns, readRun } = await import("@vlmopt/bench");
      const comparisons = compareRuns(await readRun(first), await readRun(second));
      if (json) {
        console.log(JSON.stringify(comparisons, null, 2));
        return;
      }
      const right = { align: "right" } as const;
      console.log(
        formatTable(
          [
            ...[{ title: "variant" }, { title: "figure" }],
            ...["A", "B", "B − A", "p", "p (Holm)", "items"].map((title) => ({ title, ...right })),
            { title: "" },
          ],
          comparisons.map(({ variant, figure, first: a, second: b, difference, p, pHolm, items }) => [
            ...[
              variant,
              figure,
              a.toFixed(4),
              b.toFixed(4),
              difference.toFixed(4),
              formatP(p),
              formatP(pHolm),
            ],
            String(items),
            pHolm < LEVEL ? (difference > 0 ? "B better" : "A better") : "",
          ]),
        ),
      );
    });
}

/** A p-value is never 0. */
function formatP(p: number): string {
  return p < 0.00005 ? "<0.0001" : p.toFixed(4);
}
