/** There is no tokenizer beside the weights, or it or its chat template cannot be used. */
export class TokenizerError extends Error {
  override readonly name = "TokenizerError";
}
