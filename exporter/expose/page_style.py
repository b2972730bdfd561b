"""The style sheet of the pages: light and dark, wide and narrow, on screen and on paper."""

from __future__ import annotations

STYLE = """
:root {
  color-scheme: light dark;
  --back: #f6f7f9; --card: #fff; --ink: #1b2129; --soft: #586170; --line: #dfe3e8; --rail: #e9edf1;
  --accent: #2b5fc0; --accent-soft: #dfe9fb; --finished: #6f93c6; --canceled: #d9a13b; --failed: #cf4a3f;
  --good: #1c7a3d; --bad: #b83227; --code: #f3f5f8;
  --keyword: #7a3e9d; --literal: #a4500f; --function: #2b5fc0; --quoted: #1c7a3d;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #12161c; --card: #1a2028; --ink: #e4e8ee; --soft: #9aa6b5; --line: #2c343f; --rail: #2a323d;
    --accent: #86aef5; --accent-soft: #223350; --finished: #5b80b8; --canceled: #c8923a; --failed: #e06a5e;
    --good: #62c281; --bad: #f28b80; --code: #151a21;
    --keyword: #cf9df0; --literal: #e5a869; --function: #86aef5; --quoted: #7fce98;
  }
}
*, ::before, ::after { box-sizing: border-box; }
[hidden] { display: none !important; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--back); color: var(--ink);
  font: 14px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
main, .top, footer { max-width: 88rem; margin: 0 auto; padding: 0 1.5rem; }
main:focus { outline: none; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 3px; }
h1 {
  font-size: 1.5rem; line-height: 1.2; margin: 0; font-weight: 650; letter-spacing: -.01em;
  overflow-wrap: anywhere;
}
h2 { font-size: .95rem; margin: 0; font-weight: 600; }
p { margin: 0; }
ul, ol, dl, dd, figure { margin: 0; padding: 0; list-style: none; }
small, .soft { color: var(--soft); }
small { font-size: .8125rem; }
code, pre {
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace;
  font-size: .8125rem;
}
bdi, code { overflow-wrap: anywhere; }
kbd { font: inherit; border: 1px solid var(--line); border-radius: 3px; padding: 0 .3rem; }
.skip { position: absolute; left: -99rem; background: var(--card); padding: .5rem 1rem; z-index: 2; }
.skip:focus { left: 1rem; top: .5rem; }
.unseen {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap;
}

.top {
  display: flex; align-items: center; gap: .5rem 1.75rem; flex-wrap: wrap; padding-top: .8rem;
  padding-bottom: .8rem;
}
.brand { display: flex; align-items: center; gap: .5rem; color: var(--ink); font-weight: 650; }
.brand svg { width: 1.05rem; height: 1.05rem; fill: var(--accent); }
.top nav { display: flex; gap: 1.25rem; }
.top [aria-current] { color: var(--ink); font-weight: 600; }
.tools { margin-left: auto; }
footer { color: var(--soft); font-size: .8125rem; padding-top: 1.5rem; padding-bottom: 2rem; }

.head { display: flex; align-items: flex-end; gap: .25rem 1.5rem; flex-wrap: wrap; margin: .75rem 0 1rem; }
.head > :first-child { flex: 1 1 28rem; min-width: 0; }
.head .links { display: flex; gap: 1rem; }
.crumbs { font-size: .8125rem; color: var(--soft); margin-bottom: .25rem; }
.crumbs a + a::before, .crumbs span::before { content: "/"; color: var(--soft); margin: 0 .4rem; }
.id {
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: .8125rem;
  color: var(--soft);
}
.badge {
  display: inline-block; font-size: .6875rem; font-weight: 600; letter-spacing: .03em; padding: .05rem .4rem;
  border-radius: 4px; background: var(--rail); color: var(--soft); vertical-align: .08em; white-space: nowrap;
}
.badge.new, .badge.grew { background: var(--accent-soft); color: var(--accent); }
h1 .badge { font-size: .75rem; vertical-align: .2em; }
h1 code { font-size: 1.25rem; }

button, select, input {
  font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: 6px;
  padding: .35rem .55rem; min-height: 2.1rem;
}
button { cursor: pointer; }
button:hover, select:hover, input:hover { border-color: var(--soft); }
button[aria-pressed=true] { background: var(--accent-soft); border-color: var(--accent); color: var(--accent); }
::placeholder { color: var(--soft); opacity: .75; }
.filters { margin-bottom: 1rem; }
.filters > summary { cursor: pointer; font-weight: 600; padding: .5rem 0; }
.filters form {
  display: grid; grid-template-columns: repeat(7, minmax(0, 1fr)); gap: .6rem .75rem; background: var(--card);
  border: 1px solid var(--line); border-radius: 10px; padding: .8rem 1rem 1rem; align-items: end;
}
.filters label { display: block; min-width: 0; }
.filters label.search { grid-column: span 2; }
.filters label span { display: block; font-size: .75rem; color: var(--soft); margin-bottom: .15rem; }
.filters select, .filters input { width: 100%; }
.filters select { text-overflow: ellipsis; }
.buttons { display: flex; gap: .9rem; align-items: center; }
.buttons button {
  background: var(--accent); border-color: var(--accent); color: var(--card); font-weight: 600;
  padding: .35rem 1.1rem;
}
.filters.few form { background: none; border: 0; padding: 0; }
@media (min-width: 48.01rem) { .filters > summary { display: none; } }
.chips { display: flex; flex-wrap: wrap; gap: .4rem; margin: -.25rem 0 1rem; }
.chips li {
  background: var(--accent-soft); border-radius: 99px; padding: .12rem .4rem .12rem .75rem; max-width: 100%;
}
.chips a { display: inline-block; padding: 0 .35rem; font-weight: 700; }

.card, .tiles, .notice { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.card { padding: .9rem 1rem 1rem; min-width: 0; }
.card { display: flex; flex-direction: column; }
.card > p { color: var(--soft); margin-top: .1rem; }
.card.whole { margin-bottom: 1rem; }
.card .more { margin-top: auto; padding-top: .6rem; font-size: .8125rem; }
.notice { padding: .9rem 1.1rem; margin-bottom: 1rem; overflow-wrap: anywhere; }
.choices a { margin-left: .6rem; }
.notice p + p { margin-top: .4rem; }
.notice.bad { border-left: 4px solid var(--bad); }
.grid { display: grid; gap: 1rem; grid-template-columns: repeat(6, minmax(0, 1fr)); margin-bottom: 1rem; }
.grid > * { grid-column: span 2; }
.grid > .half { grid-column: span 3; }
.grid > .wide { grid-column: 1 / -1; }
.grid > .two { grid-column: span 4; }
.stack { display: flex; flex-direction: column; gap: 1rem; min-width: 0; }

.tiles {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); margin-bottom: 1rem;
  overflow: hidden;
}
.tiles > div { padding: .8rem 1rem .75rem; box-shadow: 1px 0 var(--line), 0 1px var(--line); }
.tiles dt { font-size: .75rem; color: var(--soft); }
.tiles dd.value {
  font-size: 1.45rem; font-weight: 600; line-height: 1.3; letter-spacing: -.01em; white-space: nowrap;
}
.tiles dd.note { font-size: .8125rem; color: var(--soft); min-height: 1.2em; }
.worse { color: var(--bad); }
.better { color: var(--good); }

.ranks { margin-top: .6rem; }
.ranks li {
  display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 0 .75rem; align-items: baseline;
  padding: .3rem 0;
}
.ranks .what { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.ranks .what code { overflow-wrap: normal; }
.ranks .value { font-variant-numeric: tabular-nums; white-space: nowrap; }
.ranks .value small { margin-left: .35rem; }
.ranks .bar { grid-column: 1 / -1; margin-top: .2rem; }

svg.bar { display: block; width: 100%; height: 4px; border-radius: 2px; overflow: hidden; fill: var(--finished); }
.rail { fill: var(--rail); }
svg.failed { fill: var(--failed); }
svg.repeated { fill: var(--canceled); }
svg.spark { display: block; width: 6rem; height: 1.5rem; overflow: hidden; }
.spark path {
  fill: var(--accent-soft); stroke: var(--accent); stroke-width: 1.25;
  vector-effect: non-scaling-stroke; stroke-linejoin: round;
}
svg.spread { display: block; width: 100%; min-width: 8rem; height: 10px; margin-top: .3rem; }
.spread .line, .spread .p50 { fill: var(--finished); }
.spread .p95 { fill: var(--canceled); }
.spread .p99 { fill: var(--failed); }

.chart figcaption {
  font-weight: 600; font-size: .95rem; display: flex; flex-wrap: wrap; gap: 0 1rem;
  justify-content: space-between; align-items: baseline;
}
.legend { display: flex; flex-wrap: wrap; gap: 0 .9rem; font-weight: 400; font-size: .8125rem; color: var(--soft); }
.legend li::before {
  content: ""; display: inline-block; width: .6rem; height: .6rem; border-radius: 2px; margin-right: .35rem;
  background: var(--finished);
}
.legend .canceled::before { background: var(--canceled); }
.legend .failed::before, .legend .vain::before { background: var(--failed); }
.plot {
  display: grid; grid-template-columns: auto minmax(0, 1fr); gap: .25rem .5rem; margin-top: .7rem;
  font-size: .75rem; color: var(--soft);
}
.plot .y {
  display: flex; flex-direction: column; justify-content: space-between; text-align: right; margin: -.55rem 0;
  font-variant-numeric: tabular-nums; white-space: nowrap;
}
.plot svg { width: 100%; height: 8.5rem; display: block; overflow: visible; }
.plot .x { grid-column: 2; display: flex; justify-content: space-between; }
.plot .rule { stroke: var(--line); stroke-width: 1; vector-effect: non-scaling-stroke; fill: none; }
.plot .finished, .plot .cpu { fill: var(--finished); }
.plot .canceled { fill: var(--canceled); }
.plot .failed, .plot .vain { fill: var(--failed); }
.plot g rect { width: 8px; }
.plot .hit { width: 10px; height: 100px; fill: transparent; }
.plot g:hover .hit { fill: var(--rail); }
.plot .partial { opacity: .55; }
details.figures { grid-column: 1 / -1; margin-top: -.5rem; font-size: .8125rem; }
details.figures table { max-width: 44rem; }
details.figures summary { cursor: pointer; color: var(--soft); }

.bar-of { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; align-items: center; margin-bottom: .5rem; }
.bar-of .views { display: flex; flex-wrap: wrap; gap: .25rem; align-items: center; }
.views a { padding: .2rem .6rem; border-radius: 6px; color: var(--soft); }
.views a[aria-current] { background: var(--accent-soft); color: var(--accent); font-weight: 600; }
.find { margin-left: auto; display: flex; gap: .6rem; align-items: center; color: var(--soft); }
.find input { width: 15rem; }
.find output:empty { margin-left: -.6rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; font-size: .95rem; padding-bottom: .5rem; }
caption small { font-weight: 400; margin-left: .5rem; }
th, td {
  text-align: right; vertical-align: top; padding: .5rem .5rem; border-top: 1px solid var(--line);
  font-weight: 400;
}
thead th { border-top: 0; font-size: .75rem; color: var(--soft); vertical-align: bottom; white-space: nowrap; }
thead a { color: inherit; }
thead [aria-sort] a { color: var(--accent); font-weight: 600; }
tbody th, thead th:first-child { text-align: left; padding-left: 0; }
td:last-child, th:last-child { padding-right: 0; }
td { white-space: nowrap; }
td small { display: block; }
.change { text-align: left; }
.main tbody th { width: 22%; min-width: 13rem; }
.main.fingerprint tbody th { width: 34%; min-width: 17rem; }
.main .share { width: 6.5rem; min-width: 5.5rem; }
.main .share svg { margin-top: .3rem; }
.main tbody tr:hover, .main tbody tr:focus-within {
  background: color-mix(in srgb, var(--accent-soft) 35%, transparent);
}
.main tbody th a {
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden;
  color: var(--ink);
}
.main tbody th a:focus-visible { outline-offset: -1px; }
.main tbody th small { display: block; margin-top: .15rem; }
.main thead { position: sticky; top: 0; background: var(--card); z-index: 1; box-shadow: 0 1px var(--line); }
.plain td, .plain th { padding-top: .35rem; padding-bottom: .35rem; }
.plain thead th { padding-top: 0; }
.plain .long { width: 40%; min-width: 9rem; }
.errors .long { width: 55%; }
.plain .share { width: 24%; min-width: 7rem; }
.plain td.share > div { display: grid; grid-template-columns: minmax(0, 1fr) 3.6rem; align-items: center; }
.plain a { color: var(--ink); }
.plain .spreads { width: 55%; }
.paging {
  display: flex; gap: 1.25rem; align-items: center; justify-content: flex-end; margin-top: .75rem;
  color: var(--soft);
}

.sql { position: relative; }
.sql header { display: flex; justify-content: space-between; align-items: center; margin-bottom: .5rem; gap: 1rem; }
.sql button { min-height: 0; padding: .15rem .7rem; }
pre {
  margin: 0; flex: 1; background: var(--code); border-radius: 6px; padding: .8rem 1rem; max-height: 34rem;
  overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere; tab-size: 4;
}
.k { color: var(--keyword); }
.l { color: var(--literal); }
.f { color: var(--function); }
.q { color: var(--quoted); }
.facts {
  display: grid; grid-template-columns: minmax(6rem, auto) minmax(0, 1fr); gap: .4rem 1rem; margin-top: .5rem;
}
.facts dt { color: var(--soft); }
.facts dd { overflow-wrap: anywhere; }

@media (max-width: 75rem) {
  .filters form { grid-template-columns: repeat(4, minmax(0, 1fr)); }
  .grid > *, .grid > .two { grid-column: span 3; }
  .grid > .half { grid-column: 1 / -1; }
  .scroll { overflow-x: auto; }
  .main thead { position: static; }
}
@media (max-width: 48rem) {
  main, .top, footer { padding-left: 1rem; padding-right: 1rem; }
  .tools { display: none; }
  .filters form { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .grid > *, .grid > .two, .grid > .half { grid-column: 1 / -1; }
  .find { margin-left: 0; width: 100%; }
  .find input { flex: 1; width: auto; }
  .main thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .main, .main tbody, .main caption { display: block; }
  .main tbody tr {
    display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: .5rem .75rem; padding: .8rem 0;
    border-top: 1px solid var(--line);
  }
  .main tbody th, .main.fingerprint tbody th { grid-column: 1 / -1; width: auto; min-width: 0; }
  .main th, .main td, .main td.change {
    border: 0; padding: 0; text-align: left; min-width: 0; white-space: normal;
  }
  .main td::before { content: attr(data-label); display: block; font-size: .75rem; color: var(--soft); }
  .main td.none { display: none; }
  .paging { justify-content: space-between; }
  .plain .share, .plain .long { width: auto; min-width: 0; }
  .plain .long { min-width: 6rem; }
  .plain td.share > div { display: block; }
  .plain td.share svg, .spreads, .spread { display: none !important; }
  .plain td, .plain th { padding-left: .3rem; padding-right: .3rem; }
  .plain .long a { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden; }
}
@page { size: landscape; margin: 1cm; }
@media print {
  :root { --back: #fff; }
  body { font-size: 10pt; }
  .top nav, .tools, .filters, .find, .views, .paging, .links, .skip, .copy, .more, .keys, .chips a {
    display: none !important;
  }
  svg, .badge, .legend li::before { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .card, .tiles, tr { break-inside: avoid; }
  .card.whole { break-inside: auto; }
  .main thead { position: static; }
  pre { max-height: none; }
  a { color: inherit; }
  .scroll { overflow: visible; }
  .grid > * { grid-column: span 2; }
  .grid > .half { grid-column: span 3; }
  .grid > .wide, .grid > .figures { grid-column: 1 / -1; }
  .tiles { grid-template-columns: repeat(8, auto); }
  .tiles > div { padding: .5rem .6rem; }
  .tiles dd.value { font-size: 1.1rem; }
  .main { font-size: 7.5pt; }
  .main small, .main code, .main thead th, .main .id, .main .badge { font-size: 6.5pt; }
  .main th, .main td { padding: .3rem; }
  .main tbody th, .main.fingerprint tbody th { min-width: 0; }
  details.figures:not([open]) { display: none; }
}
@media (prefers-reduced-motion: no-preference) {
  button, .views a { transition: background-color .12s, border-color .12s; }
}
@media (forced-colors: active) { svg.bar, .plot rect, .spread rect { forced-color-adjust: none; } }
"""
