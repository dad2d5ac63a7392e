import { MetricInputError } from "../metric.ts";

/**
 * Answers of questions that count together, as one text: two questions of a picture, the rounds of a question. Of references, their category goes
 * before them.
 */
export function packUnit(texts: readonly string[]): string {
  return JSON.stringify(texts);
}

/** @throws {MetricInputError} for a text that is no unit */
export function unpackUnit(text: string, metric: string): readonly string[] {
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value)) return value.map(String);
  } catch {
    // Said below.
  }
  throw new MetricInputError(
    `${metric} scores questions that count together, and ${JSON.stringify(text.slice(0, 60))} is no unit of them: run its task`,
  );
}
