import { byteCharacters } from "./byte-characters.ts";
import { libraryPart } from "./library.ts";
import type { Part } from "./part.ts";
import { patternOf, SPACE } from "./pattern.ts";

/** Makes a text one of those that the vocabulary knows. */
export type Normalize = (text: string) => string;

const LEADING = new RegExp(`^${SPACE}+`, "u");
const TRAILING = new RegExp(`${SPACE}+$`, "u");
/** Control characters that NMT drops, and what it takes for a blank. */
const CONTROL = "\u0001-\u0008\u000b\u000e-\u001f\u007f\u008f\u009f";
const DROPPED = new RegExp(`[${CONTROL}]`, "g");
const BLANKS = /[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]/g;

/** @throws {TokenizerError} where it is none that is known */
export function normalizer(part: Part | undefined): Normalize {
  if (part === undefined) return (text) => text;
  switch (part.type) {
    case "Sequence": {
      const steps = part.parts("normalizers").map(normalizer);
      return (text) => steps.reduce((made, step) => step(made), text);
    }
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD": {
      const form = part.type;
      return (text) => text.normalize(form);
    }
    case "Lowercase":
      return lowercase;
    case "Strip": {
      const [left, right] = [part.flag("strip_left"), part.flag("strip_right")];
      return (text) => {
        const started = left ? text.replace(LEADING, "") : text;
        return right ? started.replace(TRAILING, "") : started;
      };
    }
    case "StripAccents":
      return (text) => text.replace(/\p{M}/gu, "");
    case "Replace": {
      const [pattern, content] = [patternOf(part), part.text("content")];
      return (text) => text.replace(pattern, () => content);
    }
    case "Prepend": {
      const before = part.text("prepend");
      return (text) => (text === "" ? "" : before + text);
    }
    case "Nmt":
      return (text) => text.replace(DROPPED, "").replace(BLANKS, " ");
    case "ByteLevel":
      return byteCharacters;
    case "BertNormalizer":
      return bert(part);
    case "Precompiled": {
      const own = libraryPart("normalizer", { type: "Precompiled" });
      return (text) => own.normalize(text);
    }
    default:
      throw part.unknown("normalizer");
  }
}

/** Character by character, as Rust does: a sigma at a word's end is no special case. */
function lowercase(text: string): string {
  return [...text].map((character) => character.toLowerCase()).join("");
}

const HAN =
  /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/gu;

/** Without control characters, with blanks around Chinese ones, without accents and in small letters, each where it is told. */
function bert(part: Part): Normalize {
  const [clean, han, small] = [
    part.flag("clean_text", true),
    part.flag("handle_chinese_chars", true),
    part.flag("lowercase", true),
  ];
  const plain = part.has("strip_accents") ? part.flag("strip_accents") : small;
  return (text) => {
    const cleaned = clean
      ? text.replace(/(?![\t\n\r])[\p{Cc}\p{Cf}\p{Co}\uFFFD]/gu, "").replace(/\p{White_Space}/gu, " ")
      : text;
    const apart = han ? cleaned.replace(HAN, " $& ") : cleaned;
    const bare = plain ? apart.normalize("NFD").replace(/\p{Mn}/gu, "") : apart;
    return small ? lowercase(bare) : bare;
  };
}
