/** How one weight is stored: a format by its name, and the settings that the format knows. Plain data. */
export interface Scheme {
  readonly format: string;
  readonly [setting: string]: string | number | boolean | undefined;
}

/**
 * `fast` rounds to nearest as the format's own library does; `best` searches for the scales of least squared error of the weights. That is no default:
 * an error that does not know what weights are multiplied by is the wrong one. SmolLM2-135M in 4 bits, groups of 64, has a perplexity of 35.4 with such
 * scales and of 32.4 without; in 2 bits, where nothing is left without, they are better. Methods with data search by what data tell.
 */
export type Preset = "fast" | "best";

/** A scheme of groups within rows. */
export interface GroupedScheme extends Scheme {
  /** Weights of a row under one scale; `row` for one scale a row. */
  readonly groupSize: number | "row";
}

/** Weights of a row of `columns` that are under one scale. */
export function groupSizeOf({ groupSize }: Pick<GroupedScheme, "groupSize">, columns: number): number {
  return groupSize === "row" ? columns : groupSize;
}

/** The scheme with the first group size that divides rows of `columns`: its own or, failing that, another; or why there is none. */
export function fittingGroups<S extends GroupedScheme>(
  scheme: S,
  columns: number,
  otherSizes: readonly number[],
): S | string {
  const sizes = scheme.groupSize === "row" ? ["row" as const] : [scheme.groupSize, ...otherSizes];
  const size = sizes.find((groupSize) => columns % groupSizeOf({ groupSize }, columns) === 0);
  if (size !== undefined) return { ...scheme, groupSize: size };
  return `groups of ${sizes.join(", ")} do not divide rows of ${columns} weights`;
}
