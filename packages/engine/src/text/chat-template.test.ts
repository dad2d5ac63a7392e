import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { tokenizerWith } from "../test-support/tokenizer-with.ts";
import type { Message } from "./message.ts";

/** By tools/reference/engine_templates.py; null where transformers refuses. */
const goldens = JSON.parse(
  readFileSync(new URL("../../goldens/templates.json", import.meta.url), "utf8"),
) as {
  readonly messages: readonly Message[];
  readonly choices: readonly (readonly [Readonly<Record<string, object | string>>, string | null])[];
};

async function asked(files: Readonly<Record<string, object | string>>): Promise<string | undefined> {
  return (await tokenizerWith(files)).applyTemplate?.(goldens.messages);
}

test.each(goldens.choices)(
  "transformers takes the template and special tokens of %o",
  async (files, expected) => {
    if (expected === null)
      await expect(asked(files)).rejects.toThrow(
        'in processor_config.json of the folder has no template "default", only "tool_use", "other"',
      );
    else expect(await asked(files)).toBe(expected);
  },
);

test("A template of tokenizer_config.json is taken where a processor has none.", async () => {
  expect(await asked({ "tokenizer_config.json": { chat_template: "config {{ bos_token }}" } })).toBe(
    "config <s>",
  );
});

describe("a template that", () => {
  test.each([
    "{% for i in range(1000000000) %}x{% endfor %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{{ 'x' * 10000000000 }}",
  ])("goes on without end is refused: %s", async (template) => {
    await expect(asked({ "chat_template.jinja": template })).rejects.toThrow(
      /^the chat template in chat_template\.jinja of the folder cannot be used: line 1: [^\n]{1,200}$/,
    );
  });

  test.each([
    ["{% if %}", 'line 1: an expression is expected, not the tag\'s end "%}"'],
    ["a\n{{ 1 }}\n{% nothing %}", 'line 3: the tag "nothing" is unknown'],
    ["a\n{{ messages.x.y }}", 'line 2: "x" of list is undefined, so it has no "y"'],
    [
      "\n\n{{ raise_exception('Roles must alternate.') }}",
      "line 3: it refuses the messages: Roles must alternate.",
    ],
    ["{{ 'a' | nothing }}", 'line 1: there is no filter "nothing"'],
  ])("fails names its file and line: %s", async (template, reason) => {
    const expected = `the chat template in chat_template.jinja of the folder cannot be used: ${reason}`;
    await expect(asked({ "chat_template.jinja": template })).rejects.toThrow(expected);
  });

  test("is no text names what it is", async () => {
    await expect(asked({ "chat_template.json": { chat_template: 3 } })).rejects.toThrow(
      "chat_template in chat_template.json of the folder is 3, not a template's text",
    );
    await expect(asked({ "chat_template.json": "[]" })).rejects.toThrow(
      "chat_template.json of the folder holds no object of JSON",
    );
  });
});
