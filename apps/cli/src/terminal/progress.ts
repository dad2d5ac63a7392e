import { Presets, SingleBar } from "cli-progress";
import { formatBytes, formatDuration } from "./quantities.ts";

/** Shows how far byte-moving work is: a bar on a terminal, a line every tenth elsewhere. On standard error, so output stays clean. */
export interface Progress {
  update(bytes: number, totalBytes: number): void;
  stop(): void;
}

export function byteProgress(label: string, quiet: boolean): Progress {
  if (quiet) return { update() {}, stop() {} };
  return process.stderr.isTTY ? bar(label) : lines(label);
}

function bar(label: string): Progress {
  const started = performance.now();
  const single = new SingleBar(
    {
      format: `${label} {bar} {percentage}%  {done} of {all}  {rate}/s  {left} left`,
      stream: process.stderr,
      clearOnComplete: true,
      hideCursor: true,
      barsize: 30,
    },
    Presets.shades_classic,
  );
  let shown = false;
  return {
    update(bytes, totalBytes) {
      const { rate, left } = pace(bytes, totalBytes, started);
      const payload = { done: formatBytes(bytes), all: formatBytes(totalBytes), rate, left };
      if (!shown) single.start(totalBytes, 0, payload);
      shown = true;
      single.update(bytes, payload);
    },
    stop() {
      single.stop();
    },
  };
}

function lines(label: string): Progress {
  const started = performance.now();
  let tenths = 0;
  return {
    update(bytes, totalBytes) {
      const reached = Math.floor((10 * bytes) / Math.max(1, totalBytes));
      if (reached <= tenths) return;
      tenths = reached;
      const { rate, left } = pace(bytes, totalBytes, started);
      const rest = reached < 10 ? `, ${left} left` : "";
      process.stderr.write(`${label} ${reached * 10}% of ${formatBytes(totalBytes)}, ${rate}/s${rest}\n`);
    },
    stop() {},
  };
}

function pace(bytes: number, totalBytes: number, started: number): { rate: string; left: string } {
  const seconds = Math.max(1e-3, (performance.now() - started) / 1000);
  const rate = bytes / seconds;
  return { rate: formatBytes(rate), left: rate > 0 ? formatDuration((totalBytes - bytes) / rate) : "?" };
}
