// Hands in the token of a letter's link when its reader presses a button.
// It leaves this page only in the body of that request.

const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
// Out of the address bar and the history; a reload asks for the letter again.
history.replaceState(null, "", location.pathname);

const find = (id) => document.getElementById(id);
const show = (id, whether = true) => { find(id).hidden = !whether; };
const english = !/^zh/i.test(navigator.language ?? "zh");
const words = {
  away: ["暂时无法连接，请稍后再试。", "The service cannot be reached; try again shortly."],
  differ: ["两次输入不一致。", "The two differ."],
  gone: ["链接无效、已使用或已过期。请重新打开邮件中的链接，或请运营人员重新发送。",
    "The link is unknown, used or expired. Open it from the letter again, or ask an operator for another."],
};
const say = (key) => words[key][english ? 1 : 0];

function tell(problem) {
  const fields = problem.errors ?? [];
  let told = false;
  for (const place of document.querySelectorAll("[data-field]")) {
    const own = fields.filter((bad) => bad.field === place.dataset.field);
    place.textContent = own.map((bad) => bad.message).join(" ");
    told ||= own.length > 0;
  }
  const rest = problem.code === "link_invalid" ? say("gone") : problem.title;
  find("problem").textContent = told ? "" : rest;
}

async function post(path, body, key) {
  const headers = { "Content-Type": "application/json", "Accept-Language": english ? "en" : "zh" };
  if (key) headers["Idempotency-Key"] = key;
  try {
    const answer = await fetch(path, {
      method: "POST", headers, body: JSON.stringify(body), referrerPolicy: "no-referrer", cache: "no-store",
    });
    const told = await answer.json();
    return answer.ok ? { good: told } : { bad: told };
  } catch {
    return { bad: { title: say("away") } };
  }
}

// A request whose answer was lost is repeated under its key; another body is another request.
let last = { body: "", key: "" };
function keyFor(body) {
  const text = JSON.stringify(body);
  if (last.body !== text) {
    const random = crypto.getRandomValues(new Uint8Array(16));
    last = { body: text, key: Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("") };
  }
  return last.key;
}

async function submitted(form, path, body) {
  const button = form.querySelector("button");
  button.disabled = true;
  const { good, bad } = await post(path, body, keyFor(body));
  button.disabled = false;
  if (bad) {
    tell(bad);
    return null;
  }
  find("problem").textContent = "";
  form.hidden = true;
  show("done");
  return good;
}

async function passwordPage(form) {
  const { good, bad } = await post("/api/v1/staff/link", { token: token || "none" });
  if (bad) return tell(bad);
  find("who").textContent = good.email;
  find("email").value = good.email;
  show("invited", good.purpose === "invite");
  show("anew", good.purpose !== "invite");
  show("pin", good.signing_pin_needed);
  find("signing-pin").required = good.signing_pin_needed;
  show("password");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const password = find("new-password").value;
    if (password !== find("repeated").value) {
      return tell({ errors: [{ field: "repeated", message: say("differ") }] });
    }
    const body = { token, password };
    if (good.signing_pin_needed) body.signing_pin = find("signing-pin").value;
    const set = await submitted(form, "/api/v1/staff/password", body);
    if (!set) return;
    show("pin-later", set.signing_pin_needed);
    if (set.totp_secret) {
      show("totp");
      find("secret").textContent = set.totp_secret;
      if (set.totp_qr_svg) find("qr").src = "data:image/svg+xml," + encodeURIComponent(set.totp_qr_svg);
      else show("qr", false);
    }
  });
}

function emailPage(form) {
  if (!token) return tell({ code: "link_invalid" });
  show("confirm");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const set = await submitted(form, "/api/v1/staff/email", { token });
    if (set) find("address").textContent = set.email;
  });
}

if (find("password")) passwordPage(find("password"));
if (find("confirm")) emailPage(find("confirm"));
