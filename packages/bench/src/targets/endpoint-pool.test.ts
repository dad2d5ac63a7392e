import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { endpointPool, requestsAtOnce } from "./endpoint-pool.ts";

/** A server that answers after a time, and may go after some answers. */
async function served(milliseconds: number, answers = Number.POSITIVE_INFINITY) {
  const counts = { answered: 0, most: 0, now: 0 };
  const server = createServer(async (request, response) => {
    if (request.url?.endsWith("/models")) return response.end("{}");
    if (counts.answered >= answers) return request.socket.destroy();
    counts.most = Math.max(counts.most, ++counts.now);
    await sleep(milliseconds);
    counts.now--;
    counts.answered++;
    const event = (event: object) => `data: ${JSON.stringify(event)}\n\n`;
    response.end(
      `${event({ choices: [{ delta: { content: "Yes." }, finish_reason: "stop" }] })}${event({
        choices: [],
        usage: { prompt_tokens: 3, completion_tokens: 2 },
      })}data: [DONE]\n\n`,
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { counts, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` };
}

const spec = (...url: string[]) => ({ url, model: "m", concurrency: 2, timeout: 5, retries: 1, extra: {} });
const request = { question: "Is it?", images: [], maxNewTokens: 4, fixedLength: false };

test("a quick server takes more of the common queue than a slow one, and neither more than it may at once", async () => {
  const [slow, quick] = [await served(120), await served(10)];
  const servers = spec(slow.url, quick.url);
  const pool = endpointPool(servers);
  expect(requestsAtOnce(servers)).toBe(4);
  await pool.load();
  let left = 40;
  const lane = async () => {
    while (left-- > 0) expect((await pool.answer(request)).text).toBe("Yes.");
  };
  await Promise.all(Array.from({ length: requestsAtOnce(servers) }, lane));
  expect(slow.counts.answered + quick.counts.answered).toBe(40);
  expect(quick.counts.answered).toBeGreaterThan(2 * slow.counts.answered);
  expect([slow.counts.most, quick.counts.most]).toEqual([2, 2]);
});

test("where a server is gone the others answer, and where all are, that is said", async () => {
  const [short, long] = [await served(1, 2), await served(1, 6)];
  const notices: string[] = [];
  const pool = endpointPool(spec(short.url, long.url), {
    retryDelay: 1,
    onNotice: (notice) => notices.push(notice),
  });
  for (let i = 0; i < 8; i++) expect((await pool.answer(request)).text).toBe("Yes.");
  expect(
    notices.filter((notice) => notice.startsWith(`${short.url} is left out from here on: `)),
  ).toHaveLength(1);
  await expect(pool.answer(request)).rejects.toThrow(long.url);
});
