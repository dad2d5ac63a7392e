import { readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type DownloadOptions, downloadRepository, openHubFolder } from "@vlmopt/datasets";
import { describe, expect, it, onTestFinished } from "vitest";
import { startHub } from "../test-support/hub-server.ts";
import {
  download,
  dropMidway,
  failure,
  hubWith,
  model,
  slowly,
  storageFails,
} from "../test-support/model-hub.ts";
import { temporaryFolder } from "../test-support/temporary-folder.ts";

describe("a download", () => {
  it("brings every file, whatever its name, and verifies it", async () => {
    const [hub, folder] = [await hubWith(), await temporaryFolder()];
    const result = await download(hub, folder);
    for (const [path, content] of Object.entries(model)) {
      expect((await readFile(join(folder, path))).equals(Buffer.from(content)), path).toBe(true);
    }
    expect(result).toMatchObject({
      repository: "org/model",
      revision: "main",
      fetchedFiles: 6,
      bytes: 900_008,
    });
    expect(result.commit).toMatch(/^[0-9a-f]{40}$/);
    expect(await readdir(join(folder, ".vlmopt-download/partial"))).toEqual([]);
  });

  it("that is run again asks for the commit alone", async () => {
    const [hub, folder] = [await hubWith(), await temporaryFolder()];
    await download(hub, folder);
    hub.requests.length = 0;
    expect(await download(hub, folder)).toMatchObject({ fetchedFiles: 0, fetchedBytes: 0 });
    expect(hub.requests.map(({ path }) => path.split("?")[0])).toEqual([
      "/api/models/org/model/revision/main",
    ]);
  });

  it("at a pinned commit asks for nothing the second time", async () => {
    const [hub, folder] = [await hubWith(), await temporaryFolder()];
    const { commit } = await download(hub, folder);
    hub.requests.length = 0;
    await download(hub, folder, { revision: commit });
    expect(hub.requests).toEqual([]);
  });

  it("takes what patterns choose", async () => {
    const [hub, folder] = [await hubWith(), await temporaryFolder()];
    const paths = async (options: DownloadOptions) =>
      (await download(hub, folder, options)).files.map(({ path }) => path);
    expect(await paths({ allow: ["*.json"] })).toEqual(["config.json", "tokenizer/a b#ü.json"]);
    expect(await paths({ allow: ["tokenizer/"], ignore: ["*.json"] })).toEqual(["tokenizer/empty.txt"]);
    expect(await paths({ safetensorsOnly: true })).not.toContain("pytorch_model.bin");
    expect(await failure(download(hub, folder, { allow: ["nothing"] }))).toMatchObject({
      code: "not-found",
      message: "org/model: none of its 6 files is wanted",
    });
  });

  it("tells how far it is, up to all of it", async () => {
    const [hub, folder] = [await hubWith(storageFails(1, dropMidway)), await temporaryFolder()];
    const seen: number[] = [];
    await download(hub, folder, {
      onProgress: ({ bytes, totalBytes }) => {
        expect(totalBytes).toBe(900_008);
        seen.push(bytes);
      },
    });
    expect(seen[0]).toBe(0);
    expect(Math.max(...seen)).toBe(900_008);
    expect(seen.at(-1)).toBe(900_008);
  });

  it("stops when it is told to, and goes on where it stopped", async () => {
    const [hub, folder] = [await hubWith(storageFails(1, slowly)), await temporaryFolder()];
    const controller = new AbortController();
    const options = { allow: ["model.safetensors"] };
    const stopped = download(hub, folder, {
      ...options,
      signal: controller.signal,
      onProgress: ({ bytes }) => bytes > 0 && controller.abort(),
    });
    await expect(stopped).rejects.toThrow(expect.objectContaining({ name: "AbortError" }));
    hub.requests.length = 0;
    await download(hub, folder, options);
    expect(hub.requests.at(-1)?.range).toMatch(/^bytes=[1-9]\d*-$/);
  });
});

describe("offline", () => {
  const offline = { env: { HF_HUB_OFFLINE: "1" } };

  it("uses what is there, and says what is missing", async () => {
    const [hub, folder] = [await hubWith(), await temporaryFolder()];
    await download(hub, folder, { allow: ["config.json"] });
    hub.requests.length = 0;
    expect((await download(hub, folder, { ...offline, allow: ["config.json"] })).files).toHaveLength(1);
    expect(await failure(download(hub, folder, { ...offline, allow: ["*.json", "*.bin"] }))).toMatchObject({
      code: "offline",
      message: `org/model: offline, and 2 files are missing in ${folder} (299995 bytes): pytorch_model.bin, tokenizer/a b#ü.json`,
    });
    expect(hub.requests).toEqual([]);
  });

  it("says when nothing is there at all", async () => {
    const [hub, folder] = [await hubWith(), await temporaryFolder()];
    for (const revision of ["main", "0".repeat(40)]) {
      expect(await failure(download(hub, folder, { ...offline, revision }))).toMatchObject({
        code: "offline",
        message: expect.stringContaining(`offline, and ${folder} holds nothing of`),
      });
    }
    expect(await readdir(folder)).toEqual([]);
  });
});

describe("files that are there already", () => {
  it("with the right bytes are kept, and with others are not replaced unless told to", async () => {
    const [hub, folder] = [await hubWith(), await temporaryFolder()];
    await writeFile(join(folder, "config.json"), model["config.json"] as string);
    expect((await download(hub, folder)).fetchedFiles).toBe(5);
    await writeFile(join(folder, "config.json"), "my own");
    expect(await failure(download(hub, folder))).toMatchObject({
      code: "would-replace",
      message: `${join(folder, "config.json")}: is in the way, and has changed since it was downloaded`,
    });
    expect(await readFile(join(folder, "config.json"), "utf8")).toBe("my own");
    await download(hub, folder, { replace: true });
    expect(await readFile(join(folder, "config.json"), "utf8")).toBe(model["config.json"]);
  });

  it("are never replaced where no download put them there", async () => {
    const [hub, folder] = [await hubWith(), await temporaryFolder()];
    await writeFile(join(folder, "config.json"), "my own");
    expect(await failure(download(hub, folder, { replace: true }))).toMatchObject({
      code: "would-replace",
      message: `${join(folder, "config.json")}: is in the way, and was not downloaded from org/model`,
    });
    expect(await readFile(join(folder, "config.json"), "utf8")).toBe("my own");
  });

  it("are hashed again where their time has changed, and brought again where they are gone", async () => {
    const [hub, folder] = [await hubWith(), await temporaryFolder()];
    await download(hub, folder);
    await utimes(join(folder, "config.json"), 1, 1);
    await rm(join(folder, "model.safetensors"));
    expect(await download(hub, folder)).toMatchObject({ fetchedFiles: 1, fetchedBytes: 300_000 });
  });

  it("of an older revision are replaced by those of the newer", async () => {
    const files: Record<string, string> = { "config.json": "old", "same.json": "same" };
    const hub = await startHub({ "org/model": files });
    onTestFinished(() => hub[Symbol.asyncDispose]());
    const folder = await temporaryFolder();
    await download(hub, folder);
    Object.assign(files, { "config.json": "newer", "added.json": "" });
    expect((await download(hub, folder)).fetchedFiles).toBe(2);
    expect(await readFile(join(folder, "config.json"), "utf8")).toBe("newer");
  });

  it("of another repository are left alone", async () => {
    const [hub, folder] = [await hubWith(), await temporaryFolder()];
    await download(hub, folder);
    expect((await failure(downloadRepository("org/other", folder, { endpoint: hub.endpoint }))).message).toBe(
      `${folder}: holds org/model, not org/other`,
    );
  });
});

describe("a folder opened as a repository", () => {
  it("knows its files before they are there, and which are missing", async () => {
    const [hub, folder] = [await hubWith(), await temporaryFolder()];
    const opened = await openHubFolder("org/model", folder, { endpoint: hub.endpoint, token: false });
    expect([...opened.files.keys()]).toEqual(Object.keys(model).sort());
    await opened.fetch(["config.json"]);
    expect((await opened.missing(["config.json", "model.safetensors"])).map(({ path }) => path)).toEqual([
      "model.safetensors",
    ]);
    expect(await failure(opened.fetch(["nope"]))).toMatchObject({
      message: "org/model/nope: there is no such file at main",
    });
  });

  it.each(["", "a/b/c", "../x", "datasets/a/b/c", "org/..", "a b"])("refuses the name %j", async (id) => {
    const error = await failure(openHubFolder(id, "/nowhere", { endpoint: "http://127.0.0.1:1" }));
    expect(error).toMatchObject({
      code: "invalid-argument",
      message: `${JSON.stringify(id)} names no repository`,
    });
  });
});
