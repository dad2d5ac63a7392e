import { checkOptions, oneOf } from "@vlmopt/options";
import { type Metric, meanMetric } from "../metric.ts";
import { signature } from "../signature.ts";
import { splitWords, strip } from "../text/python-classes.ts";

export interface VqaAccuracyOptions {
  /** `always` unless told, as lmms-eval does; `unless-unanimous`, as the authors' evaluation: where people all agree, texts count as they are. */
  readonly normalise?: "always" | "unless-unanimous";
}

/** Each person's answer is held against the others', of which three must agree for a full score. */
const FEWEST_ANSWERS = 4;

/**
 * VQA accuracy (Antol et al. 2015): each person's answer left out in turn, the share min(1, n / 3) for n others who said the same, averaged;
 * texts normalised by the rules of its authors' evaluation.
 * @throws {MetricInputError} for fewer than four people's answers, of which a right one could not score 1
 */
export function vqaAccuracy(options: VqaAccuracyOptions = {}): Metric {
  checkOptions("vqaAccuracy", options, { normalise: oneOf(["always", "unless-unanimous"]) });
  const { normalise: when = "always" } = options;
  const metric = when === "always" ? "vqa-accuracy" : "vqa-accuracy-authors";
  const name = signature("vqa-accuracy", { variant: when === "always" ? "lmms-eval" : "v2", norm: when });
  return meanMetric(
    metric,
    [metric],
    name,
    (prediction, references) => {
      const plain = [prediction, ...references].map((text) => strip(text.replace(/[\n\t]/g, " ")));
      const asTheyAre = when === "unless-unanimous" && new Set(plain.slice(1)).size <= 1;
      const [answer, ...people] = asTheyAre ? plain : plain.map((text) => normalise(text));
      const same = people.filter((other) => other === answer).length;
      const shares = people.map((other) => Math.min(1, (same - (other === answer ? 1 : 0)) / 3));
      return Float64Array.of(shares.reduce((sum, share) => sum + share, 0) / shares.length);
    },
    {
      fewestReferences: {
        count: FEWEST_ANSWERS,
        otherwise: "take exact-match for one right answer, anls for texts that are read",
      },
    },
  );
}

const marks = [...'; / [ ] " { } ( ) = + \\ _ - > < @ ` , ? !'.split(" ")];
/** The evaluation means 32 as a flag, and passes it as a count. */
const MOST_PERIODS = 32;

function normalise(text: string): string {
  return withoutArticles(withoutPunctuation(text));
}

/** Marks beside blanks vanish, others become blanks; a comma between digits makes all marks vanish. */
function withoutPunctuation(text: string): string {
  const hasNumber = /\d,\d/.test(text);
  let result = text;
  for (const mark of marks) {
    const vanishes = hasNumber || text.includes(`${mark} `) || text.includes(` ${mark}`);
    result = result.replaceAll(mark, vanishes ? "" : " ");
  }
  let periods = 0;
  return result.replace(/\.(?!\d)/g, (period) => (periods++ < MOST_PERIODS ? "" : period));
}

const numbers = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
const digits = new Map([["none", "0"], ...numbers.map((word, value) => [word, String(value)] as const)]);
const articles = new Set(["a", "an", "the"]);

function withoutArticles(text: string): string {
  return splitWords(text.toLowerCase())
    .map((word) => digits.get(word) ?? word)
    .filter((word) => !articles.has(word))
    .map((word) => contractions.get(word) ?? word)
    .join(" ");
}

/** The evaluation's list, oddities and all; those with capitals are left out, since words come in small letters. */
const contractions = new Map(
  `aint ain't|arent aren't|cant can't|couldve could've|couldnt couldn't|couldn'tve couldn't've|couldnt've couldn't've|didnt didn't
doesnt doesn't|dont don't|hadnt hadn't|hadnt've hadn't've|hadn'tve hadn't've|hasnt hasn't|havent haven't|hed he'd|hed've he'd've
he'dve he'd've|hes he's|howd how'd|howll how'll|hows how's|isnt isn't|itd it'd|itd've it'd've|it'dve it'd've|itll it'll|let's let's
maam ma'am|mightnt mightn't|mightnt've mightn't've|mightn'tve mightn't've|mightve might've|mustnt mustn't|mustve must've
neednt needn't|notve not've|oclock o'clock|oughtnt oughtn't|ow's'at 'ow's'at|'ows'at 'ow's'at|'ow'sat 'ow's'at|shant shan't
shed've she'd've|she'dve she'd've|she's she's|shouldve should've|shouldnt shouldn't|shouldnt've shouldn't've|shouldn'tve shouldn't've
somebody'd somebodyd|somebodyd've somebody'd've|somebody'dve somebody'd've|somebodyll somebody'll|somebodys somebody's
someoned someone'd|someoned've someone'd've|someone'dve someone'd've|someonell someone'll|someones someone's|somethingd something'd
somethingd've something'd've|something'dve something'd've|somethingll something'll|thats that's|thered there'd|thered've there'd've
there'dve there'd've|therere there're|theres there's|theyd they'd|theyd've they'd've|they'dve they'd've|theyll they'll|theyre they're
theyve they've|twas 'twas|wasnt wasn't|wed've we'd've|we'dve we'd've|weve we've|werent weren't|whatll what'll|whatre what're
whats what's|whatve what've|whens when's|whered where'd|wheres where's|whereve where've|whod who'd|whod've who'd've|who'dve who'd've
wholl who'll|whos who's|whove who've|whyll why'll|whyre why're|whys why's|wont won't|wouldve would've|wouldnt wouldn't
wouldnt've wouldn't've|wouldn'tve wouldn't've|yall y'all|yall'll y'all'll|y'allll y'all'll|yall'd've y'all'd've|y'alld've y'all'd've
y'all'dve y'all'd've|youd you'd|youd've you'd've|you'dve you'd've|youll you'll|youre you're|youve you've`
    .split(/[|\n]/)
    .map((pair) => pair.split(" ") as [string, string]),
);
