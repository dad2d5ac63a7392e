import type { Checkpoint } from "@vlmopt/tensor-io";
import { checkedModel } from "./checked-model.ts";
import type { CheckOptions, Loader, Problem } from "./loader.ts";
import { llamaCpp } from "./loaders/llama-cpp.ts";
import { sglang } from "./loaders/sglang.ts";
import { transformers } from "./loaders/transformers.ts";
import { vllm } from "./loaders/vllm.ts";
import { vlmopt } from "./loaders/vlmopt.ts";

/** Every loader that something is known of. */
export const loaders: readonly Loader[] = [transformers, vllm, sglang, llamaCpp, vlmopt];

/** What a loader makes of a model. */
export interface LoaderReport {
  readonly loader: string;
  /** Whether nothing certain stands against it. */
  readonly loads: boolean;
  readonly problems: readonly Problem[];
}

/**
 * Holds a checkpoint against tables of what loaders read, without running any: formats, groups, tiles, lists of names, widths, heads, tokenizer and
 * processor files. Reads headers and small files.
 * @param names of loaders; all of them unless told
 * @throws {RangeError} for a name that is not known, listing those that are
 */
export async function checkCheckpoint(
  checkpoint: Checkpoint,
  names: readonly string[] = loaders.map(({ name }) => name),
  options: CheckOptions = {},
): Promise<readonly LoaderReport[]> {
  const chosen = names.map((name) => {
    const found = loaders.find((loader) => loader.name === name);
    if (found !== undefined) return found;
    throw new RangeError(
      `no loader is named "${name}": there are ${loaders.map((loader) => loader.name).join(", ")}`,
    );
  });
  const model = await checkedModel(checkpoint, options);
  return chosen.map((loader) => {
    const problems = loader.check(model);
    return { loader: loader.name, loads: !problems.some(({ certain }) => certain), problems };
  });
}

/** The report in a line: who loads the model, and who does not. */
export function checkLine(reports: readonly LoaderReport[]): string {
  const names = (wanted: boolean) =>
    reports.filter(({ loads }) => loads === wanted).map(({ loader }) => loader);
  const [yes, no] = [names(true), names(false)];
  return `loads in ${yes.length === 0 ? "none" : yes.join(", ")}${no.length === 0 ? "" : `; not in ${no.join(", ")}`}`;
}
