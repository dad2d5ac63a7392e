import { type PythonClasses, re, regex, trimEnd } from "./python-classes.ts";
import type { NltkRelease } from "./treebank-tokenizer.ts";

/** What Punkt learns of a language. Types are lower-cased words; numbers are the type `##number##`. */
export interface PunktParameters {
  /** Types that end in a period without ending a sentence, without that period. */
  readonly abbreviations: ReadonlySet<string>;
  /** Pairs `first\tsecond` of types that go together across a period, the first without it. */
  readonly collocations: ReadonlySet<string>;
  /** Types that often begin a sentence. */
  readonly sentenceStarters: ReadonlySet<string>;
  /** Type → in which of NLTK's orthographic contexts it was met, as bits. */
  readonly orthographicContext: ReadonlyMap<string, number>;
}

/** Bits of an orthographic context: upper or lower case at the beginning of a sentence, inside one, and where that was not known. */
const [BEGIN_UPPER, INSIDE_UPPER, UNKNOWN_UPPER, BEGIN_LOWER, INSIDE_LOWER, UNKNOWN_LOWER] = [
  2, 4, 8, 16, 32, 64,
];
const UPPER = BEGIN_UPPER | INSIDE_UPPER | UNKNOWN_UPPER;
const LOWER = BEGIN_LOWER | INSIDE_LOWER | UNKNOWN_LOWER;

interface Patterns {
  /** A character that may end a sentence, and what follows it: punctuation, or white space and a token. */
  readonly candidate: RegExp;
  readonly token: RegExp;
  /** Closing punctuation that belongs to the sentence before. */
  readonly closing: RegExp;
  readonly initial: RegExp;
}

/** @param quotes Quotation marks beyond ASCII that count as closing punctuation. */
function patterns(quotes: string, { space, wordNotDigit }: PythonClasses): Patterns {
  const punctuation = `[)";}\\]*:@'({\\[!?${quotes}]`;
  const repeated = `(?:-{2,}|\\.{2,}|(?:\\.[${space}]){2,}\\.)`;
  const end = `[${space}]|$|${punctuation}|${repeated}`;
  return {
    candidate: new RegExp(`[.?!](?=(?<after>${punctuation}|[${space}]+(?<next>[^${space}]+)))`, "gu"),
    token: new RegExp(
      `${repeated}|(?=[^("\`{\\[:;&#*@)}\\]\\-,])[^${space}]+?(?=${end}|,(?=${end}))|[^${space}]`,
      "gu",
    ),
    closing: new RegExp(`^["')\\]}${quotes}]+?(?:[${space}]+|(?=--)|(?=\\n)|$)`, "u"),
    initial: new RegExp(`^[${wordNotDigit}]\\.$`, "u"),
  };
}

const UNTIL_3_9 = patterns("", re);
const PATTERNS: Readonly<Record<NltkRelease, Patterns>> = {
  "3.8": UNTIL_3_9,
  "3.9": UNTIL_3_9,
  "3.10": patterns("\\u2018\\u2019\\u201c\\u201d\\xab\\xbb", regex),
};

const NUMERIC = new RegExp(`^-?[.,]?[${re.digit}][${re.digit},.-]*\\.?$`, "u");
const ELLIPSIS = /^\.\.+$/;

/** Sentences of a text by the Punkt algorithm (Kiss & Strunk 2006), as NLTK's PunktSentenceTokenizer applies it. */
export function punktSentences(text: string, parameters: PunktParameters, release: NltkRelease): string[] {
  const pattern = PATTERNS[release];
  const sentences: string[] = [];
  /** How much of the next sentence's beginning has gone to the one before. */
  let moved = 0;
  const spans = sentenceSpans(text, parameters, pattern);
  for (const [n, span] of spans.entries()) {
    const start = span.start + moved;
    const next = spans[n + 1];
    const closing = next === undefined ? null : pattern.closing.exec(text.slice(next.start, next.end));
    if (next !== undefined && closing !== null) {
      sentences.push(text.slice(start, next.start + trimEnd(closing[0]).length));
      moved = closing[0].length;
    } else {
      if (start < span.end) sentences.push(text.slice(start, span.end));
      moved = 0;
    }
  }
  return sentences;
}

interface Span {
  readonly start: number;
  readonly end: number;
}

function sentenceSpans(text: string, parameters: PunktParameters, pattern: Patterns): Span[] {
  const spans: Span[] = [];
  let start = 0;
  for (const { context, end, next } of candidates(text, pattern)) {
    if (!containsBreak(context, parameters, pattern)) continue;
    spans.push({ start, end });
    start = next;
  }
  return [...spans, { start, end: trimEnd(text).length }];
}

interface Candidate {
  /** The word before the character that may end the sentence, that character and what follows. */
  readonly context: string;
  /** Just past that character. */
  readonly end: number;
  /** Where the next sentence would begin. */
  readonly next: number;
}

/** Of candidates whose words before overlap, as in `!!!`, only the last counts. */
function candidates(text: string, pattern: Patterns): Candidate[] {
  const found: Candidate[] = [];
  let word: Span = { start: 0, end: 0 };
  let candidate: Candidate | undefined;
  for (const match of text.matchAll(pattern.candidate)) {
    const space = lastAsciiSpace(text, word.end, match.index);
    const start = space > word.end ? space + 1 : word.start;
    if (candidate !== undefined && word.end <= start) found.push(candidate);
    word = { start, end: match.index };
    const { after = "", next } = match.groups ?? {};
    const end = match.index + 1;
    candidate = {
      context: text.slice(start, end) + after,
      end,
      next: next === undefined ? end : end + after.length - next.length,
    };
  }
  return candidate === undefined ? found : [...found, candidate];
}

/** The last of Python's string.whitespace in a stretch of text, or −1. */
function lastAsciiSpace(text: string, start: number, end: number): number {
  for (let i = end - 1; i >= start; i--) {
    const code = text.charCodeAt(i);
    if (code === 32 || (code >= 9 && code <= 13)) return i;
  }
  return -1;
}

interface Token {
  readonly text: string;
  readonly type: string;
  breaks: boolean;
  abbreviates: boolean;
  readonly isEllipsis: boolean;
}

/** Whether a token before the last ends a sentence. */
function containsBreak(context: string, parameters: PunktParameters, pattern: Patterns): boolean {
  const words = context.split("\n").flatMap((line) => line.match(pattern.token) ?? []);
  const tokens = words.map((word) => classify(word, parameters));
  return tokens.some((token, i) => {
    const next = tokens[i + 1];
    if (next === undefined) return false;
    reclassify(token, next, parameters, pattern);
    return token.breaks;
  });
}

/** First pass: by the word alone. */
function classify(text: string, { abbreviations }: PunktParameters): Token {
  const lower = text.toLowerCase();
  const isEllipsis = ELLIPSIS.test(text);
  const endsInOnePeriod = text.endsWith(".") && !text.endsWith("..");
  const bare = lower.slice(0, -1);
  const abbreviates =
    text !== "." &&
    endsInOnePeriod &&
    (abbreviations.has(bare) || abbreviations.has(bare.slice(bare.lastIndexOf("-") + 1)));
  return {
    text,
    type: NUMERIC.test(lower) ? "##number##" : lower,
    breaks: text === "?" || text === "!" || (endsInOnePeriod && !abbreviates),
    abbreviates,
    isEllipsis,
  };
}

/** Second pass: by the word after. */
function reclassify(token: Token, next: Token, parameters: PunktParameters, pattern: Patterns): void {
  if (!token.text.endsWith(".")) return;
  const type = withoutPeriod(token.type);
  const nextType = next.breaks ? withoutPeriod(next.type) : next.type;
  const isInitial = pattern.initial.test(token.text);
  const deny = () => {
    token.breaks = false;
    token.abbreviates = true;
  };
  if (parameters.collocations.has(`${type}\t${nextType}`)) {
    deny();
    return;
  }
  const starts = startsSentence(next, nextType, parameters);
  if ((token.abbreviates || token.isEllipsis) && !isInitial) {
    if (starts === true || (isUpper(next.text) && parameters.sentenceStarters.has(nextType))) {
      token.breaks = true;
      return;
    }
  }
  if (isInitial || type === "##number##") {
    const onlyUpper = ((parameters.orthographicContext.get(nextType) ?? 0) & LOWER) === 0;
    if (starts === false || (starts === undefined && isInitial && isUpper(next.text) && onlyUpper)) deny();
  }
}

/** The orthographic heuristic: whether a token's case tells that it begins a sentence; undefined where it does not tell. */
function startsSentence(token: Token, type: string, parameters: PunktParameters): boolean | undefined {
  if (/^[;:,.!?]$/.test(token.text)) return false;
  const context = parameters.orthographicContext.get(type) ?? 0;
  if (isUpper(token.text) && (context & LOWER) !== 0 && (context & INSIDE_UPPER) === 0) return true;
  if (isLower(token.text) && ((context & UPPER) !== 0 || (context & BEGIN_LOWER) === 0)) return false;
  return undefined;
}

function withoutPeriod(type: string): string {
  return type.length > 1 && type.endsWith(".") ? type.slice(0, -1) : type;
}

function isUpper(text: string): boolean {
  return /^\p{Uppercase}/u.test(text);
}

function isLower(text: string): boolean {
  return /^\p{Lowercase}/u.test(text);
}
