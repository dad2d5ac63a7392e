import { InvalidArgumentError } from "@commander-js/extra-typings";
import { finite, type Rule, whole } from "@vlmopt/options";

const UNITS = ["B", "kB", "MB", "GB", "TB"] as const;

/** Bytes for people, in decimal units as disks and the hub count them: `13.5 GB`. */
export function formatBytes(bytes: number): string {
  const power = Math.min(UNITS.length - 1, bytes < 1000 ? 0 : Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toPrecision(3)} ${UNITS[power]}`;
}

/** A count with its thousands apart: `7,063,427,072`. */
export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}

/** Seconds as `4.2 s`, `3 min 05 s` or `2 h 10 min`. */
export function formatDuration(seconds: number): string {
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  const rest = (count: number) => String(count).padStart(2, "0");
  if (minutes < 60) return `${minutes} min ${rest(Math.floor(seconds % 60))} s`;
  return `${Math.floor(minutes / 60)} h ${rest(minutes % 60)} min`;
}

/** Reads `2GB`, `500 MB`, `1GiB` or a plain number of bytes. */
export function parseBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?$/i.exec(text.trim());
  const power = " kmgt".indexOf((match?.[2] || " ").toLowerCase());
  const bytes = Math.floor(Number(match?.[1]) * (match?.[3] ? 1024 : 1000) ** power);
  if (match === null || !(bytes > 0))
    throw new InvalidArgumentError("Give a size such as 2GB, 500MB or 1GiB.");
  return bytes;
}

const SECONDS = { s: 1, m: 60, min: 60, h: 3600 } as const;

/** Reads `90s`, `10m` or `1.5h`: seconds. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?) ?(s|m|min|h)$/i.exec(text.trim());
  const unit = match?.[2]?.toLowerCase() as keyof typeof SECONDS | undefined;
  const seconds = unit === undefined ? 0 : Number(match?.[1]) * SECONDS[unit];
  if (!(seconds > 0)) throw new InvalidArgumentError("Give a time such as 90s, 10m or 1.5h.");
  return seconds;
}

/** Reads a number by the rule that the option has wherever it enters. */
export function parseBy(rule: Rule): (text: string) => number {
  return (text) => {
    const value = text.trim() === "" ? Number.NaN : Number(text);
    const problem = rule.problem(value);
    if (problem === undefined) return value;
    throw new InvalidArgumentError(
      `It ${Number.isNaN(value) ? problem.replace("NaN", JSON.stringify(text)) : problem}.`,
    );
  };
}

/** Reads a whole number of at least `least`. */
export function parseWhole(least: number): (text: string) => number {
  return parseBy(whole({ from: least }));
}

/** Reads a number from `least` to `most`. */
export function parseNumber(least: number, most?: number): (text: string) => number {
  return parseBy(finite(most === undefined ? { from: least } : { from: least, to: most }));
}
