// SPDX-License-Identifier: BSD-2-Clause
// The page at /debug/memory/flamegraph: its data is in the document.
import { flameGraph } from "./flame.js";
import { RSS, rootName, TOUCHED } from "./flametree.js";
import { moment } from "./format.js";

const data = JSON.parse(document.getElementById("data").textContent);
const about = [`taken ${moment(data.taken_at)}`, `memprov ${data.version}`];

if (data.consistency === "racing") about.push("the process changed its map while it was read");
if (data.tracing === "off") about.push("not traced: there are no call sites");
document.title = `${rootName(data)}: memory flame graph`;
document.querySelector("h1").textContent = rootName(data);
document.getElementById("about").textContent = about.join(" · ");
const graph = flameGraph(data.by === "touch" ? TOUCHED : RSS);
document.querySelector("main").append(graph);
graph.update(data);
