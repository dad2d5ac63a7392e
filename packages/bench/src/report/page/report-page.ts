import type { Run } from "../../records/run-folder.ts";
import type { RunSummary, VariantSummary } from "../../records/run-summary.ts";
import { unbeaten } from "../figures/pareto.ts";
import { remarks } from "../remarks.ts";
import { tableNotes, titleOf } from "../result-table.ts";
import { topicTable } from "../topic-table.ts";
import { verdictOf, verdictText } from "../verdict.ts";
import { client } from "./client.ts";
import { pageData } from "./page-data.ts";
import { STYLES } from "./styles.ts";

/** A run as one page that needs nothing else: table, frontier with axes to choose, answers. What models said is text to it, never code. */
export async function reportPage(run: Run): Promise<string> {
  const { summary } = run;
  const data = await pageData(run);
  // A script ends at the first `</`, wherever it stands.
  const json = JSON.stringify(data).replaceAll("<", "\\u003c");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>${escaped(summary.name)} – vlmopt</title>
<style>${STYLES}</style>
</head>
<body>
<header>
  <p class="brand">vlmopt</p>
  <button id="theme" type="button" aria-label="Switch between light and dark">◐</button>
  <h1>${escaped(summary.name)}</h1>
  <p class="meta">${meta(summary)}</p>
  ${summary.completed ? "" : `<p class="notice">This run was stopped before all was measured; what is missing is marked incomplete.</p>`}
  ${remarks(summary)
    .map((remark) => `<p class="notice">${escaped(remark)}</p>`)
    .join("")}
</header>
<main>
${verdict(summary)}
<section aria-labelledby="frontier-title">
  <div class="bar">
    <h2 id="frontier-title">Frontier</h2>
    <label>across <select id="x-axis"></select></label>
    <label>up <select id="y-axis"></select></label>
  </div>
  <div id="frontier"></div>
  <p class="hint">The dashed line joins what nothing beats, above chance, which is dotted: what answers score against other questions’ references. Colour tells how weights are stored, shape what was pruned, area the memory. Arrow keys go from variant to variant, Enter shows answers.</p>
</section>
<section id="answers" aria-labelledby="answers-title" hidden></section>
<section aria-labelledby="table-title">
  <h2 id="table-title">Variants</h2>
  <div class="scroll" tabindex="0" role="region" aria-labelledby="table-title"><table id="variants"></table></div>
  <p class="hint">${escaped(tableNotes(summary))}</p>
</section>
${byTopic(run)}
${failures(summary.variants)}
<section>
  <details><summary>How it was measured</summary>${methods(summary)}</details>
</section>
</main>
<script type="application/json" id="data">${json}</script>
<script>(${client.toString()})(${unbeaten.toString()});</script>
</body>
</html>
`;
}

function meta({ dataset, environment, variants, finishedAt }: RunSummary): string {
  const gpus = environment.gpus.map(({ name }) => name).join(", ");
  return [
    `${variants.length} variants`,
    `${dataset.count} questions of ${dataset.name}${dataset.split === null ? "" : ` (${dataset.split})`}`,
    gpus === "" ? `${environment.cpu}, ${environment.cores} cores` : gpus,
    finishedAt.slice(0, 16).replace("T", " "),
  ]
    .map(escaped)
    .join(" · ");
}

function verdict(summary: RunSummary): string {
  const found = verdictOf(summary);
  if (found === undefined) return "";
  return `<p class="verdict">${verdictText(found, (name) => `<strong>${escaped(name)}</strong>`)}</p>`;
}

/** What fewer visual tokens cost differs between topics. */
function byTopic(run: Run): string {
  const table = topicTable(run);
  if (table === undefined) return "";
  const cells = (tag: string, texts: readonly string[]) =>
    texts.map((text) => `<${tag}>${escaped(text)}</${tag}>`).join("");
  const rows = table.rows.map(
    ({ variant, means }) =>
      `<tr><th scope="row">${escaped(variant)}</th>${cells(
        "td",
        means.map((mean) => (mean === null ? "–" : mean.toFixed(2))),
      )}</tr>`,
  );
  const title = `${titleOf(table.figure)} by topic`;
  return `<section aria-labelledby="topics-title"><h2 id="topics-title">${escaped(title)}</h2><div class="scroll" tabindex="0" role="region" aria-labelledby="topics-title"><table class="topics"><thead><tr>${cells("th", ["variant", ...table.topics])}</tr></thead><tbody>${rows.join("")}</tbody></table></div></section>`;
}

function failures(variants: readonly VariantSummary[]): string {
  const failed = variants.filter(({ status }) => status !== "complete");
  if (failed.length === 0) return "";
  const rows = failed.map(
    ({ name, status, error }) =>
      `<li><strong>${escaped(name)}</strong> <span class="status">${status}</span> ${escaped(error ?? "")}</li>`,
  );
  return `<section aria-labelledby="failed-title"><h2 id="failed-title">Not measured to the end</h2><ul class="failed">${rows.join("")}</ul></section>`;
}

function methods({ environment, protocol, dataset, variants, startedAt }: RunSummary): string {
  const signatures = new Map(
    variants.flatMap(({ quality }) => quality.map(({ metric, signature }) => [metric, signature] as const)),
  );
  const memories = new Set(
    variants.flatMap(({ memory }) =>
      [memory.devicePeak, memory.processPeak, memory.executorPeak].flatMap((figure) => figure?.method ?? []),
    ),
  );
  const rows: [string, string][] = [
    [
      "Speed",
      `${protocol.newTokens} new tokens a request, ${protocol.warmups} warm-ups, then at least ${protocol.minRepetitions} requests and ${protocol.minSeconds} s; medians with ${100 * protocol.confidence} % bootstrap intervals; ${protocol.concurrency} at once`,
    ],
    [
      "Quality",
      `answers that end by themselves, of ${protocol.maxAnswerTokens} tokens at most; ${100 * protocol.confidence} % intervals over the questions, those of one picture together: Agresti and Coull's where all score 0 or 1, else by the bootstrap; differences from the dense model by swapping answers`,
    ],
    [
      "Kept above chance",
      "(score − floor) / (dense − floor); the floor is what the dense model's answers score against references of other questions, on average over all or many of them",
    ],
    ["Data", dataset.signature],
    ...[...signatures].map(([metric, signature]): [string, string] => [titleOf(metric), signature]),
    ["Memory", [...memories].join("; ") || "not known"],
    [
      "Machine",
      `${environment.os}, ${environment.cpu}, ${environment.cores} cores, ${(environment.memory / 1e9).toFixed(0)} GB${environment.gpus.map(({ name, driver }) => `; ${name}, driver ${driver}`).join("")}`,
    ],
    ["Software", `vlmopt ${environment.vlmopt}, Node ${environment.node}`],
    ["Started", startedAt],
  ];
  return `<dl>${rows.map(([term, text]) => `<dt>${escaped(term)}</dt><dd>${escaped(text)}</dd>`).join("")}</dl>`;
}

function escaped(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
