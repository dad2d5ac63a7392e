/** −ln of the share that softmax gives a token. */
export function surprisal(logits: Float32Array, token: number): number {
  return logSumExp(logits) - (logits[token] as number);
}

/** ln Σ exp of logits. */
export function logSumExp(logits: Float32Array): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) largest = Math.max(largest, logits[i] as number);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp((logits[i] as number) - largest);
  return Math.log(sum) + largest;
}
