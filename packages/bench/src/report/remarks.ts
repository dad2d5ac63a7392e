import type { LeftOutRow, RunSummary } from "../records/run-summary.ts";

/** What a reader must know beside the figures, in sentences: rows that were not asked, questions that were not answered, speed of shorter answers. */
export function remarks({ dataset, tasks = [], protocol, variants }: RunSummary): string[] {
  const { leftOut = [], scored, count } = dataset;
  const found =
    leftOut.length === 0 ? [] : [`Rows left out: ${leftOut.length}; the first: ${worded(leftOut)}.`];
  for (const { name, title, prompt, dataset: asked } of tasks)
    found.push(`${name}: ${title}; ${asked.count} questions of ${asked.name}, asked as ${prompt} does.`);
  for (const { name, unanswered = [], speedTokens } of variants) {
    if (speedTokens && speedTokens.fewest < protocol.newTokens) {
      const { fewest, most } = speedTokens;
      const made = fewest === most ? `${fewest}` : `${fewest} to ${most}`;
      found.push(
        `${name} made ${made} new tokens where ${protocol.newTokens} were asked for: its latency and tokens per second are of that many.`,
      );
    }
    if (unanswered.length > 0)
      found.push(
        `${name} did not answer ${unanswered.length} of ${count} questions; the first: ${worded(unanswered)}.`,
      );
  }
  if (scored !== undefined && scored < count)
    found.push(`Scores are of the ${scored} of ${count} questions that every variant answered.`);
  return found;
}

function worded([first]: readonly LeftOutRow[]): string {
  return first === undefined ? "" : `${first.place}: ${first.problem.replace(/\.$/, "")}`;
}
