import { type FigureScore, isHeadline, type Scorecard } from "./scorecard.ts";

/** Cells of a table, numbers already as text. */
export interface TableText {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Headline figures of all items: a row a figure. */
export function scorecardTable({ figures, confidence }: Scorecard): TableText {
  const compared = figures.some(({ versus }) => versus !== undefined);
  const retained = figures.some(({ retention }) => retention !== undefined);
  return {
    head: [
      "metric",
      "score",
      `${100 * confidence} % interval`,
      ...(compared ? ["versus", "difference", "p (Holm)"] : []),
      ...(retained ? ["retention", ""] : []),
    ],
    rows: figures
      .filter(({ figure }) => isHeadline(figure))
      .map((score) => [
        labelOf(score),
        formatScore(score.value),
        interval(score),
        ...(compared
          ? [
              formatScore(score.versus?.value),
              formatDifference(score.versus?.difference),
              formatP(score.versus?.pHolm),
            ]
          : []),
        ...(retained ? [formatShare(score.retention?.value), shareInterval(score.retention)] : []),
      ]),
  };
}

/** Headline figures of every topic: a row a topic; undefined where topics were not asked for. */
export function topicTable({ topics }: Scorecard): TableText | undefined {
  const [first] = topics ?? [];
  if (topics === undefined || first === undefined) return undefined;
  const headline = (figures: readonly FigureScore[]) => figures.filter(({ figure }) => isHeadline(figure));
  return {
    head: ["topic", "items", ...headline(first.figures).map(labelOf)],
    rows: topics.map(({ topic, count, figures }) => [
      topic,
      String(count),
      ...headline(figures).map(({ value, versus }) =>
        versus === undefined
          ? formatScore(value)
          : `${formatScore(value)} (${formatDifference(versus.difference)})`,
      ),
    ]),
  };
}

/** All figures, of all items and of every topic, with a head line; RFC 4180 but for its line ends. */
export function scorecardCsv(card: Scorecard): string {
  const head =
    "topic,items,metric,figure,value,low,high,versus,difference,p,p_holm,retention,retention_low,retention_high,signature";
  const rowsOf = (topic: string, count: number, figures: readonly FigureScore[]) =>
    figures.map(({ metric, figure, value, low, high, versus, retention }) =>
      [
        ...[topic, count, metric, figure, value, low, high],
        ...[versus?.value, versus?.difference, versus?.p, versus?.pHolm],
        ...[retention?.value, retention?.low, retention?.high],
        card.metrics[metric],
      ]
        .map(csvCell)
        .join(","),
    );
  return [
    head,
    ...rowsOf("", card.count, card.figures),
    ...(card.topics ?? []).flatMap(({ topic, count, figures }) => rowsOf(topic, count, figures)),
    "",
  ].join("\n");
}

function csvCell(value: string | number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return "";
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A metric of one figure is called by its name alone. */
function labelOf({ metric, figure }: FigureScore): string {
  return figure.startsWith(metric) ? figure : `${metric} ${figure}`;
}

function interval({ low, high }: { readonly low: number; readonly high: number }): string {
  if (Number.isNaN(low) || Number.isNaN(high)) return "–";
  return `${formatScore(low)} – ${formatScore(high)}`;
}

/** Four places below 10, two above, where scores count to 100. */
function formatScore(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return "–";
  return value.toFixed(Math.abs(value) < 10 ? 4 : 2);
}

/** A p-value is never 0. */
function formatP(p: number | undefined): string {
  return p !== undefined && p < 0.00005 ? "<0.0001" : formatScore(p);
}

function formatDifference(value: number | undefined): string {
  return value !== undefined && value > 0 ? `+${formatScore(value)}` : formatScore(value);
}

function formatShare(value: number | undefined): string {
  return value === undefined || Number.isNaN(value) ? "–" : `${(100 * value).toFixed(1)} %`;
}

function shareInterval(share: { readonly low: number; readonly high: number } | undefined): string {
  return share === undefined || Number.isNaN(share.low)
    ? ""
    : `${formatShare(share.low)} – ${formatShare(share.high)}`;
}
