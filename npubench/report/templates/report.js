// Works on a page that is already complete without it: keeps `lang` right and opens what is folded for paper and links.
"use strict";
(() => {
  const radios = document.querySelectorAll("input.lang");
  const follow = () => {
    for (const radio of radios) {
      if (radio.checked) document.documentElement.lang = radio.id.slice(5);
    }
  };
  for (const radio of radios) radio.addEventListener("change", follow);
  follow();

  const reveal = () => {
    const target = location.hash ? document.getElementById(location.hash.slice(1)) : null;
    if (target instanceof HTMLDetailsElement) {
      target.open = true;
      target.scrollIntoView();
    }
  };
  addEventListener("hashchange", reveal);
  reveal();

  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const item of folded) item.open = true;
  });
  addEventListener("afterprint", () => {
    for (const item of folded) item.open = false;
  });
})();
