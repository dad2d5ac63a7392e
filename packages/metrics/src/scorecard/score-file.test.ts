import { joinScoreFiles, readPredictions, readReferences, ScoreFileError } from "@vlmopt/metrics";
import { describe, expect, it } from "vitest";

const bytes = (...lines: string[]) => new TextEncoder().encode(lines.join("\n"));
const predictions = (...lines: string[]) => readPredictions(bytes(...lines), "preds.jsonl");
const references = (...lines: string[]) => readReferences(bytes(...lines), "refs.jsonl");

describe("score files", () => {
  it("are joined by id, in the order of the references, whatever their keys are called", () => {
    const items = joinScoreFiles(
      predictions('{"id":"b","answer":"two","extra":1}', "", '{"id":1,"prediction":"one","topic":"x"}\r\n'),
      references('{"id":"1","references":["One","Uno"]}', '{"id":"b","answer":"Two","topic":"y"}'),
      predictions('{"id":1,"text":"eins"}', '{"id":"b","text":"重み"}'),
    );
    expect(items).toEqual([
      { id: "1", prediction: "one", references: ["One", "Uno"], versus: "eins", topic: "x" },
      { id: "b", prediction: "two", references: ["Two"], versus: "重み", topic: "y" },
    ]);
  });

  it("may begin with a byte order mark", () => {
    expect([...predictions('\ufeff{"id":"a","text":""}').lines.keys()]).toEqual(["a"]);
  });

  it.each([
    [['{"id":"a","text":"x"}', "{oops"], "preds.jsonl:2: is not JSON: "],
    [["[]"], "preds.jsonl:1: is not a JSON object but a list"],
    [['{"text":"x"}'], 'preds.jsonl:1: has no "id"'],
    [['{"id":1.5,"text":"x"}'], 'preds.jsonl:1: "id" is neither text nor a whole number but a number'],
    [['{"id":"a"}'], 'preds.jsonl:1: has none of "prediction", "answer", "text"'],
    [['{"id":"a","text":null}'], 'preds.jsonl:1: "text" is not text but null'],
    [['{"id":"a","text":"x","topic":{}}'], 'preds.jsonl:1: "topic" is not text but an object'],
    [
      ['{"id":"a","text":"x"}', "", '{"id":"a","text":"y"}'],
      'preds.jsonl:3: id "a" is there already, in line 1',
    ],
    [["", ""], "preds.jsonl: has no lines"],
  ])("of predictions are refused by line: %j", (lines, message) => {
    expect(() => predictions(...lines)).toThrow(message);
    expect(() => predictions(...lines)).toThrow(ScoreFileError);
  });

  it.each([
    ['{"id":"a","references":[]}', 'refs.jsonl:1: "references" is an empty list'],
    [
      '{"id":"a","references":["x",3]}',
      'refs.jsonl:1: "references" is not text or a list of texts but has a number',
    ],
    ['{"id":"a","text":"x"}', 'refs.jsonl:1: has none of "references", "reference", "answers", "answer"'],
  ])("of references are refused by line: %s", (line, message) => {
    expect(() => references(line)).toThrow(message);
  });

  it("leave lines without an answer or a reference out where told to, in all files", () => {
    const leaveOut = { leaveOut: true };
    const lines = bytes(
      '{"id":"a","references":[]}',
      '{"id":"b","reference":null}',
      '{"id":"c","answer":["x",null]}',
      '{"id":"d","answer":"y"}',
      '{"id":"e"}',
    );
    const asked = readReferences(lines, "refs.jsonl", leaveOut);
    expect([...(asked.leftOut ?? [])]).toEqual([
      ["a", { line: 1, problem: '"references" is an empty list' }],
      ["b", { line: 2, problem: '"reference" is null' }],
      ["e", { line: 5, problem: 'has none of "references", "reference", "answers", "answer"' }],
    ]);
    const answered = ["a", "b", "c", "d", "e"].map((id) =>
      JSON.stringify({ id, text: id === "d" ? null : id }),
    );
    const given = readPredictions(bytes(...answered), "preds.jsonl", leaveOut);
    expect(joinScoreFiles(given, asked)).toEqual([{ id: "c", prediction: "c", references: ["x"] }]);
    expect(() => readReferences(lines, "refs.jsonl")).toThrow('refs.jsonl:1: "references" is an empty list');
    const lacking = readPredictions(bytes(...answered.slice(0, 2)), "preds.jsonl", leaveOut);
    expect(() => joinScoreFiles(lacking, asked)).toThrow(
      "preds.jsonl: has 2 ids and lacks 2 of the 2 in refs.jsonl",
    );
  });

  it("are refused where bytes are not UTF-8, by line", () => {
    const odd = Uint8Array.from([...bytes('{"id":"a","text":"x"}', '{"id":"b","text":"'), 0xc3, 0x28]);
    expect(() => readPredictions(odd, "preds.jsonl")).toThrow("preds.jsonl:2: is not valid UTF-8");
  });

  it("are refused where one lacks ids of another", () => {
    const two = references('{"id":"a","answer":"x"}', '{"id":"b","answer":"y"}');
    expect(() => joinScoreFiles(predictions('{"id":"a","text":"x"}'), two)).toThrow(
      'preds.jsonl: has 1 ids and lacks 1 of the 2 in refs.jsonl, first "b" (refs.jsonl:2)',
    );
    const three = predictions('{"id":"a","text":"x"}', '{"id":"b","text":""}', '{"id":"c","text":"z"}');
    expect(() => joinScoreFiles(three, two)).toThrow(
      'refs.jsonl: has 2 ids and lacks 1 of the 3 in preds.jsonl, first "c" (preds.jsonl:3)',
    );
  });
});
