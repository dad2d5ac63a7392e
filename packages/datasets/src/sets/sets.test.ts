import { createHash } from "node:crypto";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  DatasetError,
  hubSet,
  localFolder,
  type VqaRecord,
  type VqaSet,
  type VqaSetOptions,
  vqaonline,
} from "@vlmopt/datasets";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Files, startHub } from "../test-support/hub-server.ts";
import { temporaryFolder } from "../test-support/temporary-folder.ts";

const goldens = fileURLToPath(new URL("../../goldens/", import.meta.url));
const expected = JSON.parse(await readFile(join(goldens, "expected.json"), "utf8"));

/** A folder with these files; `undefined` copies the golden of that name. */
async function folderWith(files: Readonly<Record<string, string | undefined>>): Promise<string> {
  const folder = await temporaryFolder();
  for (const [path, content] of Object.entries(files)) {
    const target = join(folder, path);
    await mkdir(dirname(target), { recursive: true });
    if (content === undefined) await copyFile(join(goldens, path), target);
    else await writeFile(target, content);
  }
  return folder;
}

async function failure(work: Promise<unknown>): Promise<DatasetError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DatasetError);
  return error as DatasetError;
}

async function imageHashes({ records, readImage }: VqaSet, rows = records): Promise<string[]> {
  const images = await Promise.all(rows.map((record) => readImage(record)));
  return images.map((bytes) => createHash("sha256").update(bytes).digest("hex"));
}

/** As VQAonline has them. */
function vqaonlineRow(number: number, topic = "gardening") {
  return {
    image: `VQAonline_0000000${number}.png`,
    question: `What is ${number}?`,
    context: "I saw it <b>today</b>.",
    answer: `It is ${number}.`,
    topic,
    url: `https://example.org/q/${number}`,
  };
}

describe("tables that other tools wrote", () => {
  it("parquet with images as the hub keeps them: text, lists of structs, numbers, and images row by row", async () => {
    for (const file of ["struct-snappy.parquet", "struct-zstd-v2.parquet"]) {
      const set = await localFolder(await folderWith({ [file]: undefined }), {
        columns: { answer: "answers.answer", id: "question_id" },
      });
      expect(set.records.map(({ question }) => question)).toEqual(expected.questions);
      expect(set.records.map(({ answers }) => answers)).toEqual(expected.answers);
      expect(set.records.map(({ topic }) => topic ?? null)).toEqual(expected.topics);
      expect(set.records.map(({ id }) => id)).toEqual(["100", "101", "102", "103", "104", "105"]);
      expect(await imageHashes(set)).toEqual(expected.imageSha256);
    }
  });

  it("parquet with bare bytes under another name, one of them missing", async () => {
    const folder = await folderWith({ "plain-gzip.parquet": undefined });
    const set = await localFolder(folder, { columns: { image: "picture" } });
    expect(set.records.map(({ answers }) => answers)).toEqual(expected.answers);
    expect(await imageHashes(set, set.records.slice(1))).toEqual(expected.imageSha256.slice(1));
    expect((await failure(set.readImage(set.records[0] as never))).message).toBe(
      `${join(folder, "plain-gzip.parquet")}: row 0: the image of 0 is empty`,
    );
  });

  it("CSV with quotes, line breaks, a byte order mark and lists", async () => {
    const { records } = await localFolder(await folderWith({ "quoted.csv": undefined }));
    expect(records.map(({ question }) => question)).toEqual(expected.questions);
    expect(records.map(({ answers }) => answers)).toEqual(expected.answers);
  });

  it("TSV with images as base64", async () => {
    const set = await localFolder(await folderWith({ "base64.tsv": undefined }), {
      columns: { id: "index" },
    });
    expect(set.records.map(({ question }) => question)).toEqual(expected.questions);
    expect(set.records[0]?.image).toBe("0#image");
    expect(await imageHashes(set)).toEqual(expected.paddedImageSha256);
  });
});

describe("JSON", () => {
  const rows = [vqaonlineRow(1), vqaonlineRow(2)];
  const lines = rows.map((row) => JSON.stringify(row)).join("\n");

  it.each([
    ["a list", "a.json", JSON.stringify(rows)],
    ["a list within an object", "a.json", JSON.stringify({ version: 1, tags: ["x"], questions: rows })],
    ["lines in a file named .json", "a.json", lines],
    ["lines", "a.jsonl", `${lines}\n\n`],
    [
      "lines with a byte order mark and line feeds of Windows",
      "a.jsonl",
      `\uFEFF${lines.replace("\n", "\r\n")}`,
    ],
  ])("as %s", async (_, name, content) => {
    const { records } = await localFolder(await folderWith({ [name]: content }));
    expect(records).toEqual([
      {
        id: "0",
        image: "VQAonline_00000001.png",
        question: "What is 1?",
        answers: ["It is 1."],
        context: "I saw it <b>today</b>.",
        topic: "gardening",
        url: "https://example.org/q/1",
      },
      expect.objectContaining({ id: "1", question: "What is 2?" }),
    ]);
  });

  it.each([
    ['{"question": "a"}\nnot json', "a.jsonl", /a\.jsonl: line 2 is not a JSON object$/],
    ["[1]", "a.json", /a\.json: row 0 is not an object$/],
    ["[{]", "a.json", /a\.json: cannot be read: /],
    ['{"a":[{}],"b":[{}]}', "a.json", /a\.json: holds several lists: a, b$/],
    ["{}", "a.json", /a\.json: holds no list of rows$/],
    ['[{"image":"a","answer":"b"}]', "a.json", /a\.json: there is no column "question"$/],
    ['[{"question":null,"image":"a","answer":"b"}]', "a.json", /row 0: column "question" is empty$/],
    [
      '[{"question":{"q":1},"image":"a","answer":"b"}]',
      "a.json",
      /row 0: column "question" is an object, not text$/,
    ],
    ["question,image,answer\na,b\n", "a.csv", /a\.csv: cannot be read: .*line 2/],
    ["PAR1", "a.parquet", /a\.parquet: cannot be read: /],
  ])("that is %j is refused with the place", async (content, name, message) => {
    expect((await failure(localFolder(await folderWith({ [name]: content })))).message).toMatch(message);
  });

  it("without a column names those that there are", async () => {
    const folder = await folderWith({ "a.json": '[{"query":"q","image":"i","answer":"a"}]' });
    expect((await failure(localFolder(folder))).hint).toMatch(/: query, image, answer$/);
    expect((await localFolder(folder, { columns: { question: "query" } })).records[0]?.question).toBe("q");
  });

  it("keeps records whose answers are held back", async () => {
    const folder = await folderWith({ "test.json": '[{"question":"q","image":"i","answer":null}]' });
    expect((await localFolder(folder, { split: "test" })).records[0]?.answers).toEqual([]);
  });
});

describe("a folder", () => {
  const row = (image: string) => JSON.stringify([{ question: "q", image, answer: "a" }]);

  it("has its images in whatever folders, by name or by path", async () => {
    const folder = await folderWith({
      "data/val.json": JSON.stringify(
        ["1.png", "./pictures/2.JPG", "data/pictures/2.JPG", "/elsewhere/1.png", "deep\\3.webp"].map(
          (image, n) => ({
            ...vqaonlineRow(n),
            image,
          }),
        ),
      ),
      "images1/1.png": "one",
      "data/pictures/2.JPG": "two",
      "deep/3.webp": "three",
      ".hidden/1.png": "no",
    });
    const set = await localFolder(folder, { split: "val" });
    const texts = await Promise.all(
      set.records.map(async (record) => String(Buffer.from(await set.readImage(record)))),
    );
    expect(texts).toEqual(["one", "two", "two", "one", "three"]);
  });

  it("has no picture of another folder for one that is missing in its own", async () => {
    const files = { "a.json": row("train/1.png"), "train/0.png": "", "test/1.png": "another" };
    const set = await localFolder(await folderWith(files));
    expect((await failure(set.readImage(set.records[0] as never))).message).toMatch(
      /there is no image "train\/1.png" among its 2$/,
    );
  });

  it("where a name is in two folders, or in none, says so", async () => {
    const folder = await folderWith({ "a.json": row("1.png"), "x/1.png": "", "y/1.png": "" });
    const set = await localFolder(folder);
    expect((await failure(set.fetchImages())).message).toBe(
      `${folder}: the image "1.png" is in several folders: x/1.png, y/1.png`,
    );
    const { records, readImage } = await localFolder(folder, { imageRoot: "y" });
    expect(await readImage(records[0] as never)).toHaveLength(0);
    const none = await localFolder(await folderWith({ "a.json": row("2.png"), "x/1.png": "" }));
    await expect(none.readImage(none.records[0] as never)).rejects.toThrow(
      /there is no image "2.png" among its 1$/,
    );
  });

  it.each<[string[], VqaSetOptions, string[] | RegExp]>([
    [["val.json", "train.json"], { split: "val" }, ["val.json"]],
    [["val.json", "validation.json"], { split: "validation" }, ["validation.json"]],
    [["dev.json"], { split: "validation" }, ["dev.json"]],
    [
      ["data/train-00000-of-00002.json", "data/train-00001-of-00002.json"],
      { split: "train" },
      ["0:0", "1:0"],
    ],
    [["only.json", "dataset_info.json", "README.json/x.txt"], {}, ["only.json"]],
    [["one.json", "two.json"], { files: ["t*"] }, ["two.json"]],
    [["one.json", "two.json"], {}, /rows may be in any of one\.json, two\.json$/],
    [["one.json"], { split: "test" }, /there is no split test$/],
    [["contested.json"], { split: "test" }, /there is no split test$/],
    [["one.json"], { files: ["x"] }, /no file matches x$/],
    [["one.txt"], {}, /there are no rows$/],
  ])("with %j and %j reads the right file", async (paths, options, wanted) => {
    const folder = await folderWith(Object.fromEntries(paths.map((path) => [path, row(path)])));
    if (wanted instanceof RegExp) {
      expect((await failure(localFolder(folder, options))).message).toMatch(wanted);
      return;
    }
    const { records } = await localFolder(folder, options);
    expect(records.map(({ id, image }) => (records.length === 1 ? image : id))).toEqual(wanted);
  });

  it("that is not there, or repeats an id, is an error", async () => {
    expect((await failure(localFolder("/nowhere"))).message).toBe("/nowhere: no such folder");
    const twice = await folderWith({ "a.json": JSON.stringify([vqaonlineRow(1), vqaonlineRow(1)]) });
    expect((await failure(localFolder(twice, { columns: { id: "url" } }))).message).toMatch(
      /the id "https:\/\/example\.org\/q\/1" is there twice$/,
    );
  });

  it("keeps topics that are asked for, then samples, and signs what it gives", async () => {
    const rows = Array.from({ length: 9 }, (_, n) => vqaonlineRow(n, n % 3 === 0 ? "cooking" : "gardening"));
    const files = { "test.json": JSON.stringify(rows) };
    const options: VqaSetOptions = {
      split: "test",
      topics: ["cooking"],
      sample: { method: "first", count: 2 },
    };
    const [one, other] = [
      await localFolder(await folderWith(files), options),
      await localFolder(await folderWith(files), options),
    ];
    expect(one.records.map(({ id }) => id)).toEqual(["0", "3"]);
    expect(one.signature).toMatch(
      /^set:[^|]+\|split:test\|topics:cooking\|sample:first:2\|n:2\|sha256:[0-9a-f]{16}$/,
    );
    expect(one.signature.split("|").at(-1)).toBe(other.signature.split("|").at(-1));
    expect(await failure(localFolder(await folderWith(files), { topics: ["cars"] }))).toMatchObject({
      message: expect.stringMatching(/: no record has such a topic$/),
      hint: "its topics are cooking, gardening",
    });
  });
});

describe("a set on the hub", () => {
  const image = (number: number) => Buffer.alloc(1500, number);
  const vqaonlineFiles: Files = {
    "README.md": "---\nlicense: cc-by-sa-4.0\n---",
    "train.json": JSON.stringify([vqaonlineRow(8)]),
    "val.json": JSON.stringify([1, 2, 3, 4].map((number) => vqaonlineRow(number))),
    ...Object.fromEntries([1, 2, 3, 4].map((n) => [`images${n % 3}/VQAonline_0000000${n}.png`, image(n)])),
  };

  async function hub(repository: string, files: Files) {
    const server = await startHub({ [repository]: files });
    onTestFinished(() => server[Symbol.asyncDispose]());
    const folder = await temporaryFolder();
    return { server, options: { endpoint: server.endpoint, token: false as const, retryDelay: 1, folder } };
  }
  const vqaonlineHub = () => hub("datasets/ChongyanChen/VQAonline", vqaonlineFiles);

  it("gives VQAonline's records with the split's file alone, and each image when it is read", async () => {
    const { server, options } = await vqaonlineHub();
    const set = await vqaonline({ ...options, split: "val" });
    expect(set.records).toHaveLength(4);
    expect(set.commit).toMatch(/^[0-9a-f]{40}$/);
    const fetched = () =>
      server.requests
        .filter(({ path }) => path.includes("/resolve/"))
        .map(({ path }) => path.split("/").at(-1));
    expect(fetched()).toEqual(["val.json"]);
    expect(Buffer.from(await set.readImage(set.records[2] as never)).equals(image(3))).toBe(true);
    await set.readImage(set.records[2] as never);
    expect(fetched()).toEqual(["val.json", "VQAonline_00000003.png"]);
    await Promise.all(set.records.map((record) => set.readImage(record)));
    expect(fetched().slice(2).sort()).toEqual([
      "VQAonline_00000001.png",
      "VQAonline_00000002.png",
      "VQAonline_00000004.png",
    ]);
  });

  it("fetches all images of a sample at once, and works offline from then on", async () => {
    const { server, options } = await vqaonlineHub();
    const sample = { method: "random", count: 2, seed: 1 } as const;
    const set = await vqaonline({ ...options, sample });
    const progress: number[] = [];
    await set.fetchImages({ onProgress: ({ files }) => progress.push(files) });
    expect(progress.at(-1)).toBe(2);

    server.requests.length = 0;
    const offline = await vqaonline({ ...options, offline: true, sample });
    expect(offline.signature).toBe(set.signature);
    await offline.fetchImages();
    const all = await vqaonline({ ...options, offline: true });
    await expect(all.fetchImages()).rejects.toThrow(
      /^datasets\/ChongyanChen\/VQAonline: offline, and 2 files are missing in .* \(3000 bytes\): images\d\/VQAonline_0000000\d\.png, images/,
    );
    await expect(vqaonline({ ...options, offline: true, split: "train" })).rejects.toThrow(
      /offline, and 1 file is missing in .*: train\.json$/,
    );
    expect(server.requests).toEqual([]);
  });

  it("of any name and form is read with a column mapping", async () => {
    const parquet = await readFile(join(goldens, "struct-snappy.parquet"));
    const { options } = await hub("datasets/org/vqa", { "data/validation-00000-of-00001.parquet": parquet });
    const set = await hubSet("org/vqa", { ...options, split: "val", columns: { answer: "answers.answer" } });
    expect(set.records.map(({ answers }) => answers)).toEqual(expected.answers);
    expect(await imageHashes(set)).toEqual(expected.imageSha256);
  });
});

describe("several pictures a row", () => {
  it("are all read, in their order", async () => {
    const folder = await folderWith({
      "test.jsonl": JSON.stringify({ image: ["b.png", "a.png"], question: "q", answer: "a" }),
      "a.png": "A",
      "b.png": "B",
    });
    const set = await localFolder(folder, { split: "test" });
    const [record] = set.records;
    expect(record).toMatchObject({ image: "b.png", images: ["b.png", "a.png"] });
    const read = await set.readImages(record as VqaRecord);
    expect(read.map((bytes) => Buffer.from(bytes).toString())).toEqual(["B", "A"]);
  });
});

describe("objects by their keys", () => {
  it("are rows, and the keys a column", async () => {
    const rows = {
      "07": { question: "q", answer: "a", image: "a.png" },
      "08": { question: "r", answer: "b", image: "a.png" },
    };
    const folder = await folderWith({ "test.json": JSON.stringify(rows), "a.png": "A" });
    const { records } = await localFolder(folder, { split: "test", columns: { id: "key" } });
    expect(records.map(({ id, question }) => [id, question])).toEqual([
      ["07", "q"],
      ["08", "r"],
    ]);
  });
});

it("quotes within a cell are quotes, also where they are not doubled", async () => {
  const folder = await folderWith({
    "test.tsv": 'image\tquestion\tanswer\na.png\tWhat does "x" mean?\tthe "x"\na.png\t"a ""b""\tc"\td\n',
    "a.png": "A",
  });
  const { records } = await localFolder(folder, { split: "test" });
  // As pandas reads it.
  expect(records.map(({ question, answers }) => [question, ...answers])).toEqual([
    ['What does "x" mean?', 'the "x"'],
    ['a "b"\tc', "d"],
  ]);
});
