import type { Candidates, Match } from "./meteor15-matches.ts";

/** How many partial alignments are followed from word to word. */
const BEAM = 40;

/** Matches chosen so far, the last first. */
interface Chosen {
  readonly match: Match;
  readonly before: Chosen | undefined;
}

/** An alignment of the words of the reference up to some word. */
interface Path {
  /** Words of the hypothesis that are taken, in groups of 32 bits; shared with other paths, and without those of `pending`. */
  taken: readonly number[];
  /** The last match, where it is not in `taken` yet: most paths are dropped before anyone asks. */
  pending: Match | undefined;
  chosen: Chosen | undefined;
  /** Words matched on both sides, those of a match other than exact counted by half and rounded down. */
  coverage: number;
  chunks: number;
  distance: number;
  /** Just past the last match in the hypothesis, or −1 where the word before is unmatched. */
  lastEnd: number;
  /** The first word of the reference that is not dealt with. */
  next: number;
}

/**
 * Chooses matches that do not overlap, as METEOR 1.5 does: going through the reference with a beam, for the most words covered, then the
 * fewest chunks, then the least distance between the starts of the two sides. Two habits of the tool decide ties: half a word of coverage
 * counts for nothing, and the distance of a match is added to the path that goes on *without* it, and so to those that branch off later.
 * @returns the matches in the order of the reference
 */
export function chooseMatches(candidates: Candidates, hypothesisLength: number): Match[] {
  const certain = candidates.at.map((matches) => certainMatch(matches, candidates));
  const matches = certain.filter((match) => match !== undefined);
  const taken = new Array<number>((hypothesisLength + 31) >> 5).fill(0);
  const settled = new Uint8Array(candidates.at.length);
  for (const match of matches) {
    take(taken, match);
    settled.fill(1, match.start, match.start + match.length);
  }
  let paths: Path[] = [
    {
      taken,
      pending: undefined,
      chosen: undefined,
      coverage: 0,
      chunks: 0,
      distance: 0,
      lastEnd: -1,
      next: 0,
    },
  ];
  for (let i = 0; i < candidates.at.length; i++) {
    const extended: Path[] = [];
    for (const path of best(paths)) {
      if (i < path.next) extended.push(path);
      else if (settled[i] === 1) extended.push(goOn(path, certain[i] as Match));
      else branch(path, candidates.at[i] as Match[], settled, extended);
    }
    paths = extended;
  }
  paths = best(paths);
  for (const path of paths) if (path.lastEnd !== -1) path.chunks++;
  let chosen = best(paths)[0]?.chosen;
  for (; chosen !== undefined; chosen = chosen.before) matches.push(chosen.match);
  return matches.sort((a, b) => a.start - b.start);
}

/** The only match at a word, if no other match touches a word of it. */
function certainMatch(matches: readonly Match[], candidates: Candidates): Match | undefined {
  const [match] = matches;
  if (match === undefined || matches.length > 1) return undefined;
  const once = (coverage: Int32Array, start: number, length: number) => {
    for (let i = start; i < start + length; i++) if (coverage[i] !== 1) return false;
    return true;
  };
  return once(candidates.referenceCoverage, match.start, match.length) &&
    once(candidates.hypothesisCoverage, match.hypothesisStart, match.hypothesisLength)
    ? match
    : undefined;
}

/** The best paths, best first; of equals, those that were made first. */
function best(paths: Path[]): Path[] {
  if (paths.length === 1) return paths;
  paths.sort((a, b) => b.coverage - a.coverage || a.chunks - b.chunks || a.distance - b.distance);
  if (paths.length > BEAM) paths.length = BEAM;
  return paths;
}

/** Follows a match that no path can do without. */
function goOn(path: Path, match: Match): Path {
  path.distance += Math.abs(match.start - match.hypothesisStart);
  return follow(path, match);
}

/** Adds to `extended` the path with each match that is free, and without any. */
function branch(path: Path, matches: readonly Match[], settled: Uint8Array, extended: Path[]): void {
  if (matches.length > 0 && path.pending !== undefined) {
    const taken = path.taken.slice();
    take(taken, path.pending);
    path.taken = taken;
    path.pending = undefined;
  }
  for (const match of matches) {
    if (isSettled(settled, match) || isTaken(path.taken, match)) continue;
    const { taken, coverage, chunks, distance, lastEnd, next } = path;
    const chosen = { match, before: path.chosen };
    extended.push(
      follow({ taken, pending: match, chosen, coverage, chunks, distance, lastEnd, next }, match),
    );
    path.distance += Math.abs(match.start - match.hypothesisStart);
  }
  if (path.lastEnd !== -1) path.chunks++;
  path.lastEnd = -1;
  path.next++;
  extended.push(path);
}

/** Counts a match as the path's last. */
function follow(path: Path, match: Match): Path {
  path.coverage +=
    match.module === 0
      ? match.hypothesisLength + match.length
      : (match.hypothesisLength >> 1) + (match.length >> 1);
  if (path.lastEnd !== -1 && match.hypothesisStart !== path.lastEnd) path.chunks++;
  path.next = match.start + match.length;
  path.lastEnd = match.hypothesisStart + match.hypothesisLength;
  return path;
}

function isSettled(settled: Uint8Array, { start, length }: Match): boolean {
  for (let i = start; i < start + length; i++) if (settled[i] === 1) return true;
  return false;
}

function isTaken(taken: readonly number[], { hypothesisStart, hypothesisLength }: Match): boolean {
  for (let i = hypothesisStart; i < hypothesisStart + hypothesisLength; i++) {
    if (((taken[i >> 5] as number) & (1 << (i & 31))) !== 0) return true;
  }
  return false;
}

function take(taken: number[], { hypothesisStart, hypothesisLength }: Match): void {
  for (let i = hypothesisStart; i < hypothesisStart + hypothesisLength; i++) {
    taken[i >> 5] = (taken[i >> 5] as number) | (1 << (i & 31));
  }
}
