import { type PunktParameters, punktSentences } from "./punkt.ts";
import { type NltkRelease, treebankTokens } from "./treebank-tokenizer.ts";

/** NLTK's `word_tokenize`: Punkt sentences, each split into words by the Treebank's rules. */
export function wordTokenize(text: string, parameters: PunktParameters, release: NltkRelease): string[] {
  return punktSentences(text, parameters, release).flatMap((sentence) => treebankTokens(sentence, release));
}
