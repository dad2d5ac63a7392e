/** What a value of an option may be. */
export interface Rule {
  /** What is wrong with a value, such as `is 0, not a whole number from 1 on`; undefined where nothing is. */
  readonly problem: (value: unknown) => string | undefined;
}

export interface Range {
  readonly from?: number;
  readonly to?: number;
  readonly above?: number;
  readonly below?: number;
}

/** @param wanted ends the sentence "is …, not" */
function ruleOf(isRight: (value: unknown) => boolean, wanted: string): Rule {
  return { problem: (value) => (isRight(value) ? undefined : `is ${told(value)}, not ${wanted}`) };
}

export interface WholeRange {
  readonly from?: number;
  readonly to?: number;
  /** Whether Infinity is one. */
  readonly endless?: boolean;
}

/** A whole number, from 1 on unless told. */
export function whole({ from = 1, to = Number.MAX_SAFE_INTEGER, endless = false }: WholeRange = {}): Rule {
  const end = to === Number.MAX_SAFE_INTEGER ? "on" : `to ${to}`;
  const isInside = (value: unknown): boolean =>
    Number.isSafeInteger(value) && (value as number) >= from && (value as number) <= to;
  const isRight = (value: unknown) => isInside(value) || (endless && value === Number.POSITIVE_INFINITY);
  return ruleOf(isRight, `a whole number from ${from} ${end}`);
}

/** A finite number in a range. */
export function finite(range: Range = {}): Rule {
  const { from, to, above, below } = range;
  const isInside = (value: number): boolean =>
    value >= (from ?? Number.NEGATIVE_INFINITY) &&
    value <= (to ?? Number.POSITIVE_INFINITY) &&
    value > (above ?? Number.NEGATIVE_INFINITY) &&
    value < (below ?? Number.POSITIVE_INFINITY);
  const words = [
    from === undefined ? "" : `from ${from}${to === undefined && below === undefined ? " on" : ""}`,
    above === undefined ? "" : `above ${above}`,
    to === undefined ? "" : `to ${to}`,
    below === undefined ? "" : `${above === undefined ? "" : "and "}below ${below}`,
  ].filter((word) => word !== "");
  const wanted = ["a number", ...words].join(" ");
  return ruleOf((value) => typeof value === "number" && Number.isFinite(value) && isInside(value), wanted);
}

/** A share of something: above 0 and below 1. */
export const share: Rule = finite({ above: 0, below: 1 });

export const flag: Rule = ruleOf((value) => typeof value === "boolean", "true or false");
export const text: Rule = ruleOf((value) => typeof value === "string", "a text");
export const name: Rule = ruleOf(
  (value) => typeof value === "string" && value !== "",
  "a text that is not empty",
);
export const func: Rule = ruleOf((value) => typeof value === "function", "a function");
export const object: Rule = ruleOf((value) => typeof value === "object" && value !== null, "an object");
export const anything: Rule = { problem: () => undefined };

export function oneOf(values: readonly (string | number)[]): Rule {
  const list = values.map((value) => JSON.stringify(value));
  const wanted = list.length === 1 ? String(list[0]) : `one of ${list.join(", ")}`;
  return ruleOf((value) => values.includes(value as string), wanted);
}

/** A list of values that follow a rule, of at least so many. */
export function listOf(item: Rule, { least = 0 }: { readonly least?: number } = {}): Rule {
  return {
    problem(value) {
      if (!Array.isArray(value)) return `is ${told(value)}, not a list`;
      if (value.length < least) return `has ${value.length} items, not ${least} or more`;
      const wrong = value.findIndex((one) => item.problem(one) !== undefined);
      return wrong < 0 ? undefined : `has an item, number ${wrong}, that ${item.problem(value[wrong])}`;
    },
  };
}

/** What any of several rules allows. */
export function either(...rules: readonly Rule[]): Rule {
  return {
    problem(value) {
      const problems = rules.map((rule) => rule.problem(value));
      if (problems.includes(undefined)) return undefined;
      const wanted = problems.map((problem) => problem?.replace(/^is .*?, not /, ""));
      return `is ${told(value)}, not ${wanted.join(" or ")}`;
    },
  };
}

/** Threads: a few times what the largest machines have; a process that asks for more hangs or dies. */
export const threads: Rule = whole({ to: 256 });

export function told(value: unknown): string {
  if (typeof value === "number" || typeof value === "undefined" || typeof value === "bigint")
    return String(value);
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  const shown = JSON.stringify(value) ?? String(value);
  return shown.length > 60 ? `${shown.slice(0, 60)}…` : shown;
}
