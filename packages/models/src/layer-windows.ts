import type { ConfigReader } from "./config-reader.ts";
import type { Windows } from "./decoder-traits.ts";
import { ConfigError } from "./description.ts";

const SLIDING = "sliding_attention";
const FULL = "full_attention";

/**
 * Of each decoder layer, how many tokens a token sees, itself among them; undefined where it sees all earlier ones.
 * @throws {ConfigError} where the configuration contradicts itself
 */
export function layerWindows(text: ConfigReader, windows: Windows, count: number): (number | undefined)[] {
  if (windows.kind === "none") return Array.from({ length: count }, () => undefined);
  const window = text.sizeOrNull("sliding_window", 4096);
  if (windows.kind === "all") return Array.from({ length: count }, () => window);
  const used = windows.kind !== "from" || usesWindows(text, windows.nullable);
  return layerTypes(text, windows, used && window !== undefined, count).map((type) => {
    if (type === FULL) return undefined;
    if (used && window !== undefined) return window;
    throw new ConfigError(
      `${[...text.path, "layer_types"].join(".")} of config.json has layers of ${SLIDING}, but there is no sliding_window`,
    );
  });
}

function usesWindows(text: ConfigReader, nullable: boolean): boolean {
  const key = "use_sliding_window";
  return (nullable ? text.flagOrNull(key, false) : text.flag(key, false)) ?? false;
}

function layerTypes(text: ConfigReader, windows: Windows, slides: boolean, count: number): readonly string[] {
  const types = text.texts("layer_types");
  if (types.length === 0 && !text.has("layer_types")) {
    const first = windows.kind === "from" ? text.number("max_window_layers", windows.first) : 0;
    if (windows.kind === "alternate") return alternatingTypes(count);
    return Array.from({ length: count }, (_, layer) => (slides && layer >= first ? SLIDING : FULL));
  }
  const place = `${[...text.path, "layer_types"].join(".")} of config.json`;
  if (types.length !== count)
    throw new ConfigError(`${place} names ${types.length} layers, but there are ${count}`);
  const strange = types.find((type) => type !== SLIDING && type !== FULL);
  if (strange !== undefined) {
    throw new ConfigError(`${place} has "${strange}"; known are ${FULL} and ${SLIDING}`);
  }
  return types;
}

/** Gemma 2's layers, unless a configuration tells others: the first slides, and every second after it. */
export function alternatingTypes(count: number): string[] {
  return Array.from({ length: count }, (_, layer) => (layer % 2 === 0 ? SLIDING : FULL));
}
