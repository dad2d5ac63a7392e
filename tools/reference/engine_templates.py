"""What transformers makes of chat templates: small ones, each for a part of Jinja, and ones in the manner of published models.

Needs: torch, transformers, jinja2, pillow (see requirements.txt).
Run:   python3 tools/reference/engine_templates.py
Writes packages/engine/goldens/templates.json
"""

import json
import shutil
import tempfile
from pathlib import Path

from transformers import AutoProcessor
from transformers.utils.chat_template_utils import _compile_jinja_template

ROOT = Path(__file__).resolve().parents[2]
TEXTS = {
    "plain": "What is  that?",
    "blanks": "  \u0085\u3000naïve café \ufeff\n\t",
    "emoji": "a🙂b 👩‍👩‍👧 ½ ٣ ² ß ǆ İ",
    "lines": "one\r\ntwo\n\nthree\u2028four",
    "marks": "--xx--a-b--xx--",
    "quotes": "it's \"so\" \\ <b>&amp;</b>",
    "empty": "",
}
# One expression each, in the place of X of {{ X }}; t is a text of TEXTS, n a list, d a dict.
EXPRESSIONS = """
t|t.strip()|t.lstrip()|t.rstrip()|t.strip('-x')|t.lstrip('-x')|t.rstrip('-x')|t.lstrip('')|t.upper()|t.lower()|t.title()|t.capitalize()|t.swapcase()|t.casefold()
t.split()|t.split(None, 1)|t.split(' ')|t.split(' ', 1)|t.split('-', 2)|t.rsplit('-', 1)|t.rsplit(None, 1)|t.rsplit('-')|t.split('--')|t.rsplit('xx', 1)
t.splitlines()|t.splitlines(true)|t.replace('a', 'bb')|t.replace('', '.', 3)|t.replace('-', '', 2)|t.find('a')|t.rfind('a')|t.count('-')|t.count('')|t.find('b', 2)|t.find('zz')
t.startswith('a')|t.startswith(('a', ' '))|t.endswith('-')|t.removeprefix('--')|t.removesuffix('--')|t.partition('-')|t.rpartition('-')|t.center(30, '*')|t.ljust(20) ~ '|'|t.rjust(20, '.')|t.zfill(20)
t.isdigit()|t.isalpha()|t.isnumeric()|t.isdecimal()|t.isalnum()|t.isspace()|t.isupper()|t.islower()|t.istitle()|'٣'.isdigit()|'²'.isdigit()|'½'.isdigit()|'½'.isnumeric()|'²'.isdecimal()|'五'.isnumeric()|'五'.isdigit()
t[0]|t[-1]|t[1:4]|t[::-1]|t[::2]|t[-3:]|t[5:2]|t[100]|t[:1] + t[1:]|t == t|t != ''|'a' in t|'zz' not in t|t * 2|2 * 'ab'|'%s-%s' % (t, 3)|'%05.2f|%d' % (3.14159, 7)|'{} {1}'.format(1)|'{0}-{x}'.format(1, x=t)|', '.join(['a', t])
-7 // 2|-7 % 3|7 % -3|7 / 2|4 / 2|2 ** 10|2 ** -1|-2 ** 2|1 + 2 * 3|1.5 + 1|10 // 3.0|1e20|1e-7|0.1 + 0.2|100000000000000000.0|3 * 1.0|-0.0|7 - -2|+5|1_000|0x1F
true|false|none|True|None|[1, 'a', none, true, 1.5]|(1,)|()|(1, 'b')|{'a': 1, 'b': [none]}|{}|[]|"it's"|'say "hi"'|'\\n\\t\\x41\\u00e9'|['\\n', "it's", '\\x00', 'é', '\\u200b']
1 == 1.0|1 == true|'1' == 1|none == false|[1, 2] == [1, 2]|(1, 2) == [1, 2]|{'a': 1} == {'a': 1.0}|[] == []|x == y|x == none|1 < 2 < 3|3 > 2 > 5|'a' < 'B'|[1, 2] < [1, 3]|1 in [1.0]|'a' in {'a': 1}|2 not in (1, 2)|x in [1]|1 in x
not x|x is defined|x is undefined|none is none|none is defined|n is iterable|n is sequence|d is mapping|d is sequence|t is string|1 is number|true is number|1.0 is float|1 is integer|true is integer|true is boolean|1 is odd|4 is divisibleby 2|4 is divisibleby(3)|'a' is in 'abc'|1 is sameas 1|n is callable|d.items is callable|'ABC' is upper|'aBC' is lower|3 is gt 2|3 is ge(4)|t is not none|t is not string|x is defined and x|'upper' is filter|'odd' is test
x|x.y is defined|x.y|d.zz|d.zz.y|d['zz']|d.a|d['b']|d.items() | list|d.keys() | list|d.values() | list|d.get('a')|d.get('zz')|d.get('zz', 3)|d.get('c', 3)|d.c|d.copy() == d|n.index(2)|n.count(1)|n.append(4)|d.update({'q': 1})|n.0|n[1]|n[-1]|n[10]|n[1:]|n + [4]|n * 2|n[::-1]
x or 'y'|'' or 0 or none|1 and 2|0 and 2|'a' if x else 'b'|'a' if x|('a' if d.a == 1 else 'b') ~ 'c'|'a' ~ 1 ~ none ~ true ~ 1.0 ~ x|'a' 'b'|not not 1|not 1 == 2|1 if none else 2 if 0 else 3
t | trim|t | trim('-')|t | length|t | upper|t | title|t | capitalize|n | length|d | length|n | first|n | last|[] | first|n | reverse | list|t | reverse|n | join(', ')|n | join|[1, none, true] | join('-')|t | join('.')
x | default('q')|'' | default('q')|'' | default('q', true)|none | default('q')|none | default('q', boolean=true)|x | d|0 | d(5, true)|n | list|t | list|d | list|d | items | list|d | dictsort|{'b': 1, 'A': 2, 'c': 0} | dictsort|{'b': 1, 'A': 2} | dictsort(true)|{'b': 1, 'a': 2} | dictsort(by='value')|{'b': 1, 'a': 2} | dictsort(reverse=true)
d | tojson|n | tojson|t | tojson|t | tojson(ensure_ascii=true)|d | tojson(indent=2)|[] | tojson(indent=2)|{'b': {'z': [1, {}]}, 'a': 1.0} | tojson(indent=2, sort_keys=true)|d | tojson(separators=(',', ':'))|none | tojson|true | tojson|1.0 | tojson|x | tojson|d | tojson(4)|'/' | tojson|'<a>' | tojson
'42' | int|'4.7' | int|'x' | int|'x' | int(7)|'0x1f' | int(base=16)|'1f' | int(0, 16)|4.7 | int|-4.7 | int|true | int|' 5 ' | int|'1_000' | int|'3.5' | float|'x' | float|3 | float|'1e3' | float|'inf' | float|none | int(3)|n | int|' ' | float(2.5)
-3 | abs|2.5 | round|3.5 | round|2.567 | round(2)|2.1 | round(method='ceil')|2.9 | round(0, 'floor')|1234 | round(-2)|3 | round|3 | round(1)|3 | round(method='ceil')|n | sum|n | min|n | max|[] | max|['b', 'A'] | min|['b', 'A'] | max|['b', 'A', 'C'] | sort|['b', 'A', 'C'] | sort(case_sensitive=true)|n | sort(reverse=true)|o | sort(attribute='k') | map(attribute='v') | list|o | map(attribute='k') | join|o | map(attribute='zz', default='-') | list|o | sum(attribute='k')
n | map('string') | join('+')|['a', 'b'] | map('upper') | list|['a ', ' b'] | map('trim') | join|n | select('odd') | list|n | reject('odd') | list|[0, 1, '', 'a', none] | select | list|o | selectattr('k', 'equalto', 1) | list|o | selectattr('k') | list|o | rejectattr('k', 'gt', 1) | map(attribute='v') | list|o | selectattr('zz', 'defined') | list|o | selectattr('v', 'in', ['x', 'y']) | list | length|o | map(attribute='v') | unique | list|['a', 'A', 'b'] | unique | list|[1, 1.0, true, 2] | unique | list
o | groupby('v') | list|n | batch(2) | list|n | batch(2, 0) | list|n | slice(2) | list|t | indent|t | indent(2, true)|'a\\n\\nb' | indent(2, blank=true)|'a\\nb' | indent('> ')|t | replace('a', 'b')|'aaa' | replace('a', 'b', 2)|1 | string|none | string|n | string|t | escape|t | e|t | safe|t | truncate(8)|t | truncate(8, true, '', 0)|t | wordcount|t | center(30)|t | urlencode|'<p>a <b>c</b>' | striptags|'a' | attr('upper') is defined|d | pprint|n | upper|3 | trim|none | upper|true | lower|(1.0, none) | string
range(3) | list|range(1, 10, 3) | list|range(5, 0, -2) | list|range(0) | list|range(-3) | list|range(1000000)|dict(a=1, b=2)|dict([('a', 1)])|dict({'a': 1}, b=2)|namespace(a=1).a|joiner(', ')()|cycler('a', 'b').next()|raise_exception('no ' ~ 1)|nothing()|t()|n.zz()|t | nothing|t is nothing|d.a.b|d.a.b.c|t.nothing|t['upper']()|(1, 2) + (3,)|[1] + (2,)|1 + 'a'|'a' + 1|none + 1|x + 1|-'a'|n < 1|[none] | sort|{[1]: 2}|1 // 0|1 % 0|9007199254740991 + 0|'a' < 1|'a' * 2.0|n | first | string | length
"""
STATEMENTS = [
    "{% for x in [1, 2, 3, 4] %}a{{ x }}{% if x == 2 %}{% continue %}{% endif %}b{% if x == 3 %}c{% break %}d{% endif %}e{% endfor %}f",
    "{% for x in [1, 2] %}[{% for y in [1, 2, 3] %}{{ y }}{% if y == x %}!{% break %}{% endif %},{% endfor %}]{% else %}none{% endfor %}",
    "{% for x in [1, 2] %}{% break %}{% else %}none{% endfor %}|{% for x in [] %}a{% else %}none{% endfor %}",
    "{% for x in [1,2,3] if x != 2 %}{{ loop.index }}/{{ loop.length }}:{{ x }}{{ loop.first }}{{ loop.last }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.depth }} {% endfor %}",
    "{% for x in [1,2,3] %}{{ loop.cycle('a', 'b') }}{{ loop.changed(x // 2) }}{% endfor %}",
    "{% for a, b in [(1, 2), [3, 4]] %}{{ a }}-{{ b }} {% endfor %}{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for k in d %}{{ k }}{% endfor %}{% for c in 'a🙂' %}<{{ c }}>{% endfor %}",
    "{% for a, b in [1] %}{% endfor %}", "{% for a in 3 %}{% endfor %}", "{% for a in nothing %}x{% else %}y{% endfor %}", "{% for a in none %}x{% endfor %}",
    "{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = x + 1 %}{{ x }}{% endfor %}{{ x }}", "{% set ns = namespace(x=1) %}{% for i in [1, 2] %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}{{ ns.zz }}",
    "{% if true %}{% set x = 2 %}{% endif %}{{ x }}", "{% set a, b = 1, 2 %}{{ b }}{{ a }}{% set c = 1, %}{{ c }}", "{% set x %}  a{{ 1 }}\n{% endset %}[{{ x }}]", "{% set x | upper | trim %}  ab {% endset %}[{{ x }}]",
    "{% set d.x = 1 %}", "{% set x.y = 1 %}", "{% set ns = namespace() %}{% set ns._x = 1 %}", "{% set true = 1 %}",
    "{% macro m(a, b=2, c='x' ~ b) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }}|{{ m(1, b=3) }}|{{ m(1, 2, 3) }}|{{ m() }}|{{ m(a=5) | upper }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}",
    "{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, z=4) }}", "{% macro m() %}{{ x }}{% endmacro %}{% set x = 5 %}{{ m() }}", "{% macro m(n) %}{{ n }}{% if n > 0 %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(3) }}",
    "{% macro m(n) %}<{{ caller(n) }}>{% endmacro %}{% call(x) m(3) %}in{{ x }}{% endcall %}", "{% macro m() %}{{ caller() }}{{ caller() }}{% endmacro %}{% call m() %}a{% endcall %}", "{% macro m() %}{{ m2() }}{% endmacro %}{% macro m2() %}later{% endmacro %}{{ m() }}",
    "{% filter upper %}a{{ 'b' }}{% endfilter %}", "{% filter replace('a', 'b') | upper %}aca{% endfilter %}", "{% with a = 1, b = 2 %}{{ a + b }}{% set c = 3 %}{% endwith %}[{{ a }}{{ c }}]", "{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q }}",
    "{% raw %}{{ x }}{% if %}{% endraw %}!", "a {%- raw -%}  {{ y }}  {%- endraw -%} b", "{# c {{ x }} #}a{#- b -#}  c", "a\n{# c #}\nb", "{% generation %}a{{ 1 }}{% endgeneration %}", "x\n  {%- generation -%}  a  {%- endgeneration -%}  y",
    "{% for n in tree recursive %}{{ n.v }}{% if n.c %}({{ loop(n.c) }}){% endif %}{{ loop.depth0 }}{% endfor %}", "{% for n in [1] %}{{ loop([1]) }}{% endfor %}",
    "  {% if true %}\n  a\n  {% endif %}\n  b\n", "a {% if true %} b {% endif %} c\n\n", "{% if true -%}\n  a\n{%- endif %}  b", "{%+ if true %}  a{% endif %}", "  {%+ if true %}  a\n  {%+ endif +%}\nb", "{{ 'a' }}\n{{ 'b' -}}\n c", "x\r\n  {% if true %}\r\ny{% endif %}\rz", "{{ '\r\n' | length }}", "\t{{ 1 }}\n\t{# c #}\n\t{% set a = 1 %}\nd",
    "{-a-}\n  {-b}\n #}\n %}\n", "{{ {'a': {'b': 1}}['a'] }}", "{{ {'a': 1}.a }}", "{{ '}}' }}{{ '{% if %}' }}", "{{ \"a\\\"b\" }}{{ 'a\\'b' }}", "{%- if x is defined and x is not none %}a{% elif d %}b{% else %}c{% endif %}", "{% if 'a' in 'abc' and not 1 in [2] %}y{% endif %}",
    "{% if %}a{% endif %}", "{% if true %}a", "{% endif %}", "{{ 1", "{% for x in %}{% endfor %}", "{{ a b }}", "{{ }}", "{% nothing %}", "{% include 'a' %}", "{{ 'a }}", "{{ (1 }}", "{{ 1) }}", "{# a", "{% raw %}a", "{% break %}", "{% macro m(a=1, b) %}{% endmacro %}", "{{ f(a=1, 2) }}", "{{ 1 is }}", "{{ x | }}", "{% set x %}", "{% if true %}{% else %}{% elif %}{% endif %}", "{{ 'a' is string is string }}", "{{ a.1b }}", "{{ @ }}", "{% do 1 %}",
    "{{ messages | length }}{{ messages[0].role }}{{ messages[0]['content'] is string }}{{ messages[-1].content[0].type }}{{ messages[0].name }}{{ messages[0].get('name') is none }}",
    "{% if tools is not none %}TOOLS{% endif %}{{ tools }}{{ documents }}{{ add_generation_prompt }}", "{{ bos_token }}{{ image_token }}{{ nothing_token }}|", "{{ messages }}", "{{ messages | tojson }}", "{{ messages[1].content | selectattr('type', 'equalto', 'text') | map(attribute='text') | join('\\n') }}",
    "{{ undefined_function_call is defined }}", "{{ loop }}", "{{ strftime_now('%Y') | length }}", "{{ ''.__class__ }}|", "{{ messages.__class__ is defined }}", "{{ range.__init__ is defined }}", "{% set messages = messages[1:] %}{{ messages | length }}", "{{ [1, 2, 3][1:] | map('string') | list | tojson }}", "{{ 'a,b' | replace(',', ';') if true else '' }}", "{{ messages | map(attribute='role') | list }}", "{{ (messages | last).content | length }}", "{% for m in messages | reverse %}{{ m.role }}{% endfor %}", "{% for m in messages[::-1] %}{{ m['role'] }}{{ loop.index0 % 2 == 0 }}{% endfor %}",
    "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}{% endfor %}",
]
# In the manner of published models.
CHATS = [
    # Llama 3.2 Vision
    "{{- bos_token }}\n{%- if custom_tools is defined %}\n    {%- set tools = custom_tools %}\n{%- endif %}\n{%- if not tools is defined %}\n    {%- set tools = none %}\n{%- endif %}\n{%- if messages[0]['role'] == 'system' %}\n    {%- set system_message = messages[0]['content']|trim %}\n    {%- set messages = messages[1:] %}\n{%- else %}\n    {%- set system_message = \"\" %}\n{%- endif %}\n{%- set image_ns = namespace(has_images=false) %}\n{%- for message in messages %}\n    {%- for content in message['content'] %}\n        {%- if content['type'] == 'image' %}\n            {%- set image_ns.has_images = true %}\n        {%- endif %}\n    {%- endfor %}\n{%- endfor %}\n{%- if image_ns.has_images and not system_message == \"\" %}\n    {{- raise_exception(\"Prompting with images is incompatible with system messages.\") }}\n{%- endif %}\n{%- if not image_ns.has_images %}\n    {{- \"<|start_header_id|>system<|end_header_id|>\\n\\n\" }}\n    {{- system_message }}\n    {{- \"<|eot_id|>\" }}\n{%- endif %}\n{%- for message in messages %}\n    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}\n    {%- if message['content'] is string %}\n        {{- message['content'] }}\n    {%- else %}\n        {%- for content in message['content'] %}\n            {%- if content['type'] == 'image' %}\n                {{- '<|image|>' }}\n            {%- elif content['type'] == 'text' %}\n                {{- content['text'] }}\n            {%- endif %}\n        {%- endfor %}\n    {%- endif %}\n    {{- '<|eot_id|>' }}\n{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}\n{%- endif %}\n",
    # Qwen2.5-VL
    "{% set image_count = namespace(value=0) %}{% set video_count = namespace(value=0) %}{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n{% else %}{% for content in message['content'] %}{% if content['type'] == 'image' or 'image' in content or 'image_url' in content %}{% set image_count.value = image_count.value + 1 %}{% if add_vision_id %}Picture {{ image_count.value }}: {% endif %}<|vision_start|><|image_pad|><|vision_end|>{% elif content['type'] == 'video' or 'video' in content %}{% set video_count.value = video_count.value + 1 %}{% if add_vision_id %}Video {{ video_count.value }}: {% endif %}<|vision_start|><|video_pad|><|vision_end|>{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    # Gemma 3
    "{{ bos_token }}\n{%- if messages[0]['role'] == 'system' -%}\n    {%- if messages[0]['content'] is string -%}\n        {%- set first_user_prefix = messages[0]['content'] + '\n\n' -%}\n    {%- else -%}\n        {%- set first_user_prefix = messages[0]['content'][0]['text'] + '\n\n' -%}\n    {%- endif -%}\n    {%- set loop_messages = messages[1:] -%}\n{%- else -%}\n    {%- set first_user_prefix = \"\" -%}\n    {%- set loop_messages = messages -%}\n{%- endif -%}\n{%- for message in loop_messages -%}\n    {%- if (message['role'] == 'assistant') -%}\n        {%- set role = \"model\" -%}\n    {%- else -%}\n        {%- set role = message['role'] -%}\n    {%- endif -%}\n    {{ '<start_of_turn>' + role + '\n' + (first_user_prefix if loop.first else \"\") }}\n    {%- if message['content'] is string -%}\n        {{ message['content'] | trim }}\n    {%- elif message['content'] is iterable -%}\n        {%- for item in message['content'] -%}\n            {%- if item['type'] == 'image' -%}\n                {{ '<start_of_image>' }}\n            {%- elif item['type'] == 'text' -%}\n                {{ item['text'] | trim }}\n            {%- endif -%}\n        {%- endfor -%}\n    {%- else -%}\n        {{ raise_exception(\"Invalid content type\") }}\n    {%- endif -%}\n    {{ '<end_of_turn>\n' }}\n{%- endfor -%}\n{%- if add_generation_prompt -%}\n    {{'<start_of_turn>model\n'}}\n{%- endif -%}\n",
    # Qwen3-like: reasoning cut out of earlier answers
    "{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}\n{%- for message in messages[::-1] %}\n    {%- set index = (messages|length - 1) - loop.index0 %}\n    {%- if ns.multi_step_tool and message.role == \"user\" and not(message.content is string and message.content.startswith('<tool_response>')) %}\n        {%- set ns.multi_step_tool = false %}\n        {%- set ns.last_query_index = index %}\n    {%- endif %}\n{%- endfor %}\n{%- for message in messages %}\n    {%- if message.content is string %}\n        {%- set content = message.content %}\n    {%- else %}\n        {%- set content = message.content | selectattr('type', 'equalto', 'text') | map(attribute='text') | join('') %}\n    {%- endif %}\n    {%- if message.role == \"assistant\" %}\n        {%- set reasoning = '' %}\n        {%- if '</think>' in content %}\n            {%- set reasoning = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}\n            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}\n        {%- endif %}\n        {{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') + '<|im_end|>\\n' }}\n    {%- else %}\n        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}\n    {%- endif %}\n{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n' }}\n    {%- if enable_thinking is defined and enable_thinking is false %}\n        {{- '<think>\\n\\n</think>\\n\\n' }}\n    {%- endif %}\n{%- endif %}",
    # Mistral, Pixtral
    "{%- if messages[0][\"role\"] == \"system\" %}\n    {%- set system_message = messages[0][\"content\"] %}\n    {%- set loop_messages = messages[1:] %}\n{%- else %}\n    {%- set loop_messages = messages %}\n{%- endif %}\n\n{{- bos_token }}\n{%- for message in loop_messages %}\n    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}\n        {{- raise_exception('After the optional system message, conversation roles must alternate user/assistant/user/assistant/...') }}\n    {%- endif %}\n    {%- if message[\"role\"] == \"user\" %}\n        {%- if loop.last and system_message is defined %}\n            {{- \"[INST]\" + system_message + \"\\n\\n\" }}\n        {%- else %}\n            {{- \"[INST]\" }}\n        {%- endif %}\n        {%- if message[\"content\"] is not string %}\n            {%- for chunk in message[\"content\"] %}\n                {%- if chunk[\"type\"] == \"text\" %}\n                    {{- chunk[\"text\"] }}\n                {%- elif chunk[\"type\"] == \"image\" %}\n                    {{- \"[IMG]\" }}\n                {%- else %}\n                    {{- raise_exception(\"Unrecognized content type!\") }}\n                {%- endif %}\n            {%- endfor %}\n        {%- else %}\n            {{- message[\"content\"] }}\n        {%- endif %}\n        {{- \"[/INST]\" }}\n    {%- elif message[\"role\"] == \"assistant\" %}\n        {%- if message[\"content\"] is not string %}\n            {%- for chunk in message[\"content\"] %}{{- chunk[\"text\"] }}{%- endfor %}\n            {{- eos_token }}\n        {%- else %}\n            {{- message[\"content\"] + eos_token }}\n        {%- endif %}\n    {%- else %}\n        {{- raise_exception(\"Only user and assistant roles are supported, with the exception of an initial optional system message!\") }}\n    {%- endif %}\n{%- endfor %}",
    # LLaVA-1.5, SmolVLM
    "{% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'].upper() + ': '}}{% endif %}{# Render all images first #}{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}{# Render all text next #}{% if message['role'] != 'assistant' %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] + ' '}}{% endfor %}{% else %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{% generation %}{{ content['text'] + ' '}}{% endgeneration %}{% endfor %}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}",
    "<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}{% if message['content'][0]['type'] == 'image' %}{{':'}}{% else %}{{': '}}{% endif %}{% for line in message['content'] %}{% if line['type'] == 'text' %}{{line['text']}}{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}",
]
PARTS = [{"type": "image"}, {"type": "text", "text": "What is  that? "}]
MESSAGES = [{"role": "system", "content": "Be short."}, {"role": "user", "content": PARTS}]
CONVERSATIONS = [
    [{"role": "user", "content": PARTS}],
    [{"role": "user", "content": [{"type": "text", "text": "Hi 🙂"}]}, {"role": "assistant", "content": [{"type": "text", "text": "<think>\nhm\n</think>\n\nYes."}]}, {"role": "user", "content": PARTS}],
    [{"role": "system", "content": [{"type": "text", "text": "Be short."}]}, {"role": "user", "content": [{"type": "text", "text": "Why?"}]}],
    [{"role": "assistant", "content": [{"type": "text", "text": "I begin."}]}],
]
VALUES = {"n": [3, 1, 2], "d": {"a": 1, "b": "é", "c": None}, "o": [{"k": 2, "v": "x"}, {"k": 1, "v": "y"}, {"k": 3, "v": "x"}], "tree": [{"v": 1, "c": [{"v": 2, "c": []}]}, {"v": 3, "c": []}]}
GIVEN = {"tools": None, "documents": None, "add_generation_prompt": True, "bos_token": "<s>", "eos_token": "</s>", "image_token": "<image>"}


ROLES = "{% for m in messages %}{{ m.role }}{% endfor %}"
TOKENS = "{{ bos_token }}|{{ eos_token }}|{{ unk_token }}|{{ pad_token }}|{{ image_token }}|{{ boi_token }}|{{ sep_token }}|{{ additional_special_tokens }}|{{ mask_token is defined }}"
# Which file's template is taken, and which special tokens it sees: contents beside those of fixtures/tiny-llava.
CHOICES = [
    {"chat_template.jinja": "jinja " + ROLES, "chat_template.json": {"chat_template": "json " + ROLES}, "processor_config.json": {"chat_template": "processor " + ROLES}},
    {"chat_template.jinja": "jinja " + ROLES, "chat_template.json": {"chat_template": "json " + ROLES}},
    {"chat_template.jinja": "jinja " + ROLES, "processor_config.json": {"chat_template": "processor " + ROLES}},
    {"chat_template.jinja": "jinja " + ROLES, "processor_config.json": {"chat_template": None}},
    {"chat_template.jinja": "jinja " + ROLES, "tokenizer_config.json": {"chat_template": "config " + ROLES}},
    {"chat_template.jinja": "", "chat_template.json": {"chat_template": "json " + ROLES}},
    {"chat_template.json": {"chat_template": {"default": "one", "tool_use": "two"}}},
    {"processor_config.json": {"chat_template": {"tool_use": "two", "other": "three"}}},
    {"processor_config.json": {"chat_template": {"tool_use": "two", "default": "one"}}},
    {"chat_template.jinja": TOKENS},
    {"chat_template.jinja": TOKENS, "tokenizer_config.json": {"image_token": "<image>", "boi_token": "<s>"}},
    {"chat_template.jinja": TOKENS, "tokenizer_config.json": {"extra_special_tokens": {"image_token": "<image>", "boi_token": "</s>"}}},
    {"chat_template.jinja": TOKENS, "tokenizer_config.json": {"additional_special_tokens": ["<image>"], "sep_token": {"__type": "AddedToken", "content": "</s>", "special": True}}},
    {"chat_template.jinja": TOKENS, "tokenizer_config.json": {"bos_token": None, "pad_token": None}},
    {"chat_template.jinja": TOKENS, "special_tokens_map.json": {"sep_token": "<unk>", "image_token": "<image>", "bos_token": {"content": "</s>", "lstrip": False}}},
]


def chosen(files):
    """What a processor makes of a message with these files; null where it refuses."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in ["config.json", "processor_config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json"]:
            shutil.copy(ROOT / "fixtures" / "tiny-llava" / file, folder / file)
        for file, content in files.items():
            if file.endswith(".jinja"):
                (folder / file).write_text(content)
            else:
                before = json.loads((folder / file).read_text()) if (folder / file).exists() else {}
                (folder / file).write_text(json.dumps({**before, **content}))
        try:
            return AutoProcessor.from_pretrained(folder).apply_chat_template(MESSAGES, add_generation_prompt=True)
        except Exception:
            return None


def rendered(template, variables):
    """The text, or null where transformers refuses."""
    try:
        return _compile_jinja_template(template).render(**variables)
    except Exception:
        return None


def main():
    expressions = [part for line in EXPRESSIONS.strip().split("\n") for part in split(line)]
    goldens = {"texts": TEXTS, "values": VALUES, "given": GIVEN, "messages": MESSAGES, "expressions": [], "statements": [], "chats": [], "choices": []}
    for expression in expressions:
        expected = [rendered("{{ " + expression + " }}", {**VALUES, **GIVEN, "t": text}) for text in TEXTS.values()]
        # What does not depend on the text is kept once.
        goldens["expressions"].append([expression, expected if len(set(expected)) > 1 else expected[0]])
    for template in STATEMENTS:
        goldens["statements"].append([template, rendered(template, {**VALUES, **GIVEN, "messages": MESSAGES})])
    for template in CHATS:
        for conversation in CONVERSATIONS:
            goldens["chats"].append([template, conversation, rendered(template, {**GIVEN, "messages": conversation})])
    for files in CHOICES:
        goldens["choices"].append([files, chosen(files)])
    text = json.dumps(goldens, ensure_ascii=True)
    (ROOT / "packages/engine/goldens/templates.json").write_text(text + "\n")


def split(line):
    """Expressions of a line: "|" without blanks around it parts them, since filters have blanks here."""
    parts, depth, start, quote = [], 0, 0, None
    for i, character in enumerate(line):
        if quote:
            quote = None if character == quote and line[i - 1] != "\\" else quote
        elif character in "'\"":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character == "|" and depth == 0 and line[i - 1] != " ":
            parts.append(line[start:i])
            start = i + 1
    return [*parts, line[start:]]


if __name__ == "__main__":
    main()
