// Runs a recipe (argv[2]) into a folder (argv[3]), or one shard of it (argv[5]), with answers that take their time, as a process of its own that tests
// can kill. Its clock stands still, so that what it writes is the same each time.
import { setTimeout as sleep } from "node:timers/promises";
import { parseShard, readRecipe, runRecipe, runShard } from "../../dist/index.js";

const [recipe, folder, cache, shard] = process.argv.slice(2);
const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...time) {
    super(...(time.length === 0 ? [0] : time));
  }
};
const options = {
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
};
if (shard === undefined) await runRecipe(await readRecipe(recipe), options);
else await runShard(await readRecipe(recipe), parseShard(shard), options);
