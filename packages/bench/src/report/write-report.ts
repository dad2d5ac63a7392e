import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readRun } from "../records/run-folder.ts";
import type { RunSummary, VariantSummary } from "../records/run-summary.ts";
import { barFigure } from "./figures/bars.ts";
import { type Cost, frontierFigure } from "./figures/frontier.ts";
import { precisionColours } from "./figures/palette.ts";
import { pngOf } from "./figures/svg-document.ts";
import { reportPage } from "./page/report-page.ts";
import { resultsCsv, resultsMarkdown } from "./result-table.ts";

/** Paths of what a report is made of. */
export interface ReportFiles {
  readonly page: string;
  readonly csv: string;
  readonly markdown: string;
  /** SVG and PNG of each figure. */
  readonly figures: readonly string[];
}

/**
 * Writes a run's tables, figures and page into its folder.
 * @throws {BenchError} where the folder holds no run
 */
export async function writeReport(folder: string): Promise<ReportFiles> {
  const run = await readRun(folder);
  const files = {
    page: join(folder, "report.html"),
    csv: join(folder, "results.csv"),
    markdown: join(folder, "results.md"),
  };
  const figuresFolder = join(folder, "figures");
  // Figures of variants that are no longer there go.
  await rm(figuresFolder, { recursive: true, force: true });
  await mkdir(figuresFolder, { recursive: true });
  await writeFile(files.csv, resultsCsv(run.summary));
  await writeFile(files.markdown, resultsMarkdown(run.summary));
  const figures: string[] = [];
  for (const [name, svg] of figuresOf(run.summary)) {
    const paths = [join(figuresFolder, `${name}.svg`), join(figuresFolder, `${name}.png`)] as const;
    await writeFile(paths[0], svg);
    await writeFile(paths[1], pngOf(svg));
    figures.push(...paths);
  }
  await writeFile(files.page, await reportPage(run));
  return { ...files, figures };
}

/** The seed's figures: the frontier by latency and by size, of all variants, of whole models, of each precision; and bars. */
export function figuresOf({ variants }: RunSummary): [name: string, svg: string][] {
  const colours = precisionColours(variants);
  const figures: [string, string | undefined][] = [];
  const frontiers = (name: string, title: string, some: readonly VariantSummary[]) => {
    for (const cost of ["latency", "size"] as const satisfies readonly Cost[]) {
      figures.push([`${name}-by-${cost}`, frontierFigure(some, { title, cost, colours, all: variants })]);
    }
  };
  frontiers("frontier", "Quality and cost of all variants", variants);
  const whole = variants.filter(({ pruning }) => pruning.length === 0);
  if (whole.length < variants.length)
    frontiers("frontier-not-pruned", "Quality and cost of whole models", whole);
  for (const precision of colours.keys()) {
    const some = variants.filter((variant) => variant.precision === precision);
    if (some.length < variants.length) {
      frontiers(
        `frontier-${precision.replaceAll(/[^\w.-]/g, "_")}`,
        `Quality and cost in ${precision}`,
        some,
      );
    }
  }
  for (const figure of ["latency", "quality", "size"] as const)
    figures.push([`bars-${figure}`, barFigure(variants, figure)]);
  return figures.filter((entry): entry is [string, string] => entry[1] !== undefined);
}
