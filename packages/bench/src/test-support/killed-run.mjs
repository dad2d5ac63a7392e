// Runs a recipe (argv[2]) into a folder (argv[3]) with answers that take their time, as a process of its own that tests can kill.
import { setTimeout as sleep } from "node:timers/promises";
import { readRecipe, runRecipe } from "../../dist/index.js";

const [recipe, folder, cache] = process.argv.slice(2);
await runRecipe(await readRecipe(recipe), {
  folder,
  cache,
  openTarget: () => ({
    pid: undefined,
    load: async () => 5,
    async answer({ question, maxNewTokens, fixedLength }) {
      await sleep(3);
      const newTokens = fixedLength ? maxNewTokens : 2;
      return { text: question, promptTokens: 7, newTokens, finish: "end", ttft: 4, tokens: [2], latency: 6 };
    },
    peakMemory: async () => ({ processPeak: null, executorPeak: null }),
    close: async () => {},
  }),
});
