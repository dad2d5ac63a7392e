/** The page's style sheet. */
export const STYLES = `
:root { color-scheme: light dark; --paper: #fff; --panel: #f6f8fa; --ink: #1f2328; --faint: #59636e; --line: #d8dee4; --accent: #0969da; --mark: #ddf4ff; }
:root[data-theme="light"] { color-scheme: light; }
:root[data-theme="dark"] { color-scheme: dark; }
@media (prefers-color-scheme: dark) { :root:not([data-theme="light"]) { --paper: #0d1117; --panel: #161b22; --ink: #e6edf3; --faint: #9198a1; --line: #30363d; --accent: #4493f8; --mark: #12233d; } }
:root[data-theme="dark"] { --paper: #0d1117; --panel: #161b22; --ink: #e6edf3; --faint: #9198a1; --line: #30363d; --accent: #4493f8; --mark: #12233d; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 Inter, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
header, main { max-width: 1300px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 28px; position: relative; }
.brand { margin: 0; color: var(--faint); font-weight: 600; letter-spacing: .02em; }
h1 { margin: 2px 0 4px; font-size: 30px; line-height: 1.2; letter-spacing: -.01em; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 0; }
.meta, .hint { color: var(--faint); margin: 0; }
.hint { font-size: 13px; margin-top: 6px; }
.notice { background: var(--mark); border-radius: 6px; padding: 8px 12px; }
.verdict { font-size: 17px; margin: 24px 0 0; max-width: 46em; }
section { margin: 36px 0 0; }
main { padding-bottom: 64px; }
button, select { font: inherit; color: inherit; background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: 4px 10px; }
button { cursor: pointer; }
button:disabled { opacity: .45; cursor: default; }
button:focus-visible, select:focus-visible, a:focus-visible, .scroll:focus-visible, summary:focus-visible, tr:focus-visible, [role="option"]:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
#theme { position: absolute; right: 24px; top: 28px; }
.bar { display: flex; flex-wrap: wrap; gap: 8px 20px; align-items: baseline; margin-bottom: 10px; }
.bar h2 { margin-right: auto; }
.bar label { color: var(--faint); }
#frontier { position: relative; }
#frontier svg { display: block; width: 100%; height: auto; overflow: visible; }
#frontier text { fill: var(--faint); font-size: 12px; }
#frontier text.name { fill: var(--ink); }
#frontier .grid { stroke: var(--line); }
#frontier .front { fill: none; stroke: var(--faint); stroke-dasharray: 4 3; }
#frontier .chance { stroke: var(--faint); stroke-dasharray: 1 3; }
#frontier .point { cursor: pointer; stroke: var(--paper); stroke-width: 1.4; }
#frontier .point:focus { outline: none; }
#frontier .point:focus-visible, #frontier .point.chosen { stroke: var(--ink); stroke-width: 2.4; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 18px; color: var(--faint); font-size: 13px; margin-bottom: 4px; }
.legend span { display: inline-flex; gap: 6px; align-items: center; }
.legend svg { width: 14px !important; height: 14px; fill: var(--faint); }
.tip { position: absolute; pointer-events: none; background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: 6px 10px; font-size: 13px; max-width: 280px; box-shadow: 0 4px 16px rgb(0 0 0 / .12); }
.tip strong { display: block; }
.tip span { display: block; font-variant-numeric: tabular-nums; color: var(--faint); }
.scroll { overflow-x: auto; margin-top: 10px; border: 1px solid var(--line); border-radius: 8px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 8px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
tbody tr:last-child > * { border-bottom: 0; }
th:first-child, td:first-child, .text { text-align: left !important; }
tbody th { font-weight: 500; position: sticky; left: 0; background: var(--paper); }
thead th { padding: 0; background: var(--panel); font-weight: 600; }
thead button { border: 0; background: none; width: 100%; padding: 7px 8px; text-align: inherit; border-radius: 0; color: var(--faint); line-height: 1.25; white-space: normal; }
.topics thead th { padding: 7px 8px; color: var(--faint); }
thead [aria-sort] button { color: var(--ink); }
thead [aria-sort="ascending"] button::after { content: " ↑"; }
thead [aria-sort="descending"] button::after { content: " ↓"; }
tbody tr { cursor: pointer; }
tbody tr:hover, tbody tr:hover th, tbody tr.chosen, tbody tr.chosen th { background: var(--mark); }
.dot { display: inline-block; width: 9px; height: 9px; border-radius: 50%; margin-right: 8px; }
.status { color: var(--faint); border: 1px solid var(--line); border-radius: 99px; padding: 0 8px; font-size: 12px; }
#answers { border: 1px solid var(--line); border-radius: 8px; padding: 18px 20px; }
#answers .bar span { color: var(--faint); font-variant-numeric: tabular-nums; }
.answer { display: grid; grid-template-columns: minmax(140px, 260px) 1fr; gap: 8px 24px; }
.answer img { width: 100%; image-rendering: auto; border-radius: 6px; border: 1px solid var(--line); }
.answer figure { margin: 0; } .answer figcaption { color: var(--faint); font-size: 13px; }
.tokens { position: relative; overflow: hidden; border-radius: 6px; } .tokens img { display: block; border: 0; }
.tokens.middle img { height: 100%; object-fit: cover; }
.tokens svg { position: absolute; inset: 0; width: 100%; height: 100%; } .tokens rect { fill: var(--paper); opacity: .82; }
.answer .missing { color: var(--faint); }
dl { margin: 0; display: grid; align-content: start; grid-template-columns: max-content 1fr; gap: 6px 18px; }
dt { color: var(--faint); }
dd { margin: 0; overflow-wrap: anywhere; }
td small { color: var(--faint); } td sup { line-height: 0; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 12px; margin-top: 12px; }
.side { border: 1px solid var(--line); border-radius: 6px; padding: 8px 12px; min-width: 0; overflow-wrap: anywhere; }
.side.changed { border-color: var(--accent); background: var(--mark); }
.side h3 { font-size: 13px; font-weight: 600; margin: 0; color: var(--faint); }
.side p { margin: 2px 0; } .side .scores { font-size: 13px; color: var(--faint); }
.scores { font-variant-numeric: tabular-nums; }
details dl { margin-top: 12px; font-size: 14px; }
summary { cursor: pointer; font-weight: 600; }
.failed { padding-left: 18px; }
@media (max-width: 640px) {
  header, main { padding-left: 16px; padding-right: 16px; }
  #theme { right: 16px; }
  h1 { font-size: 24px; }
  .answer, dl, .pair { grid-template-columns: 1fr; }
  dl { gap: 0; } dd { margin-bottom: 8px; }
  .answer img { max-width: 220px; }
}
@media print { #theme, .hint, .bar label, #answers { display: none; } .scroll { overflow: visible; } table { font-size: 11px; } }
@media (prefers-reduced-motion: no-preference) { html { scroll-behavior: smooth; } }
`;
