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
    [['{"text":"x"}', '{"id":"a","text":"x"}'], 'preds.jsonl:1: has no "id"'],
    [['{"id":1.5,"text":"x"}'], 'preds.jsonl:1: "id" is neither text nor a whole number but a number'],
    [['{"id":"a"}'], 'preds.jsonl:1: has none of "prediction", '],
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
      '{"id":"a","references":["x",true]}',
      'refs.jsonl:1: "references" is not text or a list of texts but has a boolean',
    ],
    ['{"id":"a","caption":"x"}', 'refs.jsonl:1: has none of "references", "reference", '],
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
      ["e", { line: 5, problem: expect.stringContaining('has none of "references", "reference", ') }],
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

  const rowsOf = (...rows: readonly Readonly<Record<string, unknown>>[]) =>
    rows.map((row, line) => ({ row, line }));
  it.each([
    ["a result of VQA", { question_id: 7, answer: "red" }],
    [
      "a sample of lmms-eval",
      { doc_id: 7, target: "blue", resps: [["Red, I think"]], filtered_resps: ["red"] },
    ],
    ["a row of VLMEvalKit", { index: 7, question: "?", answer: "A", prediction: "red" }],
    [
      "a line of an OpenAI batch",
      {
        id: "batch_req_1",
        custom_id: "7",
        response: { status_code: 200, body: { choices: [{ message: { content: "red" } }] } },
      },
    ],
    ["an answer of LLaVA", { question_id: 7, prompt: "?", text: "red", answer_id: "x", model_id: "y" }],
  ])("of others are understood: %s", (_, row) => {
    const { lines } = readPredictions(rowsOf(row), "theirs");
    expect([...lines.values()]).toMatchObject([{ id: "7", prediction: "red" }]);
  });

  it("of references too: what ten people said, a target, a label that is a number", () => {
    const { lines } = readReferences(
      rowsOf(
        { question_id: 1, answers: [{ answer: "a" }, { answer: "b" }] },
        { question_id: 2, target: ["c"] },
        { question_id: 3, label: 4 },
        { question_id: 4, answer: "['d', 'e']" },
      ),
      "refs",
      { readList: (text) => (text === "['d', 'e']" ? ["d", "e"] : undefined) },
    );
    expect([...lines.values()].map(({ references }) => references)).toEqual([
      ["a", "b"],
      ["c"],
      ["4"],
      ["d", "e"],
    ]);
  });

  it("a request of a batch that failed has no answer", () => {
    const failed = { custom_id: "1", response: null, error: { message: "expired" } };
    const { leftOut } = readPredictions(rowsOf(failed), "batch", { leaveOut: true });
    expect([...(leftOut ?? [])]).toEqual([["1", { line: 0, problem: '"response" is not text but null' }]]);
  });

  it("have keys that are told", () => {
    const { lines } = readPredictions(rowsOf({ a: { key: "x" }, said: { words: "yes" }, text: "no" }), "p", {
      id: "a.key",
      prediction: "said.words",
    });
    expect([...lines.values()]).toMatchObject([{ id: "x", prediction: "yes" }]);
  });

  it("without ids are numbered, if all are", () => {
    const given = readPredictions(rowsOf({ text: "a" }, { text: "b" }), "p");
    expect(joinScoreFiles(given, readReferences(rowsOf({ text: "a" }, { text: "c" }), "r"))).toHaveLength(2);
    expect(() => joinScoreFiles(given, readReferences(rowsOf({ id: 0, text: "a" }), "r"))).toThrow(
      "p: has no ids, and r has: say which key holds them (--id)",
    );
  });
});
