/** What readings of an answer know of its question. */
export interface AskedQuestion {
  readonly id: string;
  /** Texts of the choices, in the order of their letters; empty where there are none. */
  readonly choices: readonly string[];
}

/** Takes out of an answer what is compared with the reference: a letter, yes or no, a number, a box. */
export type Reading = (answer: string, question: AskedQuestion) => string;
