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
  for (const c of children.flat(Infinity)) if (c !== null && c !== undefined) n.append(c);
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

// words keeps each word of a text whole: a line is broken between words, and
// after a hyphen of a name, but never inside an address or a range. A word that
// is wider than its place is cut, and shown whole by the pointer.
const words = (text) => String(text).split(" ").filter(Boolean).flatMap((w, i) =>
  [i ? " " : null, node("span", { class: /^[\d./:,]+$/.test(w) ? "whole" : "word", title: w.length > 18 ? w : "" }, w)]);

const cell = (c) => typeof c === "string" ? words(c) : c;

// home is the project that is used without PROJECT: where there is no other, none is named.
let home = "";

// On a narrow page each row is a block, and each cell has its heading beside it.
function table(headings, rows) {
  if (!rows.length) return node("p", { class: "none" }, "none");
  const i = headings.indexOf("project");
  if (i >= 0 && rows.every((r) => r[i] === home || r[i] === "")) return table(headings.toSpliced(i, 1), rows.map((r) => r.toSpliced(i, 1)));
  return node("table", {},
    node("thead", {}, node("tr", {}, headings.map((h) => node("th", { scope: "col" }, h)))),
    node("tbody", {}, rows.map((r) => node("tr", {}, r.map((c, i) => node("td", { "data-heading": headings[i] }, node("div", {}, cell(c))))))));
}

const clock = (t) => t ? new Date(t).toLocaleTimeString("en-GB") : "";

function took(ms) {
  if (ms < 1000) return ms + " ms";
  if (ms < 60000) return (ms / 1000).toFixed(1) + " s";
  return Math.floor(ms / 60000) + " min " + Math.floor(ms % 60000 / 1000) + " s";
}

const many = (n, what) => n + " " + what + (n === 1 ? "" : "s");

const fact = (name, value) => value ? node("span", { class: "fact" }, node("i", {}, name), " ", node("span", {}, words(value))) : null;

const card = (m) => node("button", { class: "machine " + look(m.status) + (m.master ? " master" : ""), type: "button", onclick: () => open(m), "data-name": m.project + "/" + m.zone + "/" + m.name },
  node("b", {}, words(m.name)),
  node("span", { class: "fact" }, colour(m.status), m.master ? node("em", {}, "master") : null),
  fact("type", m.type), fact("internal", m.internal), fact("external", m.external), fact("pods", m.pods));

const place = (z) => node("div", { class: "zone" }, node("h5", {}, z.name),
  (z.machines || []).map(card),
  z.machines ? null : node("p", { class: "none" }, "empty"),
  z.more ? node("p", { class: "none" }, "and " + z.more + " more: the filter finds them") : null);

function summary(c) {
  const all = c.count.masters + c.count.others;
  return [c.count.masters ? many(c.count.masters, "master") : "", many(c.count.others, c.name ? "node" : "machine"),
    all === c.count.running ? "all run" : (all - c.count.running) + " not running",
    c.count.shown === all ? "" : c.count.shown + " of " + all + " shown"].filter(Boolean).join(", ");
}

const cluster = (p, c) => node("div", { class: "cluster" },
  node("h4", {}, words(c.name ? "cluster " + c.name : p.clusters.length > 1 ? "of no cluster" : "machines"), " ", node("small", {}, summary(c))),
  c.regions.map((r) => [node("h5", { class: "region" }, r.name), node("div", { class: "zones" }, r.zones.map(place))]));

const parts = {
  projects(v) {
    if (!v.projects) return node("p", { class: "none" }, filter() ? "no machine has all these words" : "no machines yet: KUBERNETES_PROVIDER=local hakube up");
    return v.projects.map((p) => node("div", { class: "project" }, node("h3", {}, words("project " + p.name)), p.clusters.map((c) => cluster(p, c))));
  },
  operations: (v) => table(["since", "project", "what", "on", "by", "took", "state"], (v.operations || []).map((o) => [
    clock(o.began), o.project, o.type.replace("compute.", ""), o.kind + " " + o.target, o.user, took(o.took),
    o.status !== "DONE" ? node("span", {}, colour(o.status), " ", node("progress", { max: 100, value: o.percent }))
      : o.error ? node("span", { class: "is-bad" }, words(o.error)) : node("span", { class: "is-good" }, "done")])),
  balancers: (v) => table(["rule", "project", "address", "ports", "backend", "health"], (v.balancers || []).flatMap((b) =>
    (b.backends || [{ name: "", health: "" }]).map((x, i) => [
      i ? "" : b.name, i ? "" : b.project, i ? "" : b.address, i ? "" : b.ports,
      x.name ? x.name + " in " + x.zone : x.group ? "group " + x.group + " in " + x.zone + " is empty" : "none", x.health ? colour(x.health) : ""]))),
  groups: (v) => table(["group", "project", "zone", "machines", "state"], (v.groups || []).map((g) => [
    g.name, g.project, g.zone, String(g.target), node("span", { class: g.stable ? "is-good" : "is-wait" }, g.stable ? "stable" : "changing")])),
  networks: (v) => (v.networks || []).map((n) => [
    node("h3", {}, words(n.name + " in project " + n.project)),
    table(["subnetwork", "region", "ranges"], (n.subnets || []).map((s) => [s.name, s.region, node("div", {}, s.ranges.map((r) => node("div", {}, words(r))))])),
    table(["firewall rule", "allows"], (n.firewalls || []).map((f) => [f.name, f.rule]))]).flat(),
  addresses: (v) => table(["address", "project", "IP", "state", "used by"], (v.addresses || []).map((a) => [a.name, a.project, a.ip, colour(a.status), a.user])),
  disks: (v) => table(["disk", "project", "zone", "size", "type", "used by"], (v.disks || []).map((d) => [d.name, d.project, d.zone, d.size + "\u00a0GB", d.type, d.user])),
};

const shown = {}; // by section, what it was drawn from

function draw(v) {
  home = v.project;
  const total = Object.values(v.objects || {}).reduce((a, b) => a + b, 0);
  document.getElementById("about").textContent =
    `${v.endpoint} · ${v.machines} machines · latency ${v.latency} · ${total} objects · calls since the start: ${v.calls.read} read, ${v.calls.change} changed`;
  for (const [id, make] of Object.entries(parts)) {
    const from = JSON.stringify(v[id] || []);
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
  if (answer.status === 401) throw new Error("open the page again by a link of: hakube local console");
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

// The filter stands in the address of the page, so that a reload and a link keep it.
const box = document.getElementById("filter");
const filter = () => box.value.trim();
let wake = () => {};

box.value = new URLSearchParams(location.hash.slice(1)).get("filter") || "";
box.addEventListener("input", () => {
  history.replaceState(null, "", filter() ? "#" + new URLSearchParams({ filter: filter() }) : location.pathname);
  wake();
});

async function once() {
  const state = document.getElementById("state");
  try {
    for (let wanted; wanted !== filter();) { // what was typed meanwhile is asked for at once
      wanted = filter();
      draw(await ask("data?" + new URLSearchParams({ filter: wanted })));
    }
    state.textContent = "as of " + new Date().toLocaleTimeString("en-GB");
    state.className = "";
  } catch (err) {
    state.textContent = "the embedded GCE does not answer; what you see is old (" + err.message + ")";
    state.className = "lost";
  }
}

async function loop() {
  for (let first = true; ; first = false) {
    if (first || !document.hidden) await once();
    await new Promise((r) => { wake = r; setTimeout(r, every); });
  }
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
