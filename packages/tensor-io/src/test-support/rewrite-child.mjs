// Rewrites argv[2] to argv[3] from the built package, as a process of its own that tests can kill, starve or run as another user.
import { setTimeout as sleep } from "node:timers/promises";
import { folderSink, openCheckpoint, rewriteCheckpoint } from "../../dist/index.js";

const [input, output, mode] = process.argv.slice(2);
let source;
try {
  source = await openCheckpoint(input);
  // A stage on this thread that never hurries, so that there is a middle to be killed in.
  const slow = (tensor) => ({
    stage: () => ({
      push(rows) {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
        return [rows];
      },
    }),
    outputs: [tensor],
  });
  process.stdout.write("started\n");
  await sleep(1);
  await rewriteCheckpoint(
    source,
    mode === "slow" ? slow : undefined,
    folderSink(output, { overwrite: true }),
  );
  process.stdout.write("done\n");
} catch (error) {
  process.stderr.write(`error: ${error.message}\n`);
  process.exitCode = 1;
} finally {
  // A file that is left open is complained about when it is collected.
  await source?.close();
}
