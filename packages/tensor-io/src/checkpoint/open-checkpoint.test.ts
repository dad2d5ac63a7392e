import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import {
  type ByteSource,
  memorySource,
  openCheckpoint,
  openSources,
  readColumns,
  readRows,
  readTensor,
  tensorNamed,
  writeCheckpoint,
} from "@vlmopt/tensor-io";
import { describe, expect, it, onTestFinished } from "vitest";
import { entry, fileBytes, patternedBytes, temporaryFolder } from "../test-support/build-file.ts";

const one = (name: string) => fileBytes(`{"${name}":${entry("U8", [2], 0, 2)}}`, Uint8Array.of(1, 2));

/** A folder of files, with an index of `weightMap` where there is one. */
async function folderOf(
  files: Readonly<Record<string, Uint8Array | string>>,
  weightMap?: Readonly<Record<string, unknown>>,
): Promise<string> {
  const folder = await temporaryFolder();
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  if (weightMap !== undefined) {
    await writeFile(join(folder, "model.safetensors.index.json"), JSON.stringify({ weight_map: weightMap }));
  }
  return folder;
}

async function failureOf(location: string): Promise<{ code?: string; message: string; hint?: string }> {
  return openCheckpoint(location).then(
    async (checkpoint) => {
      await checkpoint.close();
      throw new Error("it opened");
    },
    (error: unknown) => error as { code?: string; message: string; hint?: string },
  );
}

describe("a folder", () => {
  it("of shards opens as one checkpoint", async () => {
    const folder = await folderOf(
      { "x-1.safetensors": one("a"), "x-2.safetensors": one("b") },
      {
        a: "x-1.safetensors",
        b: "x-2.safetensors",
      },
    );
    await using checkpoint = await openCheckpoint(folder);
    expect([...checkpoint.tensors.keys()]).toEqual(["a", "b"]);
    expect(tensorNamed(checkpoint, "b").file).toBe(join(folder, "x-2.safetensors"));
    expect(await readTensor(checkpoint, "b")).toEqual(Uint8Array.of(1, 2));
  });

  it("of one file opens without an index, whatever the file's name", async () => {
    await using checkpoint = await openCheckpoint(
      await folderOf({ "adapter.safetensors": one("a"), "config.json": "{}" }),
    );
    expect([...checkpoint.tensors.keys()]).toEqual(["a"]);
    expect(new TextDecoder().decode(await checkpoint.readSibling("config.json"))).toBe("{}");
    expect(await checkpoint.readSibling("tokenizer.json")).toBeUndefined();
  });

  it("may keep its shards in folders of its own", async () => {
    const folder = await folderOf({ "sub/x.safetensors": one("a") }, { a: "sub/x.safetensors" });
    await using checkpoint = await openCheckpoint(folder);
    expect(checkpoint.tensors.size).toBe(1);
  });

  it("opens by its index file", async () => {
    const folder = await folderOf({ "x.safetensors": one("a") }, { a: "x.safetensors" });
    await using checkpoint = await openCheckpoint(join(folder, "model.safetensors.index.json"));
    expect(checkpoint.folder).toBe(folder);
  });

  it("opens in the hub's cache, where every file is a link into blobs", async () => {
    const cache = await folderOf({ "blobs/123abc": one("a"), "snapshots/rev/refs": "" });
    const snapshot = join(cache, "snapshots/rev");
    await symlink("../../blobs/123abc", join(snapshot, "model-00001-of-00001.safetensors"));
    await writeFile(
      join(snapshot, "model.safetensors.index.json"),
      JSON.stringify({ weight_map: { a: "model-00001-of-00001.safetensors" } }),
    );
    await using checkpoint = await openCheckpoint(snapshot);
    expect(checkpoint.tensors.size).toBe(1);
  });

  it.each([
    ["../x.safetensors"],
    ["sub/../../x.safetensors"],
    ["..\\x.safetensors"],
    ["/etc/x.safetensors"],
    ["\\\\server\\x.safetensors"],
    ["C:\\x.safetensors"],
    ["http://elsewhere/x.safetensors"],
    ["%2e%2e/x.safetensors"],
    ["x.safetensors\0"],
  ])("is refused where its index names %j", async (path) => {
    const folder = await folderOf({ "x.safetensors": one("a") }, { a: path });
    const error = await failureOf(folder);
    expect(error.code).toBe("path-escapes-folder");
    expect(error.message).toContain(`tensor "a": its weight_map entry ${JSON.stringify(path)} leaves`);
  });

  it("is refused where a shard is a link out of it", async () => {
    const elsewhere = await folderOf({ "x.safetensors": one("a") });
    const folder = await folderOf({}, { a: "x.safetensors" });
    await symlink(join(elsewhere, "x.safetensors"), join(folder, "x.safetensors"));
    const error = await failureOf(folder);
    expect(error.code).toBe("path-escapes-folder");
    expect(error.message).toContain(`is a link to ${join(elsewhere, "x.safetensors")}, outside the folder`);
  });

  it("is refused where a shard is missing", async () => {
    const error = await failureOf(
      await folderOf({ "x.safetensors": one("a") }, { a: "x.safetensors", b: "y.safetensors" }),
    );
    expect(error.code).toBe("missing-shard");
    expect(error.message).toContain('tensor "b": the index names the file y.safetensors, which is not there');
  });

  it("is refused where a shard lacks a tensor that the index lists", async () => {
    const error = await failureOf(
      await folderOf({ "x.safetensors": one("a") }, { a: "x.safetensors", b: "x.safetensors" }),
    );
    expect(error.code).toBe("missing-tensor");
    expect(error.message).toMatch(
      /x\.safetensors: tensor "b": .*index\.json says it is here, and it is not$/,
    );
  });

  it("takes a tensor that two shards hold from the one that the index names", async () => {
    const folder = await folderOf(
      { "x.safetensors": one("a"), "y.safetensors": one("a"), "z.safetensors": one("b") },
      {
        a: "y.safetensors",
        b: "z.safetensors",
        c: "x.safetensors",
      },
    );
    await writeFile(
      join(folder, "x.safetensors"),
      fileBytes(`{"a":${entry("U8", [1], 0, 1)},"c":${entry("U8", [1], 1, 2)}}`, 2),
    );
    await using checkpoint = await openCheckpoint(folder);
    expect(tensorNamed(checkpoint, "a").file).toBe(join(folder, "y.safetensors"));
  });

  it.each([
    ["not JSON", "is not valid JSON"],
    ["[]", 'has no "weight_map"'],
    ['{"weight_map":[]}', 'has no "weight_map"'],
    ['{"weight_map":{"a":1}}', 'tensor "a": its weight_map entry is not the name of a file'],
  ])("is refused where its index is %s", async (text, message) => {
    const error = await failureOf(await folderOf({ "model.safetensors.index.json": text }));
    expect(error.code).toBe("invalid-index");
    expect(error.message).toContain(message);
  });

  it("is refused where it holds several files and nothing says how they belong together", async () => {
    const error = await failureOf(await folderOf({ "x.safetensors": one("a"), "y.safetensors": one("b") }));
    expect(error).toMatchObject({
      code: "no-checkpoint",
      hint: "open one of them by itself, such as x.safetensors",
    });
  });

  it("is refused where it holds nothing", async () => {
    const folder = await temporaryFolder();
    expect((await failureOf(folder)).message).toBe(`${folder}: there is no .safetensors file and no index`);
    expect((await failureOf(join(folder, "nothing"))).message).toBe(
      `${join(folder, "nothing")}: no such file or folder`,
    );
  });
});

/** A matrix whose element [row, column] is row·16 + column, behind a source that keeps what was asked of it. */
async function countedMatrix(mergeGap = 0) {
  const data = Uint8Array.from({ length: 12 * 16 }, (_, i) => i);
  const memory = memorySource(fileBytes(`{"m":${entry("U8", [12, 16], 0, 192)}}`, data));
  const asked: [number, number][] = [];
  const source: ByteSource = {
    ...memory,
    mergeGap,
    read(offset, length) {
      asked.push([offset, length]);
      return memory.read(offset, length);
    },
  };
  const checkpoint = await openSources([source]);
  const start = tensorNamed(checkpoint, "m").offset;
  asked.length = 0;
  return { checkpoint, asked: () => asked.map(([offset, length]) => [offset - start, length]) };
}

describe("a part of a tensor", () => {
  it("by rows is one range of the file", async () => {
    const { checkpoint, asked } = await countedMatrix();
    expect([...(await readRows(checkpoint, "m", 3, 5))]).toEqual(
      Array.from({ length: 32 }, (_, i) => 48 + i),
    );
    expect(asked()).toEqual([[48, 32]]);
  });

  it("by columns reads only those", async () => {
    const { checkpoint, asked } = await countedMatrix();
    const columns = await readColumns(checkpoint, "m", 2, 5);
    expect([...columns.subarray(0, 6)]).toEqual([2, 3, 4, 18, 19, 20]);
    expect(columns.length).toBe(36);
    expect(asked()).toEqual(Array.from({ length: 12 }, (_, row) => [row * 16 + 2, 3]));
  });

  it("by columns is read in one piece where requests cost more than the gaps", async () => {
    const { checkpoint, asked } = await countedMatrix(64);
    expect([...(await readColumns(checkpoint, "m", 15, 16))]).toEqual(
      Array.from({ length: 12 }, (_, row) => row * 16 + 15),
    );
    expect(asked()).toEqual([[15, 11 * 16 + 1]]);
  });

  it("is refused outside the shape, with the numbers", async () => {
    const { checkpoint } = await countedMatrix();
    await expect(readRows(checkpoint, "m", 3, 13)).rejects.toThrow(
      'tensor "m": rows 3 to 13 were asked of shape [12,16]',
    );
    await expect(readColumns(checkpoint, "m", 5, 4)).rejects.toThrow(
      "columns 5 to 4 were asked of shape [12,16]",
    );
    await expect(readTensor(checkpoint, "model.m")).rejects.toMatchObject({ code: "missing-tensor" });
  });
});

/** Serves a folder with ranges, as a hub does. */
async function serve(folder: string, listener?: RequestListener): Promise<string> {
  const server = createServer(
    listener ??
      (async (request, response) => {
        const bytes = await readFile(join(folder, request.url ?? "")).catch(() => undefined);
        const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
        if (bytes === undefined || range === null) return response.writeHead(404).end();
        const [begin, end] = [Number(range[1]), Math.min(Number(range[2]), bytes.length - 1)];
        response.writeHead(206, { "content-range": `bytes ${begin}-${end}/${bytes.length}` });
        return response.end(bytes.subarray(begin, end + 1));
      }),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("a URL", () => {
  const tensors = ["a", "b", "c"].map((name, i) => ({
    name,
    dtype: "BF16" as const,
    shape: [40, 50],
    bytes: patternedBytes(4000, i),
  }));

  it("of a file, of a folder and of a repository's page open alike", async () => {
    const folder = await temporaryFolder();
    await writeCheckpoint(tensors, join(folder, "org/name/resolve/main"), {
      shardSize: 5000,
      files: { "config.json": "{}" },
    });
    const base = await serve(folder);
    for (const location of [
      `${base}/org/name`,
      `${base}/org/name/tree/main`,
      `${base}/org/name/resolve/main/`,
    ]) {
      await using checkpoint = await openCheckpoint(location);
      expect(checkpoint.sources.size).toBe(3);
      expect(await readTensor(checkpoint, "b")).toEqual(tensors[1]?.bytes);
      expect(new TextDecoder().decode(await checkpoint.readSibling("config.json"))).toBe("{}");
      expect(await checkpoint.readSibling("vocab.json")).toBeUndefined();
    }
    await using file = await openCheckpoint(`${base}/org/name/resolve/main/model-00002-of-00003.safetensors`);
    expect([...file.tensors.keys()]).toEqual(["b"]);
  });

  it("that has neither weights nor an index says so", async () => {
    const base = await serve(await temporaryFolder());
    await expect(openCheckpoint(`${base}/org/name`)).rejects.toMatchObject({ code: "no-checkpoint" });
  });

  it("that lacks a shard says which", async () => {
    const folder = await folderOf({}, { a: "x.safetensors" });
    const base = await serve(folder);
    await expect(openCheckpoint(`${base}/`)).rejects.toMatchObject({ code: "missing-shard" });
  });
});
