import { OptionError } from "@vlmopt/options";
import type { Checkpoint } from "@vlmopt/tensor-io";
import { readJson } from "../read-json.ts";
import { type VisualTokens, visualTokenPlan } from "./visual-tokens.ts";

/** Settings that lie beside a model: how vlmopt runs it. */
export const SETTINGS_FILE = "vlmopt.json";

/**
 * Fewer visual tokens, as a model's folder asks for them.
 * @throws {OptionError} where the file is not understood
 */
export async function savedVisualTokens(checkpoint: Checkpoint): Promise<VisualTokens | undefined> {
  const settings = await readJson(checkpoint, SETTINGS_FILE);
  if (settings === undefined) return undefined;
  const where = `visual_tokens of ${SETTINGS_FILE} beside ${checkpoint.location}`;
  if (typeof settings !== "object" || settings === null)
    throw new OptionError(`${SETTINGS_FILE} beside ${checkpoint.location} is no object`);
  const { visual_tokens: found } = settings as { readonly visual_tokens?: VisualTokens | null };
  if (found === undefined || found === null) return undefined;
  visualTokenPlan(where, found);
  return found;
}
