import type { PunktParameters } from "./punkt.ts";

const words = (list: string): readonly string[] => list.trim().split(/\s+/);

const ABBREVIATIONS = [
  // Titles and names
  "adm atty brig capt cmdr col cpl dr drs esq fr gen gov hon jr lt maj messrs mlle mme mr mrs ms msgr pres prof pvt rep rev sen sgt sr st supt",
  // Places
  "ala ariz ark ave blvd calif colo conn dak dist fla ga hwy ind kan ky md mich minn mo mont mt nev okla ont penn rd tenn tex va vt wis wyo",
  "d.c u.k u.n u.s u.s.a u.s.s.r n.y l.a e.u",
  // Organisations
  "assn bros cie corp dept div inc ltd mfg univ",
  // Months and days
  "jan feb apr jun jul aug sep sept oct nov dec tue tues thu thur thurs",
  // Text
  "approx c.f ca cf ch ed eds e.g eg eq eqs est et.al etc fig figs i.e ibid ie incl nos op p pg pp resp sec ser trans viz vol vols vs v",
  // Measures and times
  "a.m p.m a.d b.c c.e b.c.e ft hr hrs kg km lb lbs m.p.h mins oz sq tel yd yr yrs",
  // Degrees
  "b.a b.s m.a m.b.a m.d m.s ph.d j.d",
].flatMap(words);

const SENTENCE_STARTERS = words(`
  a although an and another as at both but by during even every first for from he her here his how however i if in instead it its many
  meanwhile more most my no nor not now of on one only or our perhaps she since so some still such that the their then there these they
  this those though through to under we what when where which while who why with yet you your
`);

/**
 * English abbreviations that stand before a name, a number or a word in lower case, for where NLTK's trained parameters are not at hand.
 * Words that also end sentences (no, in, ill, Sun, Wash) are left out.
 */
export const builtinPunkt: PunktParameters = {
  abbreviations: new Set(ABBREVIATIONS),
  collocations: new Set(),
  sentenceStarters: new Set(SENTENCE_STARTERS),
  orthographicContext: new Map(),
};
