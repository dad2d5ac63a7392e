import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { compileTemplate } from "./template.ts";
import { TemplateError } from "./template-error.ts";

type Expected = string | null;

interface TemplateGoldens {
  readonly texts: Readonly<Record<string, string>>;
  readonly values: Readonly<Record<string, unknown>>;
  readonly given: Readonly<Record<string, unknown>>;
  readonly messages: unknown;
  readonly expressions: readonly (readonly [string, Expected | readonly Expected[]])[];
  readonly statements: readonly (readonly [string, Expected])[];
  readonly chats: readonly (readonly [string, unknown, Expected])[];
}

/** By tools/reference/engine_templates.py; null where transformers refuses. */
const path = new URL("../../../goldens/templates.json", import.meta.url);
const { texts, values, given, messages, expressions, statements, chats } = JSON.parse(
  readFileSync(path, "utf8"),
) as TemplateGoldens;

/** What we render; null where we refuse, as one line of words. */
function rendered(template: string, variables: Record<string, unknown>): Expected {
  try {
    return compileTemplate(template)({ ...given, ...variables });
  } catch (error) {
    expect(error).toBeInstanceOf(TemplateError);
    expect((error as Error).message).not.toContain("\n");
    return null;
  }
}

describe("a template gives what transformers gives", () => {
  test.each(expressions)("{{ %s }}", (expression, expected) => {
    const found = Object.values(texts).map((t) => rendered(`{{ ${expression} }}`, { ...values, t }));
    expect(found).toEqual(
      typeof expected === "object" && expected !== null ? expected : found.map(() => expected),
    );
  });

  test.each(statements)("%s", (template, expected) => {
    expect(rendered(template, { ...values, messages })).toBe(expected);
  });

  test.each(chats)("in the manner of published models: %s", (template, conversation, expected) => {
    expect(rendered(template, { messages: conversation })).toBe(expected);
  });
});
