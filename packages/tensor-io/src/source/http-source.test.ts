import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type HttpOptions, httpSource } from "@vlmopt/tensor-io";
import { describe, expect, it, onTestFinished } from "vitest";
import { patternedBytes } from "../test-support/build-file.ts";

const content = patternedBytes(100_000);

interface Asked {
  readonly begin: number;
  readonly end: number;
  readonly headers: IncomingMessage["headers"];
}

/** A server whose every answer is in the test's hands; `count` is the number of the request, the opening one being 0. */
async function server(answer: (asked: Asked, response: ServerResponse, count: number) => void) {
  const requests: string[] = [];
  const http = createServer((request, response) => {
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
    requests.push(`${range?.[1]}-${range?.[2]}`);
    answer(
      { begin: Number(range?.[1]), end: Number(range?.[2]), headers: request.headers },
      response,
      requests.length - 1,
    );
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    http.closeAllConnections();
    http.close();
  });
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/model.safetensors`;
  return {
    requests,
    open: (options: HttpOptions = {}) => httpSource(url, { retryDelay: 1, ...options }),
    url,
  };
}

function right({ begin, end }: Asked, response: ServerResponse, etag?: string): void {
  response.writeHead(206, {
    "content-range": `bytes ${begin}-${end}/${content.length}`,
    ...(etag ? { etag } : {}),
  });
  response.end(content.subarray(begin, end + 1));
}

describe("a source over HTTP", () => {
  it("reads ranges", async () => {
    const { open, requests } = await server((asked, response) => right(asked, response));
    const source = await open();
    expect(source.size).toBe(100_000);
    expect(await source.read(5, 10)).toEqual(content.slice(5, 15));
    expect(await source.read(99_999, 1)).toEqual(content.slice(99_999));
    expect((await source.read(50, 0)).length).toBe(0);
    expect(requests).toEqual(["0-0", "5-14", "99999-99999"]);
    await expect(source.read(99_999, 2)).rejects.toThrow(
      "bytes 99999 to 100001 were asked of a file of 100000 bytes",
    );
  });

  it("goes on from the first missing byte where the body is cut short", async () => {
    const { open, requests } = await server((asked, response, count) => {
      if (count !== 1) return right(asked, response);
      response.writeHead(206, {
        "content-range": `bytes ${asked.begin}-${asked.end}/${content.length}`,
        "content-length": String(asked.end - asked.begin + 1),
      });
      response.write(content.subarray(asked.begin, asked.begin + 300), () => response.destroy());
    });
    const source = await open();
    expect(await source.read(1000, 5000)).toEqual(content.slice(1000, 6000));
    expect(requests).toEqual(["0-0", "1000-5999", "1300-5999"]);
  });

  it("gives up on a body that stays short, with the numbers", async () => {
    const { open, url } = await server((asked, response, count) => {
      if (count === 0) return right(asked, response);
      response.writeHead(206, { "content-range": `bytes ${asked.begin}-${asked.end}/${content.length}` });
      response.end();
    });
    const source = await open({ retries: 2 });
    await expect(source.read(10, 20)).rejects.toThrow(
      `${url}: the answer ended after 0 of 20 bytes from byte 10`,
    );
  });

  it.each([408, 429, 500, 502, 503])("tries again after %i", async (status) => {
    const { open, requests } = await server((asked, response, count) =>
      count === 1 || count === 2 ? void response.writeHead(status).end() : right(asked, response),
    );
    const source = await open();
    expect(await source.read(0, 4)).toEqual(content.slice(0, 4));
    expect(requests.length).toBe(4);
  });

  it("waits as long as Retry-After says", async () => {
    const { open } = await server((asked, response, count) =>
      count === 0 ? void response.writeHead(429, { "retry-after": "0.2" }).end() : right(asked, response),
    );
    const started = performance.now();
    await open();
    expect(performance.now() - started).toBeGreaterThanOrEqual(190);
  });

  it("does not wait for hours", async () => {
    const { open } = await server(
      (_, response) => void response.writeHead(429, { "retry-after": "7200" }).end(),
    );
    await expect(open()).rejects.toMatchObject({ status: 429 });
  });

  it.each([
    [401, "the server refuses access (401)"],
    [403, "the server refuses access (403)"],
    [404, "the server has no such file (404)"],
    [410, "the server answered 410"],
  ])("fails at once on %i", async (status, message) => {
    const { open, requests } = await server((_, response) => void response.writeHead(status).end());
    await expect(open()).rejects.toThrow(message);
    expect(requests.length).toBe(1);
  });

  it("says that a server without ranges will not do", async () => {
    const { open } = await server((_, response) => void response.writeHead(200).end(content));
    await expect(open()).rejects.toMatchObject({ status: 200, hint: "download the file first" });
  });

  it("reports 416 with the size of the file", async () => {
    const { open } = await server((asked, response, count) =>
      count === 0
        ? right(asked, response)
        : void response.writeHead(416, { "content-range": "bytes */50" }).end(),
    );
    const source = await open();
    await expect(source.read(60, 10)).rejects.toThrow(
      "bytes 60 to 70 lie outside the file of 50 bytes (416)",
    );
  });

  it("opens an empty file", async () => {
    const { open } = await server(
      (_, response) => void response.writeHead(416, { "content-range": "bytes */0" }).end(),
    );
    expect((await open()).size).toBe(0);
  });

  it("notices other bytes than it asked for", async () => {
    const { open } = await server((asked, response) => right({ ...asked, begin: asked.begin + 1 }, response));
    await expect(open()).rejects.toThrow(
      'byte 0 was asked for and the server answered with content-range "bytes 1-0/100000"',
    );
  });

  it("notices that the file changed", async () => {
    const { open } = await server((asked, response, count) =>
      right(asked, response, count < 2 ? '"1"' : '"2"'),
    );
    const source = await open();
    await source.read(0, 1);
    await expect(source.read(0, 1)).rejects.toThrow("the file changed on the server while it was being read");
  });

  it("sends the headers it was given, by the fetch it was given", async () => {
    const { open } = await server((asked, response) =>
      asked.headers.authorization === "Bearer secret"
        ? right(asked, response)
        : void response.writeHead(401).end(),
    );
    let calls = 0;
    const counting: typeof fetch = (...args) => {
      calls++;
      return fetch(...args);
    };
    expect((await open({ headers: { authorization: "Bearer secret" }, fetch: counting })).size).toBe(100_000);
    expect(calls).toBe(1);
  });

  it("says what went wrong where nobody answers", async () => {
    await expect(httpSource("http://127.0.0.1:1/x", { retries: 1, retryDelay: 1 })).rejects.toThrow(
      /^http:\/\/127\.0\.0\.1:1\/x: the request failed: /,
    );
  });

  it("stops when it is told to", async () => {
    const { open } = await server((asked, response, count) =>
      count === 0 ? right(asked, response) : undefined,
    );
    const source = await open();
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 20);
    await expect(source.read(0, 1, controller.signal)).rejects.toMatchObject({ name: "AbortError" });
  });
});
