import type { LanguageScorer } from "@vlmopt/engine";

/** Perplexity has nothing to ask how likely texts are. */
export class LanguageModelError extends Error {
  override readonly name = "LanguageModelError";
  readonly hint = "give one, or leave perplexity out of --metrics";
}

/**
 * The language model that perplexity asks.
 * @throws {LanguageModelError} where none was named
 */
export async function languageModelFor(folder: string | undefined): Promise<LanguageScorer> {
  if (folder === undefined)
    throw new LanguageModelError("perplexity needs a language model: --language-model <folder>");
  const { languageScorer } = await import("@vlmopt/engine");
  return languageScorer(folder);
}
