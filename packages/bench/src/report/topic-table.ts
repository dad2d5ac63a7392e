import type { Run } from "../records/run-folder.ts";
import type { ItemResult } from "../records/run-summary.ts";
import { headline, titleOf } from "./result-table.ts";

/** Quality by topic, where questions have any: topics lose at different paces. */
export interface TopicTable {
  /** The figure that the means are of. */
  readonly figure: string;
  readonly topics: readonly string[];
  /** Of each variant, means in the order of topics; null where nothing was scored. */
  readonly rows: readonly { readonly variant: string; readonly means: readonly (number | null)[] }[];
}

/** Topics that a table has room for. */
const MOST_TOPICS = 24;

/** Undefined where no variant has fewer visual tokens, or questions are of one topic, of none, or of too many. */
export function topicTable({ summary, items }: Pick<Run, "summary" | "items">): TopicTable | undefined {
  const measured = new Set(summary.variants.flatMap(({ quality }) => quality.map(({ figure }) => figure)));
  const main = summary.variants.map(headline).find((found) => found !== undefined)?.figure;
  const figure = measured.has("exact-match") ? "exact-match" : main;
  const topics = [...new Set(items.flatMap(({ topic }) => (topic === null ? [] : [topic])))].sort();
  const hasFewer = summary.variants.some(
    ({ visualTokens }) => visualTokens !== undefined && visualTokens !== null,
  );
  if (!hasFewer || figure === undefined || topics.length < 2 || topics.length > MOST_TOPICS) return undefined;
  const scoreOf = ({ scores }: ItemResult) => scores[figure];
  return {
    figure,
    topics,
    rows: summary.variants.map(({ name }) => ({
      variant: name,
      means: topics.map((topic) => {
        const scores = items
          .filter((item) => item.variant === name && item.topic === topic)
          .flatMap((item) => scoreOf(item) ?? []);
        return scores.length === 0 ? null : scores.reduce((sum, score) => sum + score, 0) / scores.length;
      }),
    })),
  };
}

/** Markdown. */
export function topicMarkdown(run: Pick<Run, "summary" | "items">): string {
  const table = topicTable(run);
  if (table === undefined) return "";
  const line = (cells: readonly string[]) =>
    `| ${cells.map((text) => text.replaceAll("|", "\\|")).join(" | ")} |\n`;
  return [
    `\n## ${titleOf(table.figure)} by topic\n\n`,
    line(["variant", ...table.topics]),
    line(["---", ...table.topics.map(() => "---:")]),
    ...table.rows.map(({ variant, means }) =>
      line([variant, ...means.map((mean) => (mean === null ? "–" : mean.toFixed(2)))]),
    ),
  ].join("");
}
