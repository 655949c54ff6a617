// Keeps the page fresh and sends its controls. Without this file the page is complete, only still.
"use strict";

// Pause between two fetches.
const REFRESH_MS = 2000;
// Longest wait for an answer of the server.
const FETCH_MS_MAX = 5000;
// Where the choice to stand still is kept, for this tab alone.
const STILL_KEY = "mesh-sandbox-still";
const UNREACHED = "The server does not answer; what is shown is the last it told.";

const refresh = document.getElementById("refresh");
const told = document.getElementById("told");

// Says something to the user once, however often it is still true.
function tell(text) {
  if (told.textContent !== text) {
    told.textContent = text;
  }
}

// By what an element is found again after the page was replaced.
function mark(element) {
  return element.id || element.getAttribute("href");
}

// Whether the user is marking text, such as an id to be copied, which replacing the page would undo.
function marking() {
  const selection = document.getSelection();
  return !selection.isCollapsed && document.querySelector("main").contains(selection.anchorNode);
}

// Puts the fresh main element in place of the shown one. Focus and sideways scrolling stay where they are.
function show(fresh) {
  const shown = document.querySelector("main");
  const focused = shown.contains(document.activeElement) ? mark(document.activeElement) : null;
  const scrolled = new Map();
  for (const wide of shown.querySelectorAll(".wide")) {
    scrolled.set(wide.id, wide.scrollLeft);
  }
  shown.replaceWith(fresh);
  for (const wide of fresh.querySelectorAll(".wide")) {
    wide.scrollLeft = scrolled.get(wide.id) || 0;
  }
  if (focused) {
    const again = [...fresh.querySelectorAll("a, button, [tabindex]")].find((one) => mark(one) === focused);
    again?.focus({ preventScroll: true });
  }
}

async function ask(path, request) {
  return fetch(path, { ...request, cache: "no-store", signal: AbortSignal.timeout(FETCH_MS_MAX) });
}

async function update() {
  const answer = await ask(location.href, {});
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector("main");
  if (fresh && !marking()) {
    show(fresh);
  }
}

// A control's button says itself what it sends. The server tells what is wrong in one sentence.
async function send(button) {
  const { method, path, body } = button.dataset;
  const request = { method };
  if (body) {
    request.body = body;
    request.headers = { "content-type": "application/json" };
  }
  try {
    const answer = await ask(path, request);
    const trouble = answer.ok ? "" : (await answer.json()).error || `The server answered ${answer.status}.`;
    await update();
    tell(trouble);
  } catch {
    tell(UNREACHED);
  }
}

async function keepFresh() {
  if (refresh.checked && !document.hidden) {
    try {
      await update();
      if (told.textContent === UNREACHED) {
        tell("");
      }
    } catch {
      tell(UNREACHED);
    }
  }
  setTimeout(keepFresh, REFRESH_MS);
}

document.documentElement.classList.add("js");
refresh.checked = sessionStorage.getItem(STILL_KEY) === null;
refresh.addEventListener("change", () => {
  if (refresh.checked) {
    sessionStorage.removeItem(STILL_KEY);
  } else {
    sessionStorage.setItem(STILL_KEY, "yes");
  }
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-path]");
  if (button) {
    send(button);
  }
});
setTimeout(keepFresh, REFRESH_MS);
