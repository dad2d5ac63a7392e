import { type Rule, told } from "./rules.ts";

/** A rule for each option of a function. */
export type Rules<Options> = { readonly [Name in keyof Required<Options>]: Rule };

/** An option is out of its range, or there is none of its name. */
export class OptionError extends RangeError {
  override readonly name = "OptionError";
}

/**
 * Options as they were given, none of them wrong; what is undefined counts as not given.
 * @param call what they are given to, as errors name it: `generate`
 * @param required names of options that must be given
 * @throws {OptionError} that names the option, its value and what is allowed
 */
export function checkOptions<Options extends object>(
  call: string,
  options: Options | undefined,
  rules: Rules<Options>,
  required: readonly (keyof Options & string)[] = [],
): void {
  const missing = required.find((name) => options?.[name] === undefined);
  if (missing !== undefined) throw new OptionError(`${call}: ${missing} is missing`);
  if (options === undefined) return;
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new OptionError(`${call}: the options are ${told(options)}, not an object`);
  }
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    const rule = Object.hasOwn(rules, name) ? rules[name as keyof Options] : undefined;
    if (rule === undefined)
      throw new OptionError(
        `${call}: there is no option ${JSON.stringify(name)}; ${known(name, Object.keys(rules))}`,
      );
    const problem = rule.problem(value);
    if (problem !== undefined) throw new OptionError(`${call}: ${name} ${problem}`);
  }
}

/**
 * One value that must follow its rule.
 * @throws {OptionError}
 */
export function checkValue(call: string, name: string, value: unknown, rule: Rule): void {
  const problem = rule.problem(value);
  if (problem !== undefined) throw new OptionError(`${call}: ${name} ${problem}`);
}

function known(name: string, names: readonly string[]): string {
  const near = names.find((other) => distance(name.toLowerCase(), other.toLowerCase()) <= 2);
  if (near !== undefined) return `did you mean ${JSON.stringify(near)}?`;
  return names.length === 0 ? "it has none" : `there are ${names.join(", ")}`;
}

/** Letters to change, add or leave out between two words (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...b].entries()) {
      const cost = letter === other ? 0 : 1;
      next.push(Math.min((row[j] as number) + cost, (row[j + 1] as number) + 1, (next[j] as number) + 1));
    }
    row = next;
  }
  return row.at(-1) as number;
}
