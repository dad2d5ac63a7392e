import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdir, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type DownloadOptions, downloadRepository, HubError, openHubFolder } from "@vlmopt/datasets";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Files, type HubServer, type Misbehaviour, startHub } from "../test-support/hub-server.ts";
import { temporaryFolder } from "../test-support/temporary-folder.ts";

const child = fileURLToPath(new URL("../test-support/download-child.mjs", import.meta.url));

const weights = Uint8Array.from({ length: 300_000 }, (_, index) => (index * 2654435761) >>> 24);
const model: Files = {
  "config.json": '{"model_type":"llava"}',
  "model.safetensors": weights,
  "pytorch_model.bin": weights.subarray(7),
  "onnx/model.onnx": weights.subarray(9),
  "tokenizer/a b#ü.json": "{}",
  "tokenizer/empty.txt": "",
};

async function hubWith(misbehave?: Misbehaviour): Promise<HubServer> {
  const hub = await startHub({ "org/model": model });
  if (misbehave !== undefined) hub.misbehave = misbehave;
  onTestFinished(() => hub[Symbol.asyncDispose]());
  return hub;
}

function download(hub: HubServer, folder: string, options: DownloadOptions = {}) {
  return downloadRepository("org/model", folder, {
    endpoint: hub.endpoint,
    token: false,
    retryDelay: 1,
    ...options,
  });
}

/** A server that misbehaves the first `times` times that the large file is asked for where it is stored. */
function storageFails(times: number, how: Misbehaviour): Misbehaviour {
  let left = times;
  return (request, response, bytes) =>
    request.host === "storage" && left-- > 0 ? how(request, response, bytes) : false;
}

/** Sends the first half, then cuts the line. */
const dropMidway: Misbehaviour = (_, response, bytes) => {
  response.writeHead(200, { "content-length": bytes.length });
  response.write(bytes.subarray(0, bytes.length / 2), () => setTimeout(() => response.destroy(), 20));
  return true;
};

const status =
  (code: number, headers = {}, body = ""): Misbehaviour =>
  (_, response) => {
    response.writeHead(code, headers).end(body);
    return true;
  };

async function failure(work: Promise<unknown>): Promise<HubError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(HubError);
  return error as HubError;
}

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

const trickle =
  (interval: number): Misbehaviour =>
  (_, response, bytes) => {
    response.writeHead(200, { "content-length": bytes.length });
    let sent = 0;
    const timer = setInterval(() => {
      response.write(bytes.subarray(sent, sent + 1000));
      sent += 1000;
      if (sent >= bytes.length || response.destroyed) clearInterval(timer);
    }, interval);
    return true;
  };
/** A kilobyte every 2 ms: 300 of them take a moment. */
const slowly = trickle(2);
/** A kilobyte every 100 ms: 300 of them take half a minute. */
const verySlowly = trickle(100);

describe("a server that misbehaves", () => {
  const large = { allow: ["model.safetensors"] };

  it.each<[string, Misbehaviour]>([
    ["503", status(503)],
    ["500 with a page", status(500, { "content-type": "text/html" }, "<html>oops</html>")],
    ["a reset before it answers", (_, response) => Boolean(response.destroy())],
    ["a cut midway", dropMidway],
    ["416", status(416)],
    ["other bytes", (_, response, bytes) => Boolean(response.end(Buffer.alloc(bytes.length)))],
    ["too many bytes", (_, response, bytes) => Boolean(response.end(Buffer.concat([bytes, bytes])))],
  ])("once with %s is asked again", async (_, how) => {
    const [hub, folder] = [await hubWith(storageFails(1, how)), await temporaryFolder()];
    await download(hub, folder, large);
    expect((await readFile(join(folder, "model.safetensors"))).equals(weights)).toBe(true);
  });

  it("that drops midway is asked for the rest alone", async () => {
    const [hub, folder] = [await hubWith(storageFails(1, dropMidway)), await temporaryFolder()];
    await download(hub, folder, large);
    expect(hub.requests.filter(({ host }) => host === "storage").map(({ range }) => range)).toEqual([
      undefined,
      "bytes=150000-",
    ]);
  });

  it("that drops more often than the retries is still outlasted while bytes come", async () => {
    const tenth: Misbehaviour = (request, response, bytes) => {
      const first = Number(/\d+/.exec(request.range ?? "0")?.[0]);
      if (first >= 270_000) return false;
      response.writeHead(first === 0 ? 200 : 206, {
        "content-length": bytes.length - first,
        "content-range": `bytes ${first}-${bytes.length - 1}/${bytes.length}`,
      });
      response.write(bytes.subarray(first, first + 30_000), () => setTimeout(() => response.destroy(), 10));
      return true;
    };
    const [hub, folder] = [await hubWith(storageFails(99, tenth)), await temporaryFolder()];
    await download(hub, folder, { ...large, retries: 1 });
    expect((await readFile(join(folder, "model.safetensors"))).equals(weights)).toBe(true);
  });

  it("that ignores ranges sends it all again; one that answers another range is not believed", async () => {
    for (const second of [
      ((_, response, bytes) => Boolean(response.writeHead(200).end(bytes))) as Misbehaviour,
      status(206, { "content-range": "bytes 7-9/300000" }, "abc"),
      status(206, {}, "abc"),
    ]) {
      let calls = 0;
      const misbehave: Misbehaviour = (...args) => [dropMidway, second][calls++]?.(...args) ?? false;
      const [hub, folder] = [await hubWith(storageFails(2, misbehave)), await temporaryFolder()];
      await download(hub, folder, large);
      expect((await readFile(join(folder, "model.safetensors"))).equals(weights)).toBe(true);
    }
  });

  it("that always sends other bytes is an error, and nothing of them stays", async () => {
    const wrong: Misbehaviour = (_, response, bytes) => Boolean(response.end(Buffer.alloc(bytes.length)));
    const [hub, folder] = [await hubWith(storageFails(99, wrong)), await temporaryFolder()];
    expect(await failure(download(hub, folder, large))).toMatchObject({
      code: "corrupt",
      message: expect.stringMatching(
        /^org\/model\/model\.safetensors: arrived with other bytes than those the hub lists \(sha256:[0-9a-f]{64}\)$/,
      ),
    });
    expect(await readdir(folder)).toEqual([".vlmopt-download"]);
    expect(await readdir(join(folder, ".vlmopt-download/partial"))).toEqual([]);
  });

  it("that stalls is cut off and asked again", async () => {
    const stall: Misbehaviour = (_, response, bytes) => {
      response.writeHead(200, { "content-length": bytes.length }).write(bytes.subarray(0, 1000));
      return true;
    };
    const waits: string[] = [];
    const [hub, folder] = [await hubWith(storageFails(1, stall)), await temporaryFolder()];
    await download(hub, folder, { ...large, stallTimeout: 200, onWait: ({ reason }) => waits.push(reason) });
    expect(waits).toEqual(["org/model/model.safetensors: nothing has come for 0.2 s"]);
  });

  it("that asks to wait is obeyed", async () => {
    const [hub, folder] = [
      await hubWith(storageFails(1, status(429, { "retry-after": "1" }))),
      await temporaryFolder(),
    ];
    const delays: number[] = [];
    const started = performance.now();
    await download(hub, folder, { ...large, onWait: ({ delay }) => delays.push(delay) });
    expect(delays).toEqual([1000]);
    expect(performance.now() - started).toBeGreaterThan(990);
  });

  it("that asks to wait for an hour is an error that says so", async () => {
    const [hub, folder] = [
      await hubWith(status(429, { "retry-after": "3600" }, "too many requests")),
      await temporaryFolder(),
    ];
    expect(await failure(download(hub, folder))).toMatchObject({
      code: "rate-limited",
      status: 429,
      retryAfter: 3_600_000,
      message: "org/model: the hub asks to slow down (429): too many requests",
    });
  });

  it("with 5xx for good is given up after the retries", async () => {
    const [hub, folder] = [await hubWith(status(502)), await temporaryFolder()];
    expect(await failure(download(hub, folder, { retries: 2 }))).toMatchObject({
      code: "server-error",
      message: "org/model: the server answered 502",
    });
    expect(hub.requests).toHaveLength(3);
  });

  it("that cuts a listing short is asked again", async () => {
    let left = 1;
    const hub = await hubWith((request, response, bytes) => {
      if (!request.path.includes("/tree/") || left-- === 0 || left < 0) return false;
      return dropMidway(request, response, bytes);
    });
    const folder = await temporaryFolder();
    expect((await download(hub, folder)).files).toHaveLength(6);
  });

  it("that fails at one file ends the others at once", async () => {
    const hub = await hubWith((request, response, bytes) => {
      if (request.path.includes("/resolve/") && request.path.endsWith("/config.json")) {
        setTimeout(() => response.writeHead(404).end(), 100);
        return true;
      }
      return request.host === "storage" ? verySlowly(request, response, bytes) : false;
    });
    const started = performance.now();
    expect((await failure(download(hub, await temporaryFolder()))).code).toBe("not-found");
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it("that lists a path outside the folder is not believed", async () => {
    const entry = { type: "file", path: "../../etc/passwd", size: 1, oid: "0".repeat(40) };
    const hub = await hubWith((request, response) => {
      if (!request.path.includes("/tree/")) return false;
      return Boolean(response.writeHead(200).end(JSON.stringify([entry])));
    });
    expect((await failure(download(hub, await temporaryFolder()))).message).toBe(
      'org/model: the hub lists "../../etc/passwd", which is no path within a folder',
    );
  });

  it("that cannot be reached is named", async () => {
    const hub = await hubWith();
    await hub[Symbol.asyncDispose]();
    expect(await failure(download(hub, await temporaryFolder(), { retries: 0 }))).toMatchObject({
      code: "network",
      message: `org/model: ${new URL(hub.endpoint).host} cannot be reached (ECONNREFUSED)`,
    });
  });
});

describe("a repository that is not open to all", () => {
  it.each([
    [
      401,
      "GatedRepo",
      false,
      "unauthorized",
      /is gated, and no token was sent$/,
      /ask for access at .*\/org\/model/,
    ],
    [
      403,
      "GatedRepo",
      "hf_x",
      "forbidden",
      /is gated, and the token does not open it$/,
      /the account that the token/,
    ],
    [401, "RepoNotFound", false, "unauthorized", /is not there, or not for everyone/, /set HF_TOKEN/],
    [401, "", "hf_x", "unauthorized", /and the token does not open it$/, /may have expired/],
    [403, "", "hf_x", "forbidden", /the hub refuses access/, /fine-grained/],
    [404, "RepoNotFound", "hf_x", "not-found", /there is no such repository$/, /spelling/],
    [404, "RevisionNotFound", "hf_x", "not-found", /has no such revision$/, /spelling/],
  ] as const)(
    "%i %s with token %s says how to get access",
    async (code, reason, token, kind, message, hint) => {
      const hub = await hubWith(status(code, reason === "" ? {} : { "x-error-code": reason }));
      const error = await failure(download(hub, await temporaryFolder(), { token }));
      expect(error).toMatchObject({ code: kind, status: code, message: expect.stringMatching(message) });
      expect(error.hint).toMatch(hint);
      expect(hub.requests).toHaveLength(1);
    },
  );

  it("names a file that has gone", async () => {
    const hub = await hubWith(({ path }, response) =>
      path.endsWith("/config.json")
        ? Boolean(response.writeHead(404, { "x-error-code": "EntryNotFound" }).end())
        : false,
    );
    expect((await failure(download(hub, await temporaryFolder()))).message).toBe(
      "org/model/config.json: there is no such file",
    );
  });
});

describe("the token", () => {
  it("goes to the hub, and not along a redirect to another host", async () => {
    const [hub, folder] = [await hubWith(), await temporaryFolder()];
    await download(hub, folder, { token: "hf_secret" });
    const of = (host: string) =>
      new Set(
        hub.requests.filter((request) => request.host === host).map(({ authorization }) => authorization),
      );
    expect(of("hub")).toEqual(new Set(["Bearer hf_secret"]));
    expect(of("storage")).toEqual(new Set([undefined]));
  });

  it("stays with a redirect within the hub, as for a renamed repository", async () => {
    let moved = false;
    const hub = await hubWith((_, response) => {
      if (moved) return false;
      moved = true;
      return Boolean(response.writeHead(307, { location: `/api/models/org/model/revision/main` }).end());
    });
    await download(hub, await temporaryFolder(), { token: "hf_secret" });
    expect(hub.requests[1]).toMatchObject({ host: "hub", authorization: "Bearer hf_secret" });
  });

  it("is never in a message, though the server echoes it, nor is a link's signature", async () => {
    const hub = await hubWith(status(400, {}, "bad request of hf_secret and legacy_secret"));
    for (const token of ["hf_secret", "legacy_secret"]) {
      const error = await failure(download(hub, await temporaryFolder(), { token }));
      expect(`${error.stack} ${JSON.stringify(error)}`).not.toContain(token);
    }
    hub.misbehave = storageFails(99, status(403));
    const error = await failure(download(hub, await temporaryFolder()));
    expect(`${error.stack} ${JSON.stringify(error)}`).not.toContain("signature");
  });

  it("comes from HF_TOKEN, or the file that the hub's own log-in writes, or nowhere", async () => {
    const [hub, home] = [await hubWith(), await temporaryFolder()];
    await writeFile(join(home, "token"), "hf_file\n");
    const sent = async (env: Record<string, string>) => {
      hub.requests.length = 0;
      await downloadRepository("org/model", await temporaryFolder(), {
        env: { HF_ENDPOINT: hub.endpoint, ...env },
      });
      return hub.requests[0]?.authorization;
    };
    expect(await sent({ HF_TOKEN: " hf_variable\n", HF_HOME: home })).toBe("Bearer hf_variable");
    expect(await sent({ HF_HOME: home })).toBe("Bearer hf_file");
    expect(await sent({ HF_TOKEN_PATH: join(home, "token"), HF_HOME: "/nowhere" })).toBe("Bearer hf_file");
    expect(await sent({ HF_HOME: home, HF_HUB_DISABLE_IMPLICIT_TOKEN: "1" })).toBeUndefined();
    expect(await sent({ HF_HOME: "/nowhere" })).toBeUndefined();
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
      message: `${join(folder, "config.json")}: is in the way, and was not downloaded from org/model`,
    });
    expect(await readFile(join(folder, "config.json"), "utf8")).toBe("my own");
    await download(hub, folder, { replace: true });
    expect(await readFile(join(folder, "config.json"), "utf8")).toBe(model["config.json"]);
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

describe("two downloads into one folder", () => {
  it("do not work at once: the second is told, or waits", async () => {
    const [hub, folder] = [await hubWith(storageFails(1, slowly)), await temporaryFolder()];
    const options = { allow: ["model.safetensors"] };
    const first = download(hub, folder, options);
    await expect.poll(() => hub.requests.some(({ host }) => host === "storage")).toBe(true);
    expect(await failure(download(hub, folder, options))).toMatchObject({
      code: "locked",
      message: expect.stringMatching(
        new RegExp(`^${folder}: another download is at work there \\(process ${process.pid} on `),
      ),
    });
    const second = download(hub, folder, { ...options, wait: 20_000 });
    expect((await first).fetchedFiles).toBe(1);
    expect((await second).fetchedFiles).toBe(0);
    expect(await readdir(join(folder, ".vlmopt-download"))).not.toContain("lock");
  });

  it("are told apart from a lock that a dead process, or a silent machine, left behind", async () => {
    const { pid } = spawnSync("true");
    const hub = await hubWith();
    const { hostname } = await import("node:os");
    for (const [holder, age] of [
      [{ pid, host: hostname(), id: "1" }, 0],
      [{ pid: process.pid, host: hostname(), id: "of an earlier process with our id" }, 0],
      [{ pid: 1, host: "another machine", id: "1" }, 61],
    ] as const) {
      const folder = await temporaryFolder();
      await mkdir(join(folder, ".vlmopt-download"));
      const lock = join(folder, ".vlmopt-download/lock");
      await writeFile(lock, JSON.stringify(holder));
      const then = Date.now() / 1000 - age;
      await utimes(lock, then, then);
      expect((await download(hub, folder)).fetchedFiles).toBe(6);
    }
    const folder = await temporaryFolder();
    await mkdir(join(folder, ".vlmopt-download"));
    await writeFile(join(folder, ".vlmopt-download/lock"), '{"pid":1,"host":"another machine","id":"1"}');
    expect((await failure(download(hub, folder))).code).toBe("locked");
  });
});

describe("a process killed outright", () => {
  it("loses nothing that had arrived: the next goes on", async () => {
    const [hub, folder] = [await hubWith(storageFails(1, slowly)), await temporaryFolder()];
    const args = [child, hub.endpoint, "org/model", folder];
    const first = spawn(process.execPath, args);
    const partial = join(folder, ".vlmopt-download/partial");
    await expect.poll(() => readdir(partial).catch(() => []), { timeout: 10_000 }).toHaveLength(1);
    await expect
      .poll(async () => (await readFile(join(partial, (await readdir(partial))[0] as string))).length)
      .toBeGreaterThan(5000);
    first.kill("SIGKILL");
    await once(first, "exit");
    // As a kill in the midst of a line leaves it.
    await appendFile(join(folder, ".vlmopt-download/files.jsonl"), '{"path":"model.saf');
    hub.requests.length = 0;
    const second = spawn(process.execPath, args);
    let stderr = "";
    second.stderr.on("data", (text) => {
      stderr += text;
    });
    const [code] = await once(second, "exit");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(hub.requests.filter(({ range }) => range !== undefined)).not.toEqual([]);
    for (const [path, content] of Object.entries(model)) {
      expect((await readFile(join(folder, path))).equals(Buffer.from(content)), path).toBe(true);
    }
    hub.requests.length = 0;
    expect((await download(hub, folder)).fetchedFiles).toBe(0);
  });
});

describe.runIf(process.platform === "linux" && process.getuid?.() === 0)("a disk (as root)", () => {
  it("that is too small is refused before anything comes; one that fills up keeps what has arrived", async () => {
    const small = await temporaryFolder();
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=1200k", "tmpfs", small]);
    if (mounted.status !== 0) return console.warn("no tmpfs may be mounted here: ENOSPC was not tested");
    onTestFinished(() => void spawnSync("umount", ["-l", small]));
    const hub = await hubWith();
    await writeFile(join(small, "ballast"), new Uint8Array(800_000));
    expect(await failure(download(hub, small))).toMatchObject({
      code: "disk-full",
      message: expect.stringMatching(/: no space left: 900008 bytes are needed and \d+ are free$/),
    });

    await rm(join(small, "ballast"));
    hub.misbehave = storageFails(1, slowly);
    const options = { allow: ["model.safetensors"], concurrency: 1 };
    const late = failure(download(hub, small, options));
    await expect.poll(() => readdir(join(small, ".vlmopt-download/partial")).catch(() => [])).toHaveLength(1);
    await writeFile(join(small, "ballast"), new Uint8Array(1_100_000)).catch(() => {});
    expect(await late).toMatchObject({
      code: "disk-full",
      hint: expect.stringContaining("what has arrived is kept"),
    });
    await rm(join(small, "ballast"));
    hub.requests.length = 0;
    await download(hub, small, options);
    expect(hub.requests.at(-1)?.range).toMatch(/^bytes=[1-9]/);
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
