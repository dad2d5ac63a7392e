import { BenchError } from "../bench-error.ts";
import type { EndpointSpec } from "../recipe/recipe.ts";
import { type EndpointOptions, endpointTarget } from "./endpoint-target.ts";
import { RequestFailure } from "./request-failure.ts";
import type { Target } from "./target.ts";

/** Requests under way at once, over all servers. */
export function requestsAtOnce({ url, concurrency }: EndpointSpec): number {
  return concurrency * (typeof url === "string" ? 1 : url.length);
}

/**
 * Servers of one model that take requests from a common queue: each goes to the server that has the fewest. One that is gone is left out as long as there is
 * another, which answers in its place.
 */
export function endpointPool(spec: EndpointSpec, options: EndpointOptions = {}): Target {
  const { url } = spec;
  if (typeof url === "string") return endpointTarget({ ...spec, url }, options);
  const servers = url.map((one) => ({
    url: one,
    target: endpointTarget({ ...spec, url: one }, options),
    waiting: 0,
    isGone: false,
  }));
  return {
    pid: undefined,
    load: async () => Math.max(...(await Promise.all(servers.map(({ target }) => target.load())))),
    async answer(request) {
      for (;;) {
        const there = servers.filter(({ isGone }) => !isGone);
        const [server] = there.sort((a, b) => a.waiting - b.waiting);
        if (server === undefined) throw new BenchError(`${url.join(", ")}: all servers are gone`);
        server.waiting++;
        try {
          return await server.target.answer(request);
        } catch (error) {
          if (!(error instanceof BenchError) || error instanceof RequestFailure) throw error;
          if (there.every((one) => one === server)) throw error;
          if (!server.isGone) options.onNotice?.(`${server.url} is left out from here on: ${error.message}`);
          server.isGone = true;
        } finally {
          server.waiting--;
        }
      }
    },
    peakMemory: async () => ({ processPeak: null, executorPeak: null }),
    close: async () => {},
  };
}
