import { describe, expect, it } from "vitest";
import { CheckpointError, type CheckpointErrorCode } from "../errors.ts";
import { memorySource } from "../source/byte-source.ts";
import { entry, fileBytes } from "../test-support/build-file.ts";
import { type Header, readHeader } from "./header.ts";
import { layoutFile } from "./layout.ts";

const read = (bytes: Uint8Array): Promise<Header> => readHeader(memorySource(bytes, "model.safetensors"));

/** The attacks and accidents that the format's Rust crate tests, and a few of their kin. */
async function expectRejected(bytes: Uint8Array, code: CheckpointErrorCode, message: string): Promise<void> {
  const error = await read(bytes).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(CheckpointError);
  expect((error as CheckpointError).code).toBe(code);
  expect((error as CheckpointError).file).toBe("model.safetensors");
  expect((error as CheckpointError).message).toContain(message);
}

const int32x2x2 = entry("I32", [2, 2], 0, 16);

describe("a header is rejected", () => {
  it("where the file has no 8 bytes", () =>
    expectRejected(Uint8Array.of(1, 2, 3), "header-too-short", "3 bytes are too few"));

  it("where the file is empty", () =>
    expectRejected(new Uint8Array(0), "header-too-short", "0 bytes are too few"));

  it("where its length passes the limit of 100 MB", async () => {
    const file = fileBytes(`{"test":${int32x2x2}}`, 16);
    new DataView(file.buffer).setBigUint64(0, 100_000_001n, true);
    await expectRejected(file, "header-too-large", "claims 100000001 bytes and the limit is 100000000");
  });

  it("where its length does not fit a double", async () => {
    const file = fileBytes(`{"test":${int32x2x2}}`, 16);
    new DataView(file.buffer).setBigUint64(0, 0xffff_ff00_0000_003cn, true);
    await expectRejected(file, "header-too-large", "claims 18446742974197923900 bytes");
  });

  it("where its length passes the end of the file", async () => {
    const file = fileBytes("", 0);
    new DataView(file.buffer).setBigUint64(0, 60n, true);
    await expectRejected(file, "header-past-end", "claims 60 bytes and the file has 0");
  });

  it("where it is not UTF-8", () =>
    expectRejected(
      fileBytes(Uint8Array.of(0xff)),
      "invalid-utf8",
      "1 bytes of the header are not valid UTF-8",
    ));

  it("where it is not JSON", () =>
    expectRejected(fileBytes("{"), "invalid-json", "expected at character 1, found the end of the header"));

  it("where it is empty", () => expectRejected(fileBytes(""), "invalid-json", "expected at character 0"));

  it("where JSON goes on after it", () =>
    expectRejected(fileBytes("{}{}"), "invalid-json", "the end of the header expected at character 2"));

  it("where it starts with a byte order mark", () =>
    expectRejected(fileBytes("\ufeff{}"), "not-an-object", "not an object of tensors"));

  it.each(["[]", "1", '"text"', "null"])("where it is %s and no object", (json) =>
    expectRejected(fileBytes(json), "not-an-object", "not an object of tensors"),
  );

  it("where two tensors have one name", () =>
    expectRejected(
      fileBytes(`{"a":${entry("I8", [1], 0, 1)},"a":${entry("I8", [1], 1, 2)}}`, 2),
      "duplicate-key",
      'tensor "a": the header has two entries of this name',
    ));

  it("where two spellings of a name are one", () =>
    expectRejected(
      fileBytes(`{"a":${entry("I8", [1], 0, 1)},"\\u0061":${entry("I8", [1], 1, 2)}}`, 2),
      "duplicate-key",
      'tensor "a"',
    ));

  it("where an entry has a field twice", () =>
    expectRejected(
      fileBytes('{"a":{"dtype":"I8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1),
      "duplicate-key",
      'has "dtype" twice',
    ));

  it("where it has metadata twice", () =>
    expectRejected(
      fileBytes('{"__metadata__":{},"__metadata__":{}}'),
      "duplicate-key",
      "__metadata__ twice",
    ));

  it("where metadata has a key twice", () =>
    expectRejected(
      fileBytes('{"__metadata__":{"a":"1","a":"2"}}'),
      "duplicate-key",
      '__metadata__ has "a" twice',
    ));

  it.each(["[]", "1", '{"a":1}', '{"a":null}', '{"a":["x"]}'])("where metadata is %s", (metadata) =>
    expectRejected(fileBytes(`{"__metadata__":${metadata}}`), "invalid-metadata", "__metadata__"),
  );

  it("where a dtype is unknown", () =>
    expectRejected(
      fileBytes(`{"test":${entry("F7", [1], 0, 1)}}`, 1),
      "unknown-dtype",
      'tensor "test": dtype "F7" is not one of safetensors 0.8',
    ));

  it.each([
    ["null", "is not an object"],
    ["{}", 'lacks "dtype"'],
    ['{"dtype":"I8","shape":[1]}', 'lacks "data_offsets"'],
    ['{"dtype":"I8","shape":1,"data_offsets":[0,1]}', "shape is not a list"],
    ['{"dtype":8,"shape":[1],"data_offsets":[0,1]}', "dtype is not a string"],
    ['{"dtype":"I8","shape":[-1],"data_offsets":[0,1]}', "shape holds something else than a size"],
    ['{"dtype":"I8","shape":[1.0],"data_offsets":[0,1]}', "not an integer"],
    ['{"dtype":"I8","shape":[1e0],"data_offsets":[0,1]}', "not an integer"],
    ['{"dtype":"I8","shape":[01],"data_offsets":[0,1]}', "something else than a size"],
    ['{"dtype":"I8","shape":["1"],"data_offsets":[0,1]}', "something else than a size"],
    ['{"dtype":"I8","shape":[1],"data_offsets":[0]}', "data_offsets has 1 numbers instead of 2"],
    ['{"dtype":"I8","shape":[1],"data_offsets":[0,1,2]}', "data_offsets has 3 numbers instead of 2"],
  ])("where an entry is %s", (json, message) =>
    expectRejected(fileBytes(`{"test":${json}}`, 1), "invalid-tensor-entry", message),
  );

  it("where ten tensors claim the same bytes", () =>
    expectRejected(
      fileBytes(
        `{${Array.from({ length: 10 }, (_, i) => `"weight_${i}":${entry("F32", [2, 2], 0, 16)}`)}}`,
        16,
      ),
      "invalid-offsets",
      "it starts at data byte 0 where the one before it ends at 16: it overlaps",
    ));

  it("where offsets leave a hole", () =>
    expectRejected(
      fileBytes(`{"a":${entry("I8", [1], 0, 1)},"b":${entry("I8", [1], 2, 3)}}`, 3),
      "invalid-offsets",
      'tensor "b": it starts at data byte 2 where the one before it ends at 1: it leaves a hole',
    ));

  it("where the first tensor leaves a hole before it", () =>
    expectRejected(fileBytes(`{"a":${entry("I8", [1], 1, 2)}}`, 2), "invalid-offsets", "leaves a hole"));

  it("where a tensor ends before it starts", () =>
    expectRejected(
      fileBytes(`{"a":${entry("I8", [1], 1, 0)}}`, 1),
      "invalid-offsets",
      "ends at data byte 0, before",
    ));

  it("where shape and dtype take another number of bytes than the offsets span", () =>
    expectRejected(
      fileBytes(`{"test":${entry("I32", [2, 2], 0, 4)}}`, 4),
      "size-mismatch",
      "shape [2,2] of I32 takes 16 bytes and its offsets 0 to 4 span 4",
    ));

  it.each([
    "[2,18446744073709551614]",
    "[2,9223372036854775807]",
    "[4294967296,4294967296,4294967296]",
    "[9007199254740991,2]",
  ])("where the product of shape %s overflows", (shape) =>
    expectRejected(
      fileBytes(`{"test":{"dtype":"I32","shape":${shape},"data_offsets":[0,16]}}`, 16),
      "overflow",
      "any file can",
    ),
  );

  it("where a sub-byte tensor does not fill its last byte", () =>
    expectRejected(
      fileBytes(`{"test":${entry("F4", [1, 3], 0, 2)}}`, 2),
      "misaligned",
      "shape [1,3] of F4 takes 12 bits, not whole bytes",
    ));

  it("where the file is longer than it says", () =>
    expectRejected(
      fileBytes(`{"test":${int32x2x2}}`, new Uint8Array(16 + 34)),
      "file-size-mismatch",
      "describes 84 bytes and the file has 118",
    ));

  it("where the file is shorter than it says", () =>
    expectRejected(
      fileBytes(`{"test":${int32x2x2}}`, 14),
      "file-size-mismatch",
      "describes 84 bytes and the file has 82",
    ));

  it("where an unknown field nests deeper than 128 values", () =>
    expectRejected(
      fileBytes(
        `{"a":{"x":${"[".repeat(200)}${"]".repeat(200)},"dtype":"I8","shape":[0],"data_offsets":[0,0]}}`,
      ),
      "invalid-json",
      "fewer than 128 nested values",
    ));

  it.each(['"\\ud800"', '"\\x"', '"\\u12"', '"a\nb"'])("where a name is %s", (name) =>
    expectRejected(fileBytes(`{${name}:${int32x2x2}}`, 16), "invalid-json", "string"),
  );
});

describe("a header is accepted", () => {
  it("with one tensor", async () => {
    const { tensors } = await read(fileBytes(`{"test":${int32x2x2}}`, 16));
    expect(tensors).toEqual([
      { name: "test", dtype: "I32", shape: [2, 2], file: "model.safetensors", offset: 68, byteLength: 16 },
    ]);
  });

  it.each(["{}\r \t\n", "\t\n{}\r "])("with white space around it: %j", async (json) => {
    expect((await read(fileBytes(json))).tensors).toEqual([]);
  });

  it("with a scalar", async () => {
    const { tensors } = await read(fileBytes(`{"test":${entry("I32", [], 0, 4)}}`, 4));
    expect(tensors[0]).toMatchObject({ shape: [], byteLength: 4 });
  });

  it("with an empty tensor between others", async () => {
    const header = `{"b":${entry("I32", [2, 0], 4, 4)},"c":${entry("U8", [1], 4, 5)},"a":${entry("I32", [], 0, 4)}}`;
    const { tensors } = await read(fileBytes(header, 5));
    expect(tensors.map(({ name, byteLength }) => [name, byteLength])).toEqual([
      ["a", 4],
      ["b", 0],
      ["c", 1],
    ]);
  });

  it("with two 4-bit elements in a byte", async () => {
    const { tensors } = await read(fileBytes(`{"test":${entry("F4", [1, 2], 0, 1)}}`, 1));
    expect(tensors[0]).toMatchObject({ dtype: "F4", shape: [1, 2], byteLength: 1 });
  });

  it("with fields that a newer writer may add", async () => {
    const header = `{"a":{"extra":{"b":[1,-2.5e3,{"c":null}],"d":{}},"dtype":"I8","shape":[1],"data_offsets":[0,1]}}`;
    expect((await read(fileBytes(header, 1))).tensors).toHaveLength(1);
  });

  it("with names that are special to JavaScript, empty, or not ASCII", async () => {
    const names = ["__proto__", "constructor", "", 'quote"back\\slash', "重み", "🦙"];
    const header = `{${names.map((name, i) => `${JSON.stringify(name)}:${entry("I8", [1], i, i + 1)}`)},"__metadata__":{"__proto__":"x"}}`;
    const result = await read(fileBytes(header, names.length));
    expect(result.tensors.map(({ name }) => name)).toEqual(names);
    expect(Object.entries(result.metadata)).toEqual([["__proto__", "x"]]);
  });

  it("with no metadata where it is null", async () => {
    expect((await read(fileBytes('{"__metadata__":null}'))).metadata).toEqual({});
  });
});

describe("a layout", () => {
  it("puts the widest dtype first, then goes by name in UTF-8 order", () => {
    const { tensors } = layoutFile(
      [
        { name: "a", dtype: "U8", shape: [3] },
        { name: "c", dtype: "F32", shape: [1] },
        { name: "b", dtype: "BF16", shape: [1] },
        { name: "\u{1f999}", dtype: "F32", shape: [1] },
        { name: "\uffee", dtype: "F32", shape: [1] },
      ],
      {},
      "f",
    );
    expect(tensors.map(({ name }) => name)).toEqual(["c", "\uffee", "\u{1f999}", "b", "a"]);
  });

  it("starts the data at a multiple of 8", () => {
    for (const name of ["a", "ab", "abc", "abcd", "abcdefgh"]) {
      const { header, tensors, fileSize } = layoutFile(
        [{ name, dtype: "I16", shape: [3] }],
        { format: "pt" },
        "f",
      );
      expect(header.length % 8).toBe(0);
      expect(tensors[0]?.offset).toBe(header.length);
      expect(fileSize).toBe(header.length + 6);
    }
  });

  it("is refused where its header would pass 100 MB", () => {
    expect(() => layoutFile([], { large: "a".repeat(100_000_000) }, "model.safetensors")).toThrow(
      "model.safetensors: the header takes 100000032 bytes and the limit is 100000000; write smaller shards",
    );
  });

  it("is refused where a tensor does not fill whole bytes", () => {
    expect(() => layoutFile([{ name: "t", dtype: "F6_E2M3", shape: [3] }], {}, "f")).toThrow(
      "it takes 18 bits",
    );
  });
});

describe("what lies in a file's place is said as what it is", () => {
  const text = (content: string) => new TextEncoder().encode(content);

  it("where it is a pointer of Git LFS", () =>
    expectRejected(
      text("version https://git-lfs.test/spec/v1\noid sha256:00\nsize 988097824\n"),
      "header-too-large",
      "this is a pointer of Git LFS to a file of 988097824 bytes, not the file itself",
    ));

  it("where it is a page of HTML", () =>
    expectRejected(text("\n<!DOCTYPE html>\n<html>Sign in</html>"), "header-too-large", "a page of HTML"));

  it("where it is PyTorch's archive", () =>
    expectRejected(text("PK\u0003\u0004archive/data.pkl"), "header-too-large", "as PyTorch saves weights"));
});
