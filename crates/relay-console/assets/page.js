// The operator page without this script shows and does everything but sending a file; with it, pages follow what happens, and
// uploads show how far they are.
"use strict";

const byId = (id) => document.getElementById(id);

// Pages that follow what happens: whatever changes, the page is asked for again and its part `live` is put in place of the
// old one, unless somebody is at work in it.
function follow(live) {
  const words = byId("live-words");
  const button = byId("live-switch");
  const pauseMs = 1000;
  let source = null;
  let timer = null;
  let stopped = false;

  async function renew() {
    timer = null;
    const busy = live.contains(document.activeElement) || live.querySelector("input:checked, details[open]");
    if (stopped || busy || document.hidden) {
      if (!stopped) timer = setTimeout(renew, pauseMs);
      return;
    }
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "error" });
      if (!answer.ok) throw new Error(String(answer.status));
      const text = await answer.text();
      // It was stopped meanwhile.
      if (stopped) return;
      const page = new DOMParser().parseFromString(text, "text/html");
      const fresh = page.getElementById("live");
      // What is the same stays, so that nobody's click or selection is lost.
      if (fresh && fresh.innerHTML !== live.innerHTML) live.replaceChildren(...fresh.childNodes);
      words.textContent = "Updated at " + new Date().toISOString().slice(11, 19) + " UTC.";
    } catch {
      if (stopped) return;
      words.textContent = "The relay does not answer; this is not up to date.";
    }
  }

  function start() {
    source = new EventSource(live.dataset.live);
    const later = () => { if (!timer) timer = setTimeout(renew, pauseMs); };
    source.addEventListener("change", later);
    source.addEventListener("missed", later);
    source.addEventListener("open", () => {
      words.textContent = "Follows what happens.";
      // Something may have happened since the page was written, or while nobody listened.
      later();
    });
    source.addEventListener("error", () => { words.textContent = "Not up to date: the relay does not answer, or too many watch."; });
  }

  function stop() {
    source?.close();
    clearTimeout(timer);
    timer = null;
    words.textContent = "Live updates are stopped.";
  }

  button.hidden = false;
  button.addEventListener("click", () => {
    stopped = !stopped;
    button.textContent = stopped ? "Start live updates" : "Stop live updates";
    if (stopped) stop(); else start();
  });
  addEventListener("pagehide", () => source?.close());
  start();
}

// Sending a file: first what is sent is shown once more, then it goes to the API, with how far it is. The same form sent again
// has the same key, so that a letter whose answer was lost does not go twice.
function send(form) {
  const said = byId("send-words");
  const progress = byId("send-progress");
  const fault = byId("send-fault");
  const what = byId("send-what");
  const button = byId("do");
  const back = byId("send-back");
  const fields = [...form.querySelectorAll("input, select")];
  let checked = false;

  function refuse(text) {
    byId("send-fault-words").textContent = text;
    fault.hidden = false;
    fault.focus();
    progress.hidden = true;
    said.textContent = "";
    button.disabled = false;
    back.disabled = false;
  }

  function change() {
    checked = false;
    fields.forEach((field) => { field.disabled = false; });
    what.hidden = true;
    back.hidden = true;
    button.textContent = "Check what is sent";
  }

  back.addEventListener("click", () => {
    // Something else may be sent now, which is another message.
    form.dataset.key = crypto.randomUUID ? crypto.randomUUID() : form.dataset.key + "-" + Date.now();
    change();
    fields[0].focus();
  });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    fault.hidden = true;
    const file = form.elements.file.files[0];
    const value = (name) => form.elements[name].value.trim();
    if (!value("to")) return refuse("Say to which mailbox it goes.");
    if (!value("workflow")) return refuse("Say which workflow it belongs to.");
    if (!file) return refuse("Choose a file.");
    if (!file.size) return refuse("The file is empty.");
    if (!checked) {
      checked = true;
      fields.forEach((field) => { field.disabled = true; });
      what.textContent = `One message with the file ${file.name}, ${file.size} bytes, goes from ${value("from")} to `
        + `${value("to")}, workflow ${value("workflow")}.`;
      what.hidden = false;
      back.hidden = false;
      button.textContent = "Send it";
      button.focus();
      return;
    }
    const request = new XMLHttpRequest();
    request.open("POST", "/v1/messages");
    request.setRequestHeader("Idempotency-Key", form.dataset.key);
    request.setRequestHeader("X-CSRF-Token", form.dataset.csrf);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("Mesh-Relay-Encoding", "percent");
    const headers = {
      "Mex-From": value("from"), "Mex-To": value("to"), "Mex-WorkflowID": value("workflow"),
      "Mex-Subject": value("subject"), "Mex-LocalID": value("local_id"), "Mex-FileName": file.name,
    };
    for (const [name, text] of Object.entries(headers)) {
      if (text) request.setRequestHeader(name, encodeURIComponent(text));
    }
    request.upload.addEventListener("progress", (sent) => {
      if (!sent.lengthComputable) return;
      progress.value = Math.floor((sent.loaded * 100) / sent.total);
      if (sent.loaded === sent.total) said.textContent = "Everything has left; MESH has yet to answer.";
    });
    request.addEventListener("error", () => refuse("The relay did not answer. It is not known whether the message was sent; "
      + "choose Send it once more: what has arrived is not sent twice."));
    request.addEventListener("load", () => {
      progress.hidden = true;
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { /* Said below. */ }
      if (request.status === 202) {
        form.hidden = true;
        said.textContent = "MESH has accepted it. ";
        const link = document.createElement("a");
        link.href = "/messages/" + encodeURIComponent(answer.relay_id);
        link.className = "nhsuk-link";
        link.id = "sent";
        link.textContent = "Follow the message";
        said.append(link);
      } else {
        refuse((answer.detail || "The relay answered " + request.status + ".") + (request.status === 503
          ? " Choose Send it once more in a moment: what has arrived is not sent twice." : ""));
      }
    });
    button.disabled = true;
    back.disabled = true;
    progress.value = 0;
    progress.hidden = false;
    said.textContent = "Sending.";
    request.send(file);
  });
}

const live = document.querySelector("[data-live]");
if (live && window.EventSource) follow(live);
const form = byId("send");
if (form) send(form);
// What went wrong is where the keyboard begins.
document.querySelector(".nhsuk-error-summary:not([hidden])")?.focus();
