import type { Arguments, Expression } from "./nodes.ts";
import { TemplateError } from "./template-error.ts";
import { type TokenStream, told } from "./token-stream.ts";
import { none } from "./values.ts";

const COMPARISONS = ["==", "!=", "<", ">", "<=", ">="];

/** An expression by Jinja2's precedence: a choice by `if`, `or`, `and`, `not`, comparisons, sums, `~`, products, powers, signs. */
export function parseExpression(
  stream: TokenStream,
  { choices = true, filterOf }: { readonly choices?: boolean; readonly filterOf?: "block" } = {},
): Expression {
  if (filterOf === "block") return filterChain(stream, undefined);
  const leave = stream.enter();
  const found = choices ? choice(stream) : or(stream);
  leave();
  return found;
}

/** Expressions with commas between them make a tuple; one alone is itself. */
export function parseTuple(
  stream: TokenStream,
  {
    choices = true,
    ends = [],
    inParentheses = false,
  }: {
    readonly choices?: boolean;
    readonly ends?: readonly string[];
    readonly inParentheses?: boolean;
  } = {},
): Expression {
  const items: Expression[] = [];
  let isTuple = false;
  while (!atEnd()) {
    items.push(parseExpression(stream, { choices }));
    if (!stream.skip("operator", ",")) break;
    isTuple = true;
  }
  const [only] = items;
  if (!isTuple && only !== undefined) return only;
  if (!isTuple && !inParentheses) {
    throw new TemplateError(
      `line ${stream.look().line}: an expression is expected, not ${told(stream.look())}`,
    );
  }
  return { type: "tuple", items };

  function atEnd(): boolean {
    const { type, value } = stream.look();
    return (
      type === "close-block" ||
      type === "close-output" ||
      (type === "operator" && value === ")") ||
      (type === "name" && ends.includes(value))
    );
  }
}

function choice(stream: TokenStream): Expression {
  let found = or(stream);
  while (stream.skip("name", "if")) {
    const test = or(stream);
    const no = stream.skip("name", "else") ? parseExpression(stream) : undefined;
    found = { type: "choice", test, yes: found, no };
  }
  return found;
}

function or(stream: TokenStream): Expression {
  let left = and(stream);
  while (stream.skip("name", "or")) left = { type: "or", left, right: and(stream) };
  return left;
}

function and(stream: TokenStream): Expression {
  let left = not(stream);
  while (stream.skip("name", "and")) left = { type: "and", left, right: not(stream) };
  return left;
}

function not(stream: TokenStream): Expression {
  let times = 0;
  while (stream.skip("name", "not")) times += 1;
  let found = comparison(stream);
  for (let i = 0; i < Math.min(times, 2 + (times % 2)); i += 1) found = { type: "not", of: found };
  return found;
}

function comparison(stream: TokenStream): Expression {
  const first = sum(stream);
  const rest: [string, Expression][] = [];
  for (;;) {
    const { type, value } = stream.look();
    if (type === "operator" && COMPARISONS.includes(value)) rest.push([stream.next().value, sum(stream)]);
    else if (stream.skip("name", "in")) rest.push(["in", sum(stream)]);
    else if (stream.is("name", "not") && stream.look(1).type === "name" && stream.look(1).value === "in") {
      stream.next();
      stream.next();
      rest.push(["not in", sum(stream)]);
    } else return rest.length === 0 ? first : { type: "compare", first, rest };
  }
}

/** Operators of one precedence, from left to right. */
function arithmetic(operators: readonly string[], operand: (stream: TokenStream) => Expression) {
  return (stream: TokenStream): Expression => {
    let left = operand(stream);
    for (;;) {
      const { type, value: operator, line } = stream.look();
      if (type !== "operator" || !operators.includes(operator)) return left;
      stream.next();
      left = { type: "arithmetic", operator, left, right: operand(stream), line };
    }
  };
}

const power = arithmetic(["**"], (stream) => unary(stream));
const product = arithmetic(["*", "/", "//", "%"], power);
const sum = arithmetic(["+", "-"], concatenation);

function concatenation(stream: TokenStream): Expression {
  const first = product(stream);
  const items = [first];
  while (stream.skip("operator", "~")) items.push(product(stream));
  return items.length === 1 ? first : { type: "concatenation", items };
}

function unary(stream: TokenStream, withFilters = true): Expression {
  const leave = stream.enter();
  let found: Expression;
  if (stream.skip("operator", "-")) found = { type: "negative", of: unary(stream, false) };
  else if (stream.skip("operator", "+")) found = { type: "positive", of: unary(stream, false) };
  else found = primary(stream);
  found = postfix(stream, found);
  leave();
  return withFilters ? filterChain(stream, found) : found;
}

function primary(stream: TokenStream): Expression {
  const token = stream.next();
  const { type, value, line } = token;
  if (type === "name") {
    if (/^[Tt]rue$|^[Ff]alse$/.test(value))
      return { type: "constant", value: value.toLowerCase() === "true" };
    if (/^[Nn]one$/.test(value)) return { type: "constant", value: none };
    return { type: "name", name: value };
  }
  if (type === "string") {
    let text = value;
    while (stream.is("string")) text += stream.next().value;
    return { type: "constant", value: text };
  }
  if (type === "float") return { type: "constant", value: Number(value.replaceAll("_", "")), float: true };
  if (type === "integer") {
    const number = Number(value.replaceAll("_", ""));
    if (!Number.isSafeInteger(number)) throw new TemplateError(`line ${line}: ${value} is more than 2^53`);
    return { type: "constant", value: number };
  }
  if (type === "operator" && value === "(") {
    const found = parseTuple(stream, { inParentheses: true });
    stream.expect("operator", ")");
    return found;
  }
  if (type === "operator" && value === "[") {
    return { type: "list", items: listed(stream, "]", () => parseExpression(stream)) };
  }
  if (type === "operator" && value === "{") {
    const pairs = listed(stream, "}", () => {
      const key = parseExpression(stream);
      stream.expect("operator", ":");
      return [key, parseExpression(stream)] as const;
    });
    return { type: "dict", pairs };
  }
  throw new TemplateError(`line ${line}: an expression is expected, not ${told(token)}`);
}

/** What stands between commas, up to the closing bracket. */
function listed<T>(stream: TokenStream, end: string, one: () => T): T[] {
  const items: T[] = [];
  while (!stream.is("operator", end)) {
    if (items.length > 0) stream.expect("operator", ",");
    if (stream.is("operator", end)) break;
    items.push(one());
  }
  stream.expect("operator", end);
  return items;
}

function postfix(stream: TokenStream, of: Expression): Expression {
  let found = of;
  for (;;) {
    if (stream.skip("operator", ".")) {
      const { type, value, line } = stream.next();
      if (type === "name") found = { type: "attribute", of: found, name: value };
      else if (type === "integer") {
        found = { type: "item", of: found, key: { type: "constant", value: Number(value) } };
      } else throw new TemplateError(`line ${line}: a name or number is expected after "."`);
    } else if (stream.skip("operator", "[")) {
      const [first, ...more] = listed(stream, "]", () => subscript(stream));
      if (first === undefined) throw new TemplateError(`line ${stream.look().line}: "[]" needs an index`);
      found = {
        type: "item",
        of: found,
        key: more.length === 0 ? first : { type: "tuple", items: [first, ...more] },
      };
    } else if (stream.is("operator", "(")) {
      const { line } = stream.look();
      found = { type: "call", callee: found, args: callArguments(stream), line };
    } else return found;
  }
}

function subscript(stream: TokenStream): Expression {
  const parts: (Expression | undefined)[] = [];
  let colons = 0;
  let part: Expression | undefined;
  for (;;) {
    if (colons < 2 && stream.skip("operator", ":")) {
      parts.push(part);
      part = undefined;
      colons += 1;
    } else if (stream.is("operator", "]") || stream.is("operator", ",")) break;
    else part = parseExpression(stream);
  }
  if (colons === 0 && part !== undefined) return part;
  return { type: "slice", parts: [...parts, part] };
}

function filterChain(stream: TokenStream, of: Expression | undefined): Expression {
  let found = of;
  for (;;) {
    const { line } = stream.look();
    if (found === undefined || stream.skip("operator", "|")) {
      const name = dottedName(stream);
      const args = stream.is("operator", "(") ? callArguments(stream) : NO_ARGUMENTS;
      found = { type: "filter", of: found, name, args, line };
    } else if (stream.skip("name", "is")) {
      const negated = stream.skip("name", "not");
      const test: Expression = {
        type: "test",
        of: found,
        name: dottedName(stream),
        args: testArguments(stream),
        line,
      };
      found = negated ? { type: "not", of: test } : test;
    } else if (stream.is("operator", "("))
      found = { type: "call", callee: found, args: callArguments(stream), line };
    else return found;
  }
}

const NO_ARGUMENTS: Arguments = { positional: [], named: [] };

function dottedName(stream: TokenStream): string {
  let name = stream.expect("name").value;
  while (stream.skip("operator", ".")) name += `.${stream.expect("name").value}`;
  return name;
}

/** A test takes its argument without parentheses too: `x is divisibleby 3`. */
function testArguments(stream: TokenStream): Arguments {
  if (stream.is("operator", "(")) return callArguments(stream);
  const { type, value, line } = stream.look();
  const begins =
    type === "string" ||
    type === "integer" ||
    type === "float" ||
    (type === "operator" && /^[[{]$/.test(value));
  if (!begins && !(type === "name" && !["else", "or", "and", "if", "in", "not", "recursive"].includes(value)))
    return NO_ARGUMENTS;
  if (type === "name" && value === "is")
    throw new TemplateError(`line ${line}: tests cannot follow each other by "is"`);
  return { positional: [postfix(stream, primary(stream))], named: [] };
}

function callArguments(stream: TokenStream): Arguments {
  const { line } = stream.expect("operator", "(");
  const positional: Expression[] = [];
  const named: [string, Expression][] = [];
  let spread: Expression | undefined;
  let namedSpread: Expression | undefined;
  listed(stream, ")", () => {
    const late = spread !== undefined || namedSpread !== undefined;
    if (stream.skip("operator", "*")) {
      if (late) throw new TemplateError(`line ${line}: the call's arguments are in a wrong order`);
      spread = parseExpression(stream);
    } else if (stream.skip("operator", "**")) namedSpread = parseExpression(stream);
    else if (stream.is("name") && stream.look(1).type === "operator" && stream.look(1).value === "=") {
      const name = stream.next().value;
      stream.next();
      named.push([name, parseExpression(stream)]);
    } else if (late || named.length > 0) {
      throw new TemplateError(`line ${line}: the call's arguments are in a wrong order`);
    } else positional.push(parseExpression(stream));
  });
  return { positional, named, ...(spread && { spread }), ...(namedSpread && { namedSpread }) };
}
