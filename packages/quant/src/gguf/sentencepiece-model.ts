import { protobufFields } from "./protobuf.ts";
import { type Token, type TokenType, tokenTypes, type Vocabulary } from "./vocabulary.ts";

/** Numbers of fields and kinds in SentencePiece's sentencepiece_model.proto. */
const PIECES = 1;
const TRAINER_SPEC = 2;
const NORMALIZER_SPEC = 3;
const MODEL_TYPE = 3;
const BPE = 2;
const ADD_DUMMY_PREFIX = 3;

const typeNames = new Map(Object.entries(tokenTypes).map(([name, id]) => [id as number, name as TokenType]));

/**
 * Reads a `tokenizer.model` of SentencePiece.
 * @throws {RangeError} where it is cut, or of another kind than BPE
 */
export function readSentencePieceModel(file: Uint8Array): Vocabulary {
  const tokens: Token[] = [];
  let modelType = 1;
  let addSpacePrefix = true;
  for (const { number, value } of protobufFields(file)) {
    if (typeof value === "number") continue;
    if (number === PIECES) tokens.push(readPiece(value));
    if (number === TRAINER_SPEC) modelType = numberIn(value, MODEL_TYPE) ?? modelType;
    if (number === NORMALIZER_SPEC) addSpacePrefix = numberIn(value, ADD_DUMMY_PREFIX) !== 0;
  }
  if (modelType !== BPE) {
    throw new RangeError(
      `its pieces are of model type ${modelType}, and only BPE (${BPE}) merges as Llama's do`,
    );
  }
  return { tokens, addSpacePrefix };
}

function readPiece(message: Uint8Array): Token {
  let text = "";
  let score = 0;
  let type: TokenType = "normal";
  for (const { number, value } of protobufFields(message)) {
    if (number === 1 && typeof value !== "number") text = new TextDecoder().decode(value);
    if (number === 2 && typeof value !== "number") {
      score = new DataView(value.buffer, value.byteOffset, 4).getFloat32(0, true);
    }
    if (number === 3 && typeof value === "number") type = typeNames.get(value) ?? "normal";
  }
  return { text, score, type };
}

/** The last varint of that number; undefined where there is none. */
function numberIn(message: Uint8Array, field: number): number | undefined {
  let found: number | undefined;
  for (const { number, value } of protobufFields(message)) {
    if (number === field && typeof value === "number") found = value;
  }
  return found;
}
