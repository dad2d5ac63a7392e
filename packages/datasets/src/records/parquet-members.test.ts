import { expect, test } from "vitest";
import { withMembers } from "./parquet-members.ts";

const leaf = (name: string) => ({ name, type: "BYTE_ARRAY" as const });
const group = (name: string, num_children: number) => ({ name, num_children });
const column = (...path: string[]) => ({ meta_data: { path_in_schema: path } });
const metadata = {
  schema: [
    group("schema", 2),
    leaf("question"),
    group("answers", 1),
    group("list", 1),
    group("element", 2),
    leaf("answer"),
    leaf("answer_id"),
  ],
  row_groups: [
    {
      columns: [
        column("question"),
        column("answers", "list", "element", "answer"),
        column("answers", "list", "element", "answer_id"),
      ],
    },
  ],
} as unknown as Parameters<typeof withMembers>[0];

test("members of structs that nobody asks for are not read", () => {
  const { schema, row_groups } = withMembers(metadata, ["question", "answers.answer"]);
  expect(schema.map(({ name, num_children }) => [name, num_children])).toEqual([
    ["schema", 2],
    ["question", undefined],
    ["answers", 1],
    ["list", 1],
    ["element", 1],
    ["answer", undefined],
  ]);
  expect(row_groups[0]?.columns).toHaveLength(2);
});

test("what is asked for whole, or reached by no path, stays whole", () => {
  for (const paths of [["answers"], ["answers.answer", "answers"], ["answers.nothing"], []])
    expect(withMembers(metadata, paths)).toBe(metadata);
});
