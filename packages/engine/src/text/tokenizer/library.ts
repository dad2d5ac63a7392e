import { Tokenizer } from "@huggingface/tokenizers";

interface Parts {
  readonly model: object;
  readonly normalizer: object;
  readonly pre_tokenizer: object;
}

/** What the library makes of one part of tokenizer.json. It exports its parts without types, and a tokenizer as a whole with them. */
export function libraryPart<Name extends keyof Parts>(
  name: Name,
  settings: object,
): NonNullable<Tokenizer[Name]> {
  const nothing = { type: "WordPiece", vocab: { "": 0 }, unk_token: "" };
  const json = {
    model: nothing,
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    added_tokens: [],
  };
  return new Tokenizer({ ...json, [name]: settings }, {})[name] as NonNullable<Tokenizer[Name]>;
}
