import { describe, expect, it } from "vitest";
import { punktSentences } from "./punkt.ts";
import { punktModel } from "./punkt-data.ts";

describe("sentences by the built-in abbreviations", () => {
  const sentences = (text: string) => punktSentences(text, punktModel(false).parameters, "3.8");

  it("end at periods, question and exclamation marks, with the quotes and brackets that close after them", () => {
    expect(sentences('He said "Stop!" Then he left. (Nobody saw it.) Why?')).toEqual([
      'He said "Stop!"',
      "Then he left.",
      "(Nobody saw it.)",
      "Why?",
    ]);
  });

  it("go on after titles, initials, Latin abbreviations and decimals", () => {
    expect(
      sentences(
        "Dr. Smith and J. F. Kennedy paid approx. 3.50 dollars, e.g. for tea. They left at 5 p.m. sharp.",
      ),
    ).toEqual([
      "Dr. Smith and J. F. Kennedy paid approx. 3.50 dollars, e.g. for tea.",
      "They left at 5 p.m. sharp.",
    ]);
  });

  it("end after an abbreviation where a word follows that often begins sentences", () => {
    expect(sentences("She lives in the U.S. However, he does not.")).toEqual([
      "She lives in the U.S.",
      "However, he does not.",
    ]);
  });
});
