import { DatasetError } from "../dataset-error.ts";

/** What a template's names stand for: a text, or a list of texts; missing where there is nothing. */
export type TemplateValues = Readonly<Record<string, string | readonly string[] | undefined>>;

/** What may follow a name behind a bar. */
const filters: Readonly<Record<string, (value: string | readonly string[]) => string | readonly string[]>> = {
  strip: (value) => textOf(value).trim(),
  lower: (value) => textOf(value).toLowerCase(),
  /** Python's `capitalize`: the first letter large, all others small. */
  capitalize(value) {
    const [first = "", ...rest] = textOf(value);
    return first.toUpperCase() + rest.join("").toLowerCase();
  },
  "single-blanks": (value) => textOf(value).replaceAll("  ", " "),
  comma: (value) => (typeof value === "string" ? value : value.join(", ")),
  /** `A. red` on a line each. */
  lettered: (value) =>
    listOf(value)
      .map((choice, i) => `${letterOf(i)}. ${choice}`)
      .join("\n"),
  /** `(A) red (B) blue` */
  bracketed: (value) =>
    listOf(value)
      .map((choice, i) => `(${letterOf(i)}) ${choice}`)
      .join(" "),
  /** Twelve digits, as COCO names its pictures. */
  "coco-number": (value) => textOf(value).padStart(12, "0"),
  "without-yes-or-no": (value) => textOf(value).replaceAll(" Please answer yes or no.", ""),
};

export const filterNames: readonly string[] = Object.keys(filters);

/** A, B, C … */
export function letterOf(place: number): string {
  return String.fromCharCode(65 + place);
}

type Part =
  | { readonly text: string }
  | { readonly name: string; readonly filters: readonly string[] }
  | { readonly section: string; readonly present: boolean; readonly parts: readonly Part[] };

/** A text with places for values; see `parseTemplate`. */
export interface Template {
  /** Names that stand in it. */
  readonly names: readonly string[];
  fill(values: TemplateValues): string;
}

const TAG = /\{\{\s*([#^/]?)\s*([\w.-]+)((?:\s*\|\s*[\w-]+)*)\s*\}\}/g;

/**
 * Reads a template in Mustache's writing: `{{question}}`; `{{#hint}}Context: {{hint}}{{/hint}}` where there is a hint, and `{{^hint}}…{{/hint}}` where there
 * is none; `{{choices | lettered}}` with filters.
 * @throws {DatasetError} for sections that do not close, and filters that there are none of
 */
export function parseTemplate(text: string): Template {
  const names = new Set<string>();
  const open: { readonly section: string; readonly present: boolean; readonly parts: Part[] }[] = [];
  const parts: Part[] = [];
  const here = () => open.at(-1)?.parts ?? parts;
  let at = 0;
  for (const { 0: tag, 1: kind, 2: name = "", 3: pipes = "", index } of text.matchAll(TAG)) {
    if (index > at) here().push({ text: text.slice(at, index) });
    at = index + tag.length;
    names.add(name);
    if (kind === "#" || kind === "^") open.push({ section: name, present: kind === "#", parts: [] });
    else if (kind === "/") {
      const section = open.pop();
      if (section?.section !== name) throw wrong(text, `{{/${name}}} closes no {{#${name}}}`);
      here().push(section);
    } else {
      const used = pipes.split("|").flatMap((pipe) => (pipe.trim() === "" ? [] : [pipe.trim()]));
      const unknown = used.find((filter) => !Object.hasOwn(filters, filter));
      if (unknown !== undefined)
        throw wrong(text, `there is no filter ${unknown}: there are ${filterNames.join(", ")}`);
      here().push({ name, filters: used });
    }
  }
  const [unclosed] = open;
  if (unclosed !== undefined) throw wrong(text, `{{#${unclosed.section}}} is not closed`);
  if (at < text.length) parts.push({ text: text.slice(at) });
  return { names: [...names], fill: (values) => filled(parts, values) };
}

function filled(parts: readonly Part[], values: TemplateValues): string {
  return parts
    .map((part) => {
      if ("text" in part) return part.text;
      if ("parts" in part)
        return isPresent(values[part.section]) === part.present ? filled(part.parts, values) : "";
      const { [part.name]: value = "" } = values;
      return textOf(part.filters.reduce((last, filter) => (filters[filter] ?? textOf)(last), value));
    })
    .join("");
}

function isPresent(value: string | readonly string[] | undefined): boolean {
  return value !== undefined && value.length > 0;
}

function textOf(value: string | readonly string[]): string {
  return typeof value === "string" ? value : value.join(" ");
}

function listOf(value: string | readonly string[]): readonly string[] {
  return typeof value === "string" ? [value] : value;
}

function wrong(text: string, problem: string): DatasetError {
  return new DatasetError(
    "invalid-task",
    `the template ${JSON.stringify(text.slice(0, 80))} is invalid: ${problem}`,
  );
}
