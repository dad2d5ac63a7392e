import { Command } from "@commander-js/extra-typings";
import type { ItemDifference } from "@vlmopt/bench";
import { formatTable } from "../terminal/table.ts";

/** Differences that are called so: corrected p below it. */
const LEVEL = 0.05;

export function compareCommand() {
  return new Command("compare")
    .summary("compare the answers of two runs, with significance")
    .description(
      "Compares variants of one name in two runs over the questions that both answered: by all ways to swap paired answers, or 10,000 of them, corrected by Holm for all comparisons. Lists the questions that were not asked or answered alike.",
    )
    .argument("<run-a>", "folder of a run")
    .argument("<run-b>", "folder of another")
    .option("--json", "print the comparisons as JSON")
    .action(async (first, second, { json }) => {
      const { compareRuns, differingItems, readRun } = await import("@vlmopt/bench");
      const [a, b] = [await readRun(first), await readRun(second)];
      const comparisons = compareRuns(a, b);
      const differing = differingItems(a, b);
      if (json) {
        console.log(JSON.stringify({ comparisons, differing }, null, 2));
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
      for (const line of described(differing)) console.log(line);
    });
}

/** Questions that are shown one by one; the others are counted. */
const TOLD = 5;

function described(differing: readonly ItemDifference[]): string[] {
  const short = (text: string) => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
  const of = (what: ItemDifference["what"], says: string) => {
    const some = differing.filter((item) => item.what === what);
    if (some.length === 0) return [];
    const more = some.length > TOLD ? [`  … ${some.length - TOLD} more (--json lists all)`] : [];
    return [
      "",
      `${says}: ${some.length}`,
      ...some
        .slice(0, TOLD)
        .map(({ variant, id, first, second }) => `  ${variant}, ${id}: ${short(first)} → ${short(second)}`),
      ...more,
    ];
  };
  return [
    ...of("prompt", "Questions that were not asked alike, so that their answers do not compare"),
    ...of("prediction", "Answers that differ"),
    ...of("scores", "Equal answers with other scores"),
  ];
}

/** A p-value is never 0. */
function formatP(p: number): string {
  return p < 0.00005 ? "<0.0001" : p.toFixed(4);
}
