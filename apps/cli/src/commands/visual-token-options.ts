import { InvalidArgumentError, Option } from "@commander-js/extra-typings";
import type { VisualTokensSpec } from "@vlmopt/bench";
import { type VisualTokens, visualTokenMethods, visualTokenRules } from "@vlmopt/engine";
import { parseBy } from "../terminal/quantities.ts";

const count = parseBy(visualTokenRules.keep);

/** Reads how many visual tokens stay: a number, or all. */
export function parseVisualTokens(text: string): number | "all" {
  return text.trim() === "all" ? "all" : count(text);
}

/** Reads numbers of visual tokens with commas between them. */
export function parseVisualTokenList(text: string): (number | "all")[] {
  return text.split(",").map(parseVisualTokens);
}

/** Options of several variants. */
export function visualMethodsOption() {
  const description = "of --visual-tokens, such as divprune,visionzip (default: divprune)";
  return new Option("--visual-method <names>", description).argParser(parseVisualMethods);
}

export function noVisualMergeOption() {
  return new Option(
    "--no-visual-merge",
    "of --visual-tokens, drop the others instead of merging them into those that stay",
  );
}

export function visualClipOption() {
  return new Option("--visual-clip <folder>", "of cdpruner, the CLIP whose vision tower the model has");
}

/** Reads names of methods with commas between them. */
function parseVisualMethods(text: string): string[] {
  return text.split(",").map((part) => {
    const name = part.trim();
    if (visualTokenMethods.some((method) => method.name === name)) return name;
    throw new InvalidArgumentError(
      `There is no method ${JSON.stringify(name)}: there are ${visualTokenMethods.map((method) => method.name).join(", ")}.`,
    );
  });
}

export interface VisualTokenOptions {
  readonly visualTokens?: number | "all" | undefined;
  readonly visualMethod?: string | undefined;
  readonly visualMerge: boolean;
  readonly visualClip?: string | undefined;
}

/**
 * Turns the options into settings: undefined without options, false for `all`.
 * @param badUsage ends the command with such a message
 */
export function visualTokensOf(
  { visualTokens, visualMethod, visualMerge, visualClip }: VisualTokenOptions,
  badUsage: (message: string) => never,
): VisualTokens | false | undefined {
  if (typeof visualTokens !== "number") {
    const lone =
      visualMethod !== undefined
        ? "--visual-method"
        : visualClip !== undefined
          ? "--visual-clip"
          : visualMerge
            ? undefined
            : "--no-visual-merge";
    if (lone !== undefined) badUsage(`error: ${lone} needs --visual-tokens with a number`);
    return visualTokens === "all" ? false : undefined;
  }
  return {
    keep: visualTokens,
    merge: visualMerge,
    ...(visualMethod === undefined ? {} : { method: visualMethod }),
    ...(visualClip === undefined ? {} : { clip: visualClip }),
  };
}

/**
 * Every number by every method, as a recipe's grid has them; all tokens once.
 * @param badUsage ends the command with such a message
 */
export function severalVisualTokens(
  {
    visualTokens = ["all"],
    visualMethod = ["divprune"],
    visualMerge,
    visualClip,
  }: {
    readonly visualTokens?: readonly (number | "all")[] | undefined;
    readonly visualMethod?: readonly string[] | undefined;
    readonly visualMerge: boolean;
    readonly visualClip?: string | undefined;
  },
  badUsage: (message: string) => never,
): ("all" | VisualTokensSpec)[] {
  const numbers = visualTokens.filter((tokens) => tokens !== "all");
  const first = visualMethod.join(",");
  if (numbers.length === 0 && (first !== "divprune" || !visualMerge || visualClip !== undefined))
    badUsage("error: options of visual tokens need --visual-tokens with a number");
  const clip = visualClip === undefined ? {} : { clip: visualClip };
  const fewer = numbers.flatMap((keep) =>
    visualMethod.map((method) => ({ keep, method, merge: visualMerge, ...clip })),
  );
  return [...(visualTokens.includes("all") ? (["all"] as const) : []), ...fewer];
}

/** For help: each method and how it chooses. */
export function visualMethodsHelp(): string {
  const width = Math.max(...visualTokenMethods.map(({ name }) => name.length));
  const lines = visualTokenMethods.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`);
  return `\nMethods of --visual-method:\n${lines.join("\n")}`;
}
