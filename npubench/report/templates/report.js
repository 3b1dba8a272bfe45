// Works on a page that is already complete without it: the language that the reader reads, sorting, filtering, values
// at a chart's marks, links that are copied. It stands at the page's head, so that nothing is painted twice.
"use strict";
(() => {
  const page = document.documentElement;
  const radios = [...document.querySelectorAll('input[name="lang"]')];
  const follow = () => {
    const chosen = radios.find((radio) => radio.checked);
    if (!chosen) return;
    page.lang = chosen.id.slice(5);
    document.title = document.querySelector("title").dataset[page.lang];
  };
  if ("reader" in page.dataset) {
    const read = (navigator.languages ?? [navigator.language]).map((name) => name.slice(0, 2));
    const known = read.map((name) => document.getElementById(`lang-${name}`)).find(Boolean);
    if (known) known.checked = true;
  }
  for (const radio of radios) radio.addEventListener("change", follow);
  follow();

  const make = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
  const both = (en, ko) => {
    const found = document.createDocumentFragment();
    found.append(make("span", { class: "en", lang: "en" }, en), make("span", { class: "ko", lang: "ko" }, ko));
    return found;
  };

  let voice;
  const say = (...parts) => {
    voice.replaceChildren(...parts);
  };

  // What a reader sees in a cell, in the language that is shown, without footnote numbers and small print.
  const shown = (cell) => {
    const left = page.lang === "ko" ? "en" : "ko";
    const walker = document.createTreeWalker(cell, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT, (node) => {
      if (node.nodeType === Node.TEXT_NODE) return NodeFilter.FILTER_ACCEPT;
      const out = node.localName === "sup" || node.localName === "br" || node.classList.contains(left);
      return out || node.classList.contains("said") ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_SKIP;
    });
    let text = "";
    while (walker.nextNode()) text += walker.currentNode.data;
    return text.replace(/\s+/g, " ").trim();
  };

  // The prefixes that npubench writes before a unit (units.py), so that 1.20 s sorts above 25.3 ms.
  const FACTORS = {
    ns: 1e-9, "µs": 1e-6, ms: 1e-3, nJ: 1e-9, "µJ": 1e-6, mJ: 1e-3, kMAC: 1e3, MMAC: 1e6, GMAC: 1e9,
    KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30,
  };
  const number = (text) => {
    const found = /^([-−+]?)(∞|\d[\d,]*(?:\.\d+)?)(?:\s*([^\s/\d]+))?/.exec(text);
    if (!found) return null;
    const size = found[2] === "∞" ? Infinity : Number(found[2].replaceAll(",", ""));
    return (found[1] && found[1] !== "+" ? -size : size) * (FACTORS[found[3]] ?? 1);
  };

  const rowsOf = new WeakMap();
  // The pieces that are moved and hidden: a row, or the group of rows of one cell; in the order of the page.
  const pieces = (table) => {
    if (!rowsOf.has(table)) {
      rowsOf.set(table, table.tBodies.length > 1 ? [...table.tBodies] : [...(table.tBodies[0]?.rows ?? [])]);
    }
    return rowsOf.get(table);
  };
  const row = (piece) => (piece.localName === "tr" ? piece : piece.rows[0]);

  const sort = (table, heads, column) => {
    const head = heads[column];
    const next = { none: "ascending", ascending: "descending", descending: "none" }[head.ariaSort ?? "none"];
    for (const other of heads) if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", next);
    const found = pieces(table).map((piece, place) => {
      const cell = row(piece).cells[column];
      const text = cell ? shown(cell) : "";
      return { piece, place, text, value: number(text) };
    });
    if (next !== "none") {
      const numeric = head.classList.contains("n");
      const collator = new Intl.Collator(page.lang, { numeric: true });
      const way = next === "ascending" ? 1 : -1;
      found.sort((one, other) => {
        if (!numeric) return way * collator.compare(one.text, other.text) || one.place - other.place;
        // Unknown stands last, whichever way.
        if (one.value === null || other.value === null) {
          return (one.value === null) - (other.value === null) || one.place - other.place;
        }
        return way * (one.value - other.value || 0) || one.place - other.place;
      });
    }
    const parent = found[0].piece.parentNode;
    parent.append(...found.map((each) => each.piece));
    const by = shown(head);
    if (next === "none") say(both("In the order of the run.", "실행 순서대로 정렬했습니다."));
    else if (next === "ascending") say(both(`Sorted by ${by}, rising.`, `${by} 오름차순으로 정렬했습니다.`));
    else say(both(`Sorted by ${by}, falling.`, `${by} 내림차순으로 정렬했습니다.`));
  };

  // Two rows are in order at a glance.
  const FEWEST_SORTED = 3;
  const sortable = (table) => {
    if (pieces(table).length < FEWEST_SORTED || table.tHead?.rows.length !== 1) return;
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      // A column without a name that is seen has nothing to sort by.
      const named = [...head.childNodes].some((node) => node.textContent.trim() && !node.matches?.(".hidden, .scale"));
      if (!named) return;
      head.setAttribute("aria-sort", "none");
      const button = make("button", { type: "button", class: "sort" }, ...head.childNodes);
      button.addEventListener("click", () => sort(table, heads, column));
      head.append(button);
    });
  };

  // Fewer rows are seen at once; more chips are no help.
  const FEWEST = 8;
  const MOST_CHIPS = 12;
  let filters = 0;
  const filterable = (table) => {
    const all = pieces(table);
    if (all.length < FEWEST) return;
    const id = `filter-${++filters}`;
    const texts = all.map((piece) => piece.textContent.toLowerCase());
    const box = make("input", { type: "search", id, autocomplete: "off", spellcheck: "false" });
    const count = make("p", { class: "count", role: "status" });
    const clear = make("button", { type: "button", class: "clear", hidden: "" }, both("Show all", "모두 보기"));
    const tools = make(
      "div",
      { class: "filter" },
      make("label", { for: id }, both("Filter", "거르기")),
      box,
    );
    const chips = [];
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if (!("pick" in head.dataset)) return;
      const values = new Map();
      const keys = all.map((piece) => {
        const cell = row(piece).cells[column];
        const first = cell.querySelector(".tag") ?? cell;
        const key = first.textContent;
        if (!values.has(key)) values.set(key, first);
        return key;
      });
      if (values.size < 2 || values.size > MOST_CHIPS) return;
      const name = make("span", { class: "name", id: `${id}-${column}` });
      for (const node of head.querySelector("button")?.childNodes ?? head.childNodes) name.append(node.cloneNode(true));
      const group = make("div", { class: "chips", role: "group", "aria-labelledby": name.id }, name);
      const pressed = new Set();
      for (const [key, cell] of values) {
        const chip = make("button", { type: "button", class: "chip", "aria-pressed": "false" });
        for (const node of cell.childNodes) chip.append(node.cloneNode(true));
        chip.addEventListener("click", () => {
          if (!pressed.delete(key)) pressed.add(key);
          chip.setAttribute("aria-pressed", String(pressed.has(key)));
          apply();
        });
        group.append(chip);
      }
      chips.push({ keys, pressed, group });
      tools.append(group);
    });
    const apply = () => {
      const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
      let left = 0;
      all.forEach((piece, index) => {
        const kept =
          words.every((word) => texts[index].includes(word)) &&
          chips.every(({ keys, pressed }) => !pressed.size || pressed.has(keys[index]));
        piece.hidden = !kept;
        left += kept;
      });
      const of = all.length.toLocaleString("en");
      const n = left.toLocaleString("en");
      count.replaceChildren(both(`${n} of ${of} shown`, `${of}개 중 ${n}개 표시`));
      clear.hidden = left === all.length;
    };
    clear.addEventListener("click", () => {
      box.value = "";
      for (const { pressed, group } of chips) {
        pressed.clear();
        for (const chip of group.querySelectorAll(".chip")) chip.setAttribute("aria-pressed", "false");
      }
      apply();
      box.focus();
    });
    let waiting;
    box.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(apply, 120);
    });
    tools.append(count, clear);
    apply();
    (table.closest(".scroll") ?? table).before(tools);
  };

  // A mark says where its number stands: "k:2:3" is row 2, column 3 of the table `<key>-k`.
  const NEAR = 24;
  const tip = make("div", { class: "tip", hidden: "" });
  let marked;
  const told = (mark) => {
    const [letter, place, column] = mark.dataset.at.split(":");
    const table = document.getElementById(`${mark.ownerSVGElement.dataset.key}-${letter}`);
    const found = table && pieces(table)[place];
    const cell = found?.cells[column];
    if (!cell) return null;
    const heading = found.querySelector('th[scope="row"]') ?? found.cells[0];
    const title = heading.querySelector(".title") ?? heading;
    const copy = (from) => {
      const inner = from.querySelector(".sort") ?? from;
      return [...inner.cloneNode(true).childNodes].filter((node) => !node.matches?.("svg, br"));
    };
    return [
      make("strong", {}, ...copy(title)),
      make("span", {}, ...copy(table.tHead.rows[0].cells[column]), " ", make("b", {}, ...copy(cell))),
    ];
  };
  const hide = () => {
    tip.hidden = true;
    marked?.classList.remove("at");
    marked = undefined;
  };
  const show = (mark) => {
    if (mark === marked) return true;
    const parts = told(mark);
    if (!parts) return false;
    hide();
    marked = mark;
    mark.classList.add("at");
    tip.replaceChildren(...parts);
    tip.hidden = false;
    const at = mark.getBoundingClientRect();
    const wide = tip.offsetWidth;
    const left = Math.min(Math.max(8, at.left + at.width / 2 - wide / 2), page.clientWidth - wide - 8);
    const above = at.top - tip.offsetHeight - 10;
    tip.style.left = `${Math.max(0, left) + scrollX}px`;
    tip.style.top = `${(above < 4 ? at.bottom + 10 : above) + scrollY}px`;
    return true;
  };
  const charted = (chart) => {
    const marks = [...chart.querySelectorAll("[data-at]")];
    if (!marks.length) return;
    // Launches whose bars lie on each other have one number in the table.
    const steps = [...new Map(marks.map((mark) => [mark.dataset.at, mark])).values()];
    chart.addEventListener("pointermove", (event) => {
      let best;
      let least = NEAR;
      for (const mark of marks) {
        const at = mark.getBoundingClientRect();
        const dx = Math.max(at.left - event.clientX, 0, event.clientX - at.right);
        const dy = Math.max(at.top - event.clientY, 0, event.clientY - at.bottom);
        const far = Math.hypot(dx, dy);
        if (far < least) [least, best] = [far, mark];
      }
      if (!best || !show(best)) hide();
    });
    chart.addEventListener("pointerleave", (event) => {
      if (event.relatedTarget !== tip) hide();
    });
    chart.addEventListener("blur", hide);
    chart.addEventListener("keydown", (event) => {
      const way = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!way) return;
      event.preventDefault();
      const now = marked ? steps.findIndex((mark) => mark.dataset.at === marked.dataset.at) : way < 0 ? steps.length : -1;
      const next = steps[Math.min(Math.max(now + way, 0), steps.length - 1)];
      next.scrollIntoView({ block: "nearest", inline: "nearest" });
      if (show(next)) {
        const [title, value] = told(next);
        say(title, ": ", value);
      }
    });
    const hint = make("p", { class: "hidden", id: `${chart.querySelector("svg").dataset.key}-how` });
    hint.append(both("Left and right arrow: the values one by one.", "왼쪽·오른쪽 화살표로 값을 하나씩 읽습니다."));
    chart.after(hint);
    chart.setAttribute("aria-describedby", hint.id);
  };

  const reveal = () => {
    const target = location.hash ? document.getElementById(location.hash.slice(1)) : null;
    if (!target) return;
    let folded = false;
    for (let at = target.closest("details"); at; at = at.parentElement.closest("details")) {
      folded ||= !at.open;
      at.open = true;
    }
    if (folded) target.scrollIntoView();
  };

  const copied = async (event) => {
    const link = event.target.closest(".here a");
    if (!link) return;
    try {
      await navigator.clipboard.writeText(link.href);
      say(both("The link was copied.", "링크를 복사했습니다."));
      link.classList.add("copied");
      setTimeout(() => link.classList.remove("copied"), 2000);
    } catch {
      // No clipboard here: the link itself has put the address where one can copy it.
    }
  };

  // On a phone: a list of sections that unfolds, and a word above what is wider than the screen. It is for the eyes; for
  // others such a table is a group that takes the focus and scrolls.
  const phone = matchMedia("(max-width: 40rem)");
  const cue = (box) => {
    const wide = box.scrollWidth > box.clientWidth + 1;
    const before = box.previousElementSibling;
    const told = before?.classList.contains("swipe");
    if (wide === Boolean(told)) return;
    if (told) before.remove();
    else {
      box.before(make("p", { class: "swipe", "aria-hidden": "true" }, both("swipe for more", "옆으로 밀어 보기"), " →"));
    }
  };
  const narrow = () => {
    const contents = document.querySelector(".contents details");
    if (contents && phone.matches) contents.open = false;
  };
  const swiped = () => {
    const boxes = [...document.querySelectorAll(".scroll")];
    const seen = new IntersectionObserver(
      (entries) => {
        for (const entry of entries) if (entry.isIntersecting) cue(entry.target);
      },
      { rootMargin: "50%" },
    );
    const watch = () => {
      seen.disconnect();
      // On a wider screen the style hides the words that were set.
      if (phone.matches) for (const box of boxes) seen.observe(box);
      narrow();
    };
    phone.addEventListener("change", watch);
    if (phone.matches) watch();
  };

  let folded = [];
  addEventListener("beforeprint", () => {
    hide();
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const item of folded) item.open = true;
  });
  addEventListener("afterprint", () => {
    for (const item of folded) item.open = false;
  });

  document.addEventListener("DOMContentLoaded", () => {
    voice = make("p", { class: "hidden", role: "status" });
    document.querySelector("main").append(voice);
    document.body.append(tip);
    for (const table of document.querySelectorAll("table[data-sort]")) sortable(table);
    for (const table of document.querySelectorAll("table[data-filter]")) filterable(table);
    for (const chart of document.querySelectorAll(".chart")) charted(chart);
    swiped();
    tip.addEventListener("pointerleave", hide);
    addEventListener("keydown", (event) => {
      if (event.key === "Escape") hide();
    });
    document.addEventListener("click", copied);
    addEventListener("hashchange", reveal);
    reveal();
  });
})();
