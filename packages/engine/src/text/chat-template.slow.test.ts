import { expect, test } from "vitest";
import { tokenizerWith } from "../test-support/tokenizer-with.ts";

const ENDLESS = [
  "{% for i in range(1000000000) %}x{% endfor %}",
  "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}",
  "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
  "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
  "{% macro m(n) %}{{ m(n - 1) if n }}{{ m(n - 1) if n }}{% endmacro %}{{ m(100) }}",
  "{{ 'x' * 10000000000 }}",
  "{{ 'x' * 9999999 * 9999999 }}",
  "{% set ns = namespace(x='xxxxxxxx') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
  "{% set ns = namespace(x='xxxxxxxx') %}{% for i in range(99) %}{% set ns.x = ns.x.replace('x', 'xxxxxxxx') %}{% endfor %}",
  "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
  "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
  "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x | tojson }}",
  "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x == ns.x }}",
  "{{ 'x'.center(1000000000) }}{{ 'x' | center(1000000000) }}",
  "{{ 'a\\nb' | indent(1000000000) }}",
  "{{ [1] | tojson(indent=1000000000) }}",
  "{{ '%999999999d' % 1 * 9999 }}",
  "{{ range(99999) | slice(1000000000) | list }}",
  "{{ [[1] * 9999] * 9999 | batch(1) | list }}",
  "{{ ('x' * 999999).split('x') | length }}".repeat(999),
  "{% for i in range(9999) %}{{ range(99999) | list | length }}{% endfor %}",
  "{% for i in range(9999) %}{{ range(99999) | map('string') | join | length }}{% endfor %}",
  "{% for i in range(9999) %}{{ ('x' * 9999999) | upper | length }}{% endfor %}",
  "{% for i in range(9999) %}{{ 5 in range(6, 99999) }}{{ range(99999) == range(99999) }}{% endfor %}",
  "{{ range(99999) | map('string') | unique | list | length }}",
  "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
  `${"{% if true %}".repeat(9999)}${"{% endif %}".repeat(9999)}`,
  `{{ ${"(".repeat(99999)}1${")".repeat(99999)} }}`,
  `{{ ${"not ".repeat(99999)}1 }}{{ ${"1 + ".repeat(99999)}1 }}{{ 2 ** 9999999 }}`,
  `{{ ${"[".repeat(99999)} }}`,
  `{{ 1${" | string".repeat(99999)} }}${"{{ 1 }}".repeat(9999)}{{ range(99999999) }}`,
  `{{ x${".x".repeat(99999)} }}`,
];

test.each(ENDLESS)("A template that goes on without end is refused within seconds, %#", async (template) => {
  const tokenizer = tokenizerWith({ "chat_template.jinja": template });
  const started = performance.now();
  await expect(tokenizer.then(({ applyTemplate }) => applyTemplate?.([]))).rejects.toThrow(
    /^the chat template in chat_template\.jinja of the folder cannot be used: [^\n]{1,200}$/,
  );
  expect(performance.now() - started).toBeLessThan(10_000);
});
