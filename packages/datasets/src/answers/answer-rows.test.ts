import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { answerRows } from "@vlmopt/datasets";
import { describe, expect, it } from "vitest";

/** By tools/reference/datasets_answer_files.py. */
const golden = (name: string) => readFileSync(new URL(`../../goldens/answers/${name}`, import.meta.url));
const rowsOf = (name: string, bytes: Uint8Array = golden(name)) =>
  answerRows(bytes, name).rows.map(({ row }) => row);
const bytes = (text: string) => new TextEncoder().encode(text);

describe("files of answers", () => {
  it("an Excel table of VLMEvalKit is what pandas reads", () => {
    const read = JSON.parse(golden("vlmevalkit.json").toString()) as Record<string, unknown>[];
    // But for empty texts, which pandas takes for nothing: an empty answer is one.
    expect(rowsOf("vlmevalkit.xlsx")).toEqual(read.map((row) => ({ ...row, A: "" })));
  });

  it("tables of text, with line breaks and quotes in cells", () => {
    const expected = JSON.parse(golden("vlmevalkit.json").toString()) as Record<string, unknown>[];
    for (const name of ["vlmevalkit.tsv", "table.csv"]) {
      const read = rowsOf(name);
      expect(read.map(({ index, question, prediction }) => [index, question, prediction])).toEqual(
        expected.map(({ index, question, prediction }) => [String(index), question, String(prediction)]),
      );
    }
  });

  it("JSON lines, lists, objects that hold a list, answers by their ids, packed or not", () => {
    expect(rowsOf("samples_lmms-eval.jsonl")[0]).toMatchObject({ doc_id: 11, filtered_resps: ["a cat"] });
    expect(rowsOf("vqa-results.json")[1]).toEqual({ question_id: 12, answer: "yes,\nor no" });
    expect(rowsOf("vqa-annotations.json")[0]).toMatchObject({ question_id: 11 });
    expect(rowsOf("openai-batch.jsonl.gz")).toEqual(rowsOf("openai-batch.jsonl"));
    expect(rowsOf("by-id.json")[0]).toEqual({ id: "11", text: "a cat" });
    expect(rowsOf("references.txt")).toEqual(["a cat", "no", "ca va", "7"].map((text) => ({ text })));
    expect(rowsOf("one.jsonl", bytes('{"id":"a","answers":["x"],"text":"y"}'))).toEqual([
      { id: "a", answers: ["x"], text: "y" },
    ]);
  });

  it("by what is in them, whatever the name: standard input has none", () => {
    expect(rowsOf("-", golden("vlmevalkit.xlsx"))).toHaveLength(4);
    expect(rowsOf("-", gzipSync(golden("table.csv")))).toHaveLength(4);
    expect(rowsOf("-", golden("vlmevalkit.tsv"))[0]).toMatchObject({ index: "11" });
  });

  it.each([
    ["a.jsonl", '{"id":1}\n{oops', /^a\.jsonl:2: is not JSON: /],
    ["a.jsonl", '{"id":1}\n[]', /^a\.jsonl:2: is not a JSON object but a list/],
    ["a.json", "[1]", /^a\.json: row 1 is not an object/],
    ["a.json", '{\n"a": {}}', /^a\.json: holds no list of answers/],
    ["a.csv", "id,text\n1,2,3\n", /^a\.csv: cannot be read as a table: /],
    ["a.xlsx", "PK\x03\x04broken", /^a\.xlsx: is no Excel table/],
    ["a.gz", "\x1f\x8bbroken", /^a\.gz: cannot be unpacked/],
  ])("that are broken are refused: %s %j", (name, text, problem) => {
    expect(() => answerRows(Buffer.from(text, "latin1"), name)).toThrow(problem);
  });

  it("that are not UTF-8 are refused by their line", () => {
    expect(() => answerRows(Buffer.from('{"id":1}\n{"id":"\xe9"}', "latin1"), "a.jsonl")).toThrow(
      "a.jsonl:2: is not valid UTF-8",
    );
  });
});
