import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DatasetError, localFolder, type UnusableRow, type VqaSetOptions } from "@vlmopt/datasets";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../test-support/temporary-folder.ts";

interface OddTable {
  readonly name: string;
  readonly file: string;
  readonly base64: string;
  readonly answers: readonly (readonly string[])[];
  /** Instead of answers: what Python's numbers are, which it writes in another way. */
  readonly numbers?: readonly (readonly number[])[];
  /** SHA-256 of each row's picture. */
  readonly pictures?: readonly string[];
  readonly columns?: VqaSetOptions["columns"];
  readonly encoding?: string;
}

const goldens: { readonly pictures: readonly [string, string]; readonly cases: readonly OddTable[] } =
  JSON.parse(await readFile(new URL("../../goldens/odd-tables.json", import.meta.url), "utf8"));

async function folderWith(files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const folder = await temporaryFolder();
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  return folder;
}

const decoded = (base64: string) => Buffer.from(base64, "base64");

describe("what Python wrote is read as Python had it:", () => {
  it.each(goldens.cases)("$name", async ({ file, base64, answers, numbers, pictures, columns, encoding }) => {
    const [first, second] = goldens.pictures;
    const folder = await folderWith({
      ...{ [file]: decoded(base64), "a.gif": decoded(first), "below/b.gif": decoded(second) },
      // A picture of the same name elsewhere, so that a path says which.
      "other/a.gif": "another",
    });
    const set = await localFolder(folder, {
      ...(columns === undefined ? {} : { columns }),
      ...(encoding === undefined ? {} : { encoding }),
    });
    const found = set.records.map((record) => record.answers);
    if (numbers === undefined) expect(found).toEqual(answers);
    else expect(found.map((texts) => texts.map(Number))).toEqual(numbers);
    if (pictures === undefined) return;
    const bytes = await Promise.all(set.records.map((record) => set.readImage(record)));
    expect(bytes.map((picture) => createHash("sha256").update(picture).digest("hex"))).toEqual(pictures);
  });
});

describe("what cannot be read as it is meant is refused, with file and place:", () => {
  const refused = async (name: string, content: string | Uint8Array, options: VqaSetOptions = {}) => {
    const folder = await folderWith({ [name]: content });
    const error: unknown = await localFolder(folder, options).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DatasetError);
    return (error as DatasetError).message.replace(`${folder}/`, "");
  };
  const latin1 = (text: string) => Buffer.from(text, "latin1");

  it.each([
    [
      "bytes that are not UTF-8",
      "test.csv",
      latin1("image,question,answer\na.png,où?,café\n"),
      "test.csv: line 2: byte 0xf9 at column 8 is not valid UTF-8",
    ],
    [
      "in JSON too",
      "test.json",
      latin1('[{"image":"a","question":"où?","answer":"b"}]'),
      "test.json: line 1: byte 0xf9 at column 28 is not valid UTF-8",
    ],
    [
      "and in JSON lines",
      "test.jsonl",
      latin1('{"image":"a","question":"ou","answer":"b"}\n{"image":"a","question":"\xe9"}'),
      "test.jsonl: line 2: byte 0xe9 at column 26 is not valid UTF-8",
    ],
    [
      "text that ends within a character",
      "test.csv",
      Buffer.from("image,question,answer\na,b,caf\xc3", "latin1"),
      "test.csv: line 2: byte 0xc3 at column 8 is not valid UTF-8",
    ],
    [
      "a list that breaks off",
      "test.csv",
      "image,question,answer\na,q,red\nb,q,\"['red', 'dark\"\n",
      `test.csv: row 1: column "answer" begins as a list and cannot be read as one: "['red', 'dark"`,
    ],
    [
      "an array that numpy shortened",
      "test.csv",
      "image,question,answer\na,q,['a' 'b' ... 'z']\n",
      `test.csv: row 0: column "answer" begins as a list and cannot be read as one: "['a' 'b' ... 'z']"`,
    ],
    [
      "two columns of one name",
      "test.csv",
      "image,question,answer,answer\na,q,x,y\n",
      'test.csv: two columns are named "answer"',
    ],
    [
      "a row without a picture",
      "test.csv",
      "image,question,answer\n,q,a\n",
      'test.csv: row 0: column "image" is empty',
    ],
  ])("%s", async (_, name, content, message) => {
    expect(await refused(name, content)).toBe(message);
  });

  it("an encoding that there is none of, or another one than was told", async () => {
    expect(await refused("a.csv", "image", { encoding: "klingon" })).toBe(
      'a.csv: there is no encoding "klingon"',
    );
    expect(
      await refused("a.csv", latin1("image,question,answer\na,b,\xff\xff\n"), { encoding: "shift_jis" }),
    ).toBe("a.csv: is not valid SHIFT_JIS");
  });

  it("a path that reaches nothing, which would leave every row without references", async () => {
    const rows = '[{"image":"a","question":"q","answers":[{"answer":"red"}]}]';
    expect(await refused("a.json", rows, { columns: { answer: "answers.text" } })).toBe(
      'a.json: no row has "answers.text"',
    );
    expect(await refused("a.json", rows, { columns: { answer: "answers.length" } })).toBe(
      'a.json: no row has "answers.length"',
    );
    expect(await refused("a.json", rows, { columns: { answer: "toString" } })).toBe(
      'a.json: there is no column "toString"',
    );
  });
});

it("rows without a question or a picture are left out where somebody takes note of them", async () => {
  const rows = [
    { question: "q", answer: "a" },
    { image: "b.png" },
    { image: "c.png", question: "q", answer: "c" },
  ];
  const folder = await folderWith({ "test.json": JSON.stringify(rows) });
  const left: UnusableRow[] = [];
  const set = await localFolder(folder, { leaveOut: (row) => left.push(row) });
  expect(set.records).toEqual([{ id: "2", image: "c.png", question: "q", answers: ["c"] }]);
  expect(set.records.map(set.placeOf)).toEqual([`${folder}/test.json: row 2`]);
  expect(left).toEqual([
    { place: `${folder}/test.json: row 0`, problem: 'column "image" is empty' },
    { place: `${folder}/test.json: row 1`, problem: 'column "question" is empty' },
  ]);
});
