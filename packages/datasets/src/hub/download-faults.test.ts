import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { appendFile, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Misbehaviour } from "../test-support/hub-server.ts";
import {
  download,
  dropMidway,
  failure,
  hubWith,
  model,
  slowly,
  status,
  storageFails,
  verySlowly,
  weights,
} from "../test-support/model-hub.ts";
import { temporaryFolder } from "../test-support/temporary-folder.ts";

const child = fileURLToPath(new URL("../test-support/download-child.mjs", import.meta.url));

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
    await download(hub, folder, { ...large, stallTimeout: 1000, onWait: ({ reason }) => waits.push(reason) });
    expect(waits).toEqual(["org/model/model.safetensors: nothing has come for 1 s"]);
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

  it("that redirects in circles, or to what is no web page, is an error", async () => {
    for (const [location, message] of [
      ["/api/models/org/model/revision/main", "org/model: more than 20 redirects"],
      ["file:///etc/passwd", /^org\/model: 127\.0\.0\.1:\d+ redirects to something that is not a web page$/],
    ] as const) {
      const hub = await hubWith(status(302, { location }));
      await expect(download(hub, await temporaryFolder())).rejects.toThrow(message);
    }
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
