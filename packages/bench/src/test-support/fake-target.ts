import type { Target, TargetRequest } from "../targets/target.ts";

/** A model that says the question backwards; answers take as long as told. */
export function fakeTarget(options: { readonly answer?: (request: TargetRequest) => unknown } = {}): Target {
  return {
    pid: undefined,
    load: async () => 5,
    async answer(request) {
      await options.answer?.(request);
      const { question, maxNewTokens, fixedLength } = request;
      const newTokens = fixedLength ? maxNewTokens : 3;
      const text = question.split(" ").reverse().join(" ");
      const tokens = new Array<number>(newTokens - 1).fill(2);
      return {
        text,
        promptTokens: 7,
        newTokens,
        finish: fixedLength ? "length" : "end",
        ttft: 4,
        tokens,
        latency: 4 + 2 * tokens.length,
      };
    },
    peakMemory: async () => ({ processPeak: { bytes: 1e6, method: "made up" }, executorPeak: null }),
    close: async () => {},
  };
}
