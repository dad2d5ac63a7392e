import { Presets, SingleBar } from "cli-progress";
import { formatBytes, formatDuration } from "./quantities.ts";

/** Milliseconds between lines where there is no terminal: short work prints none. */
const LINE_INTERVAL = 5000;
/** Milliseconds without news, after which it is said that there are none. */
const SILENCE = 15_000;

/** Shows how far byte-moving work is: a bar on a terminal, a line every few seconds elsewhere. On standard error, so output stays clean. */
export interface Progress {
  update(bytes: number, totalBytes: number): void;
  stop(): void;
}

export function byteProgress(label: string, quiet: boolean): Progress {
  if (quiet) return { update() {}, stop() {} };
  return process.stderr.isTTY ? bar(label) : lines(label);
}

/** Says every few seconds what takes its time, where nothing else shows that there is life. */
export function signOfLife(doing: string, quiet: boolean): { stop(): void } {
  const started = performance.now();
  const say = () => {
    const time = formatDuration((performance.now() - started) / 1000);
    process.stderr.write(`${doing}: ${time} so far\n`);
  };
  const timer = quiet ? undefined : setInterval(say, LINE_INTERVAL).unref();
  return { stop: () => clearInterval(timer) };
}

/** Shows how far a run is: what it does, and how long the rest will take. */
export interface StepProgress {
  /** @param working whether what is done took time: what an earlier run had done did not */
  update(doing: string, done: number, total: number, working: boolean): void;
  /** Prints a line that stays. */
  say(line: string): void;
  /** The same, where there is no progress to show either. */
  warn(line: string): void;
  stop(): void;
}

export function stepProgress(quiet: boolean): StepProgress {
  if (quiet) return { update() {}, say() {}, warn, stop() {} };
  let first: { readonly done: number; readonly at: number } | undefined;
  const leftOf: TimeLeft = (done, total, working) => {
    if (working) first ??= { done, at: performance.now() };
    if (first === undefined || done <= first.done) return "?";
    const seconds = (performance.now() - first.at) / 1000;
    return formatDuration(((total - done) * seconds) / (done - first.done));
  };
  const steps = process.stderr.isTTY ? stepBar(leftOf) : stepLines(leftOf);
  return { ...steps, warn: steps.say };
}

function warn(line: string): void {
  process.stderr.write(`${line}\n`);
}

type TimeLeft = (done: number, total: number, working: boolean) => string;

function stepBar(leftOf: TimeLeft): Omit<StepProgress, "warn"> {
  const single = new SingleBar(
    {
      format: "{bar} {percentage}%  {left} left  {doing}",
      ...{ stream: process.stderr, clearOnComplete: true, hideCursor: true, barsize: 24 },
    },
    Presets.shades_classic,
  );
  let shown = false;
  const silence = watchSilence(1000, (doing, seconds) => {
    if (shown && 1000 * seconds >= SILENCE)
      single.update({ doing: `${doing}: nothing new for ${seconds} s` });
  });
  return {
    update(doing, done, total, working) {
      silence.heard(doing);
      if (!shown) single.start(total, done, { doing, left: "?" });
      shown = true;
      single.setTotal(total);
      single.update(done, { doing, left: leftOf(done, total, working) });
    },
    say(line) {
      if (shown) single.stop();
      shown = false;
      process.stderr.write(`${line}\n`);
    },
    stop() {
      silence.stop();
      single.stop();
    },
  };
}

function stepLines(leftOf: TimeLeft): Omit<StepProgress, "warn"> {
  let printed = performance.now();
  const silence = watchSilence(SILENCE, (doing, seconds) => {
    process.stderr.write(`${doing}: nothing new for ${seconds} s\n`);
  });
  return {
    update(doing, done, total, working) {
      silence.heard(doing);
      const left = leftOf(done, total, working);
      if (performance.now() - printed < LINE_INTERVAL) return;
      printed = performance.now();
      process.stderr.write(`${doing}: ${Math.floor((100 * done) / Math.max(1, total))}%, ${left} left\n`);
    },
    say: (line) => void process.stderr.write(`${line}\n`),
    stop: silence.stop,
  };
}

/** Tells, every so many milliseconds, how long nothing was heard. */
function watchSilence(interval: number, tell: (doing: string, seconds: number) => void) {
  let last: { readonly doing: string; readonly at: number } | undefined;
  const timer = setInterval(() => {
    const seconds = last === undefined ? 0 : Math.round((performance.now() - last.at) / 1000);
    if (last !== undefined && 1000 * seconds >= interval) tell(last.doing, seconds);
  }, interval).unref();
  return {
    heard(doing: string) {
      last = { doing, at: performance.now() };
    },
    stop: () => clearInterval(timer),
  };
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
  let [bytes, totalBytes] = [0, 0];
  const timer = setInterval(() => {
    const { rate, left } = pace(bytes, totalBytes, started);
    const percent = Math.floor((100 * bytes) / Math.max(1, totalBytes));
    const pacing = bytes === 0 ? "" : ` ${percent}% of ${formatBytes(totalBytes)}, ${rate}/s, ${left} left`;
    const time = formatDuration((performance.now() - started) / 1000);
    process.stderr.write(`${label}${pacing === "" ? `: ${time} so far` : pacing}\n`);
  }, LINE_INTERVAL).unref();
  return {
    update(done, total) {
      [bytes, totalBytes] = [done, total];
    },
    stop: () => clearInterval(timer),
  };
}

function pace(bytes: number, totalBytes: number, started: number): { rate: string; left: string } {
  const seconds = Math.max(1e-3, (performance.now() - started) / 1000);
  const rate = bytes / seconds;
  return { rate: formatBytes(rate), left: rate > 0 ? formatDuration((totalBytes - bytes) / rate) : "?" };
}
