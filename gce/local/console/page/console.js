"use strict";
// Every text goes in as text, never as HTML: names and consoles are what
// strangers wrote.

const every = 1000; // ms between two looks

function node(tag, attrs, ...children) {
  const n = document.createElement(tag);
  for (const [k, v] of Object.entries(attrs || {})) {
    if (k === "onclick") n.addEventListener("click", v);
    else if (v !== undefined && v !== "") n.setAttribute(k, v);
  }
  for (const c of children.flat()) if (c !== null && c !== undefined) n.append(c);
  return n;
}

// look is the word for how a state looks; the word itself is shown, too.
function look(state) {
  switch (state) {
    case "RUNNING": case "HEALTHY": case "DONE": case "IN_USE": return "good";
    case "PROVISIONING": case "STAGING": case "STOPPING": case "SUSPENDING": case "REPAIRING": case "PENDING": return "wait";
    case "UNHEALTHY": return "bad";
  }
  return "off";
}

const colour = (state) => node("span", { class: "is-" + look(state) }, state);

// tight are the columns that are never broken.
function table(headings, rows, tight = []) {
  if (!rows.length) return node("p", { class: "none" }, "none");
  return node("div", { class: "rows" }, node("table", {},
    node("thead", {}, node("tr", {}, headings.map((h) => node("th", { scope: "col" }, h)))),
    node("tbody", {}, rows.map((r) => node("tr", {}, r.map((c, i) => node("td", { class: tight.includes(i) ? "tight" : "" }, c)))))));
}

const clock = (t) => t ? new Date(t).toLocaleTimeString("en-GB") : "";

const parts = {
  map(v) {
    if (!v.regions) return node("p", { class: "none" }, "no machines yet: KUBERNETES_PROVIDER=local hakube up");
    return v.regions.map((r) => [node("h3", {}, r.name), node("div", { class: "zones" }, r.zones.map((z) =>
      node("div", { class: "zone" }, node("h4", {}, z.name),
        (z.machines || []).map((m) => node("button", { class: "machine " + look(m.status), type: "button", onclick: () => open(m), "data-name": m.name },
          node("b", {}, m.name), " ", colour(m.status),
          node("span", { class: "fact" }, [m.type, m.project !== v.project ? "project " + m.project : ""].filter(Boolean).join(" · ")),
          node("span", { class: "fact" }, [m.internal, m.external && "external " + m.external, m.pods && "pods " + m.pods].filter(Boolean).join(" · ")))),
        z.machines ? null : node("p", { class: "none" }, "empty"),
        z.more ? node("p", { class: "none" }, "and " + z.more + " more") : null)))]).flat();
  },
  operations: (v) => table(["since", "what", "on", "state"], (v.operations || []).map((o) => [
    clock(o.began), o.type.replace("compute.", ""), o.kind + " " + o.target,
    o.status !== "DONE" ? node("span", {}, colour(o.status), " ", node("progress", { max: 100, value: o.percent }))
      : o.error ? node("span", { class: "is-bad" }, o.error) : node("span", { class: "is-good tight" }, "done")]), [0]),
  balancers: (v) => table(["rule", "address", "backend", "health"], (v.balancers || []).flatMap((b) =>
    (b.backends || [{ name: "", health: "" }]).map((x, i) => [
      i ? "" : b.name, i ? "" : [b.address, b.ports].join(" "),
      x.name ? x.name + " in " + x.zone : x.group ? "group " + x.group + " in " + x.zone + " is empty" : "none", x.health ? colour(x.health) : ""])), [3]),
  groups: (v) => table(["group", "zone", "machines", ""], (v.groups || []).map((g) => [
    g.name, g.zone, String(g.target), node("span", { class: g.stable ? "is-good" : "is-wait" }, g.stable ? "stable" : "changing")])),
  networks: (v) => (v.networks || []).map((n) => [
    node("h3", {}, n.name + (n.project !== v.project ? " (project " + n.project + ")" : "")),
    table(["subnetwork", "region", "ranges"], (n.subnets || []).map((s) => [s.name, s.region, s.ranges.join(", ")])),
    table(["firewall rule", "allows"], (n.firewalls || []).map((f) => [f.name, f.rule]))]).flat(),
  addresses: (v) => table(["address", "", "state", "used by"], (v.addresses || []).map((a) => [a.name, a.ip, colour(a.status), a.user])),
  disks: (v) => table(["disk", "zone", "size", "used by"], (v.disks || []).map((d) => [d.name, d.zone, d.size + " GB " + d.type, d.user])),
};

const shown = {}; // by section, what it was drawn from

function draw(v) {
  const total = Object.values(v.objects || {}).reduce((a, b) => a + b, 0);
  document.getElementById("about").textContent =
    `${v.endpoint} · ${v.machines} machines · latency ${v.latency} · ${total} objects · calls since the start: ${v.calls.read} read, ${v.calls.change} changed`;
  for (const [id, make] of Object.entries(parts)) {
    const from = JSON.stringify([v[id === "map" ? "regions" : id], v.project]);
    if (shown[id] === from) continue; // what did not change keeps its focus
    const body = document.querySelector("#" + id + " .body");
    const focus = document.activeElement && document.activeElement.dataset.name;
    body.replaceChildren(...[make(v)].flat());
    if (focus && body.querySelector(`[data-name="${CSS.escape(focus)}"]`)) body.querySelector(`[data-name="${CSS.escape(focus)}"]`).focus();
    shown[id] = from;
  }
}

async function ask(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

let looked = 0;
async function loop() {
  const state = document.getElementById("state");
  try {
    if (!document.hidden || !looked) {
      draw(await ask("data"));
      looked++;
      state.textContent = "as of " + new Date().toLocaleTimeString("en-GB");
      state.className = "";
    }
  } catch (err) {
    state.textContent = "the embedded GCE does not answer; what you see is old (" + err.message + ")";
    state.className = "lost";
  }
  setTimeout(loop, every);
}

// The console of one machine, followed while it is open.
let opened = null;

function open(m) {
  opened = { m, next: "" };
  document.getElementById("console-name").textContent = m.name + " in " + m.zone + ": serial port 1";
  document.getElementById("console-text").textContent = "";
  document.getElementById("console").showModal();
  follow(opened);
}

async function follow(it) {
  const text = document.getElementById("console-text");
  while (opened === it) {
    try {
      const q = new URLSearchParams({ project: it.m.project, zone: it.m.zone, name: it.m.name, start: String(it.next) });
      const got = await ask("serial?" + q);
      if (opened !== it) return;
      if (got.text) {
        const atEnd = text.scrollTop + text.clientHeight >= text.scrollHeight - 20;
        text.append(got.text);
        if (atEnd) text.scrollTop = text.scrollHeight;
      } else if (it.next === "") {
        text.textContent = "";
      }
      it.next = got.next;
    } catch (err) {
      text.append("\n[" + err.message.trim() + "]\n");
    }
    await new Promise((r) => setTimeout(r, every));
  }
}

document.getElementById("console-close").addEventListener("click", () => document.getElementById("console").close());
document.getElementById("console").addEventListener("close", () => { opened = null; });
loop();
