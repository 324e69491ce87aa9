"""How the page looks: on a screen or a phone, light or dark, and on paper."""

STYLE = """
:root{color-scheme:light dark;--page:#f4f6f5;--sheet:#fff;--ink:#1a2421;--soft:#55635e;--line:#d9dfdc;
--mark:#0b6e4f;--k0:#0b7a57;--k1:#2f6db5;--k2:#c2571a;--k3:#8a4fa3;--k4:#94700b;--k5:#b83262;--k6:#2f7d8c;
--k7:#66741f;--k8:#75807b}
@media (prefers-color-scheme:dark){:root{--page:#101614;--sheet:#18201d;--ink:#e6ece9;--soft:#9fb0a9;
--line:#2f3b36;--mark:#58c9a0;--k0:#42bb91;--k1:#6ea5e4;--k2:#ee935d;--k3:#c28de0;--k4:#d9b24a;--k5:#ee7da6;
--k6:#6fbccb;--k7:#adc05f;--k8:#98a49f}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Liberation Sans",Arial,sans-serif;-webkit-text-size-adjust:100%}
main,footer{max-width:62rem;margin:0 auto;padding:0 1rem}
header{padding:2rem 0 .5rem}
h1{margin:0;font-size:1.9rem;line-height:1.2;letter-spacing:-.01em}
h2{margin:0 0 .75rem;font-size:1.25rem}
h3{margin:0;font-size:1rem}
header p,small,.unit,.scale,footer{color:var(--soft)}
header p{margin:.25rem 0 0}
p{margin:0 0 .9rem;max-width:46rem}
small{font-size:.85rem}
code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;font-size:.88em}
section{background:var(--sheet);border:1px solid var(--line);border-radius:10px;padding:1.25rem;margin:1rem 0}
.tiles{display:grid;grid-template-columns:repeat(3,1fr);gap:1px;margin:0 0 1rem;background:var(--line);
border:1px solid var(--line);border-radius:8px;overflow:hidden}
.tiles div{background:var(--sheet);padding:.8rem 1rem}
dt{color:var(--soft);font-size:.85rem}
dd{margin:0}
.tiles dd{font-size:1.15rem;overflow-wrap:anywhere;font-weight:650;line-height:1.25;font-variant-numeric:tabular-nums}
.tiles small{display:block;font-weight:400;font-size:.8rem;margin-top:.15rem}
.proof{border-left:4px solid var(--mark);padding-left:.75rem;margin:0}
.proof+p{margin:.9rem 0 0}
.plot{display:grid;grid-template-columns:auto 1fr;margin-bottom:1rem}
.plot svg{display:block;overflow:visible}
svg text{fill:var(--soft);font-size:12px;font-variant-numeric:tabular-nums}
.axis text{text-anchor:end}
.area text{text-anchor:middle}
.area text.first{text-anchor:start}
.area text.last{text-anchor:end}
.grid,.zero{stroke:var(--line);stroke-width:1;shape-rendering:crispEdges}
.zero{stroke:var(--soft)}
.gap{stroke:var(--soft);stroke-width:1;stroke-dasharray:3 4}
.heat{fill:var(--k0);stroke:var(--line);stroke-width:1}
.k0{fill:var(--k0)}.k1{fill:var(--k1)}.k2{fill:var(--k2)}.k3{fill:var(--k3)}.k4{fill:var(--k4)}.k5{fill:var(--k5)}
.k6{fill:var(--k6)}.k7{fill:var(--k7)}.k8{fill:var(--k8)}
.unit{margin:0;font-size:12px;width:62px;text-align:right}
.legend{display:flex;flex-wrap:wrap;gap:.25rem 1.1rem;list-style:none;margin:0 0 .5rem;padding:0;font-size:.9rem}
.scale{display:flex;gap:.5rem;align-items:center;font-size:.85rem}
.table{overflow-x:auto;margin:0 0 1rem}
.tall{max-height:25rem;overflow-y:auto;background:linear-gradient(var(--sheet) 0 0) 0 100%/100% 2rem no-repeat local,
linear-gradient(transparent,var(--line)) 0 100%/100% 2rem no-repeat}
.tall thead th,.tall thead td{position:sticky;top:0;background:var(--sheet);box-shadow:0 1px 0 var(--line)}
.table:last-child{margin-bottom:0}
table{border-collapse:collapse;width:100%;font-size:.92rem;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;padding:.25rem 0}
th,td{padding:.34rem .6rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap;font-weight:400}
th:first-child{text-align:left;padding-left:0}
thead th{white-space:normal;color:var(--soft);font-size:.82rem;vertical-align:bottom}
tbody+tbody tr:first-child>*{border-top:2px solid var(--soft)}
td:has(.bar){width:32%;min-width:6rem}
.bar{display:block}
.findings{list-style:none;margin:0;padding:0}
.findings li{display:grid;grid-template-columns:1fr auto;gap:0 1rem;padding:.7rem 0;border-top:1px solid var(--line)}
.findings p{margin:0}
.findings .count{font-weight:650;font-variant-numeric:tabular-nums}
.findings p:last-child{grid-column:1/-1}
h3 code{color:var(--soft);font-weight:400;overflow-wrap:anywhere}
.facts{margin:0}
.facts div{display:grid;grid-template-columns:13rem 1fr;gap:.1rem 1rem;padding:.35rem 0;
border-top:1px solid var(--line)}
.facts dd{overflow-wrap:anywhere}
footer{font-size:.85rem;padding-bottom:2rem}
@media (max-width:640px){
.tiles{grid-template-columns:1fr}
.tiles div{display:grid;grid-template-columns:8rem 1fr;gap:.5rem;align-items:baseline}
.tiles dd{font-size:1.05rem}
section{padding:1rem .8rem}
main,footer{padding:0 .6rem}
table{font-size:.84rem}
th,td{padding:.34rem .3rem}
th:first-child{white-space:normal}
.more{display:none}
.facts div{grid-template-columns:1fr}
thead td{display:none}
tr:has(.bar){position:relative}
tr:has(.bar)>*{padding-bottom:.6rem}
td:has(.bar){position:absolute;left:0;bottom:0;width:100%;min-width:0;padding:0;border:0}
.bar{height:4px}
}
@media print{
:root{--page:#fff;--sheet:#fff;--ink:#000;--soft:#444;--line:#bbb}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
body{font-size:11pt}
section{border:0;padding:0;margin:1.2rem 0;border-radius:0}
main,footer{max-width:none;padding:0}
.plot,.table:not(.tall),p,tr,.findings li,.facts div,.tiles{break-inside:avoid}
h2,h3,caption,section>p,.legend,.unit{break-after:avoid}
.table{overflow:visible;max-height:none;background:none}
.tall thead th,.tall thead td{position:static}
}
"""
